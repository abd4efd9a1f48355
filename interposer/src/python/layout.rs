//! Where CPython keeps what we read, by version: byte offsets in its structures on 64-bit machines.
//!
//! Sources: Include/cpython/frameobject.h and code.h (3.9, 3.10), Include/internal/pycore_frame.h, Include/cpython/code.h
//! and pystate.h (3.11 to 3.13), Include/internal/pycore_interp.h. The numbers were printed by `offsetof` with each version's own headers. Before they are
//! used, [`fits`](Layout::fits) compares the sizes of the types with those of the running interpreter.

use memprof_capture::channel::code::LineTableFormat;

/// How a frame tells which instruction it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `f_lasti`, an `int`: the last instruction's index, in units of so many bytes.
    Index {
        /// Where the field is.
        offset: usize,
        /// Bytes of one unit.
        unit: u32,
    },
    /// `prev_instr` or `instr_ptr`: a pointer into the bytecode, which is part of the code object.
    Pointer {
        /// Where the field is in the frame.
        offset: usize,
        /// Where the bytecode is in the code object.
        bytecode: usize,
    },
}

/// How to get from a thread state to its innermost frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// A field of the thread state.
    Field(usize),
    /// A field of the structure that a field of the thread state points to (`cframe`).
    Through(usize, usize),
}

/// Where objects of ordinary classes keep their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// In a dictionary, at an offset that the type names (3.9, 3.10).
    Dict,
    /// In values before the object, 32 bytes from it, or in a dictionary, 24 bytes (3.11). The type has the keys of values
    /// at this offset.
    ValuesBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In either, 24 bytes before the object, told apart by the lowest bit (3.12).
    TaggedBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In values within the object, or in a dictionary, 24 bytes before it (3.13).
    Inline {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
}

/// Offsets in one version's structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// From the thread state to the innermost frame.
    pub top: Top,
    /// In a thread state: the address of its innermost control frame (`cframe`), where those tell activations apart.
    pub control_frame: Option<usize>,
    /// In a thread state: the outermost control frame, which is part of it.
    pub control_root: usize,
    /// In a control frame: the address of the next outer one.
    pub control_previous: usize,
    /// In a control frame: the address of its innermost frame, where it has more than one.
    pub control_current: Option<usize>,
    /// In a thread state: the one after it in the list of its interpreter.
    pub state_next: usize,
    /// In a thread state: its interpreter.
    pub state_interpreter: usize,
    /// In a thread state: the thread, as `pthread_self` says.
    pub state_thread: usize,
    /// In a thread state: the newest of the mappings that its frames are in, where frames are not objects.
    pub state_chunk: Option<usize>,
    /// In an interpreter: the first of its thread states.
    pub interpreter_states: usize,
    /// How large an interpreter is, where its first thread state is part of it.
    pub interpreter_bytes: Option<usize>,
    /// In a frame: its code object.
    pub frame_code: usize,
    /// In a frame: the caller's frame.
    pub frame_previous: usize,
    /// In a frame: the instruction.
    pub instruction: Instruction,
    /// In a frame: the byte that says who owns it, where frames of the C stack exist.
    pub frame_owner: Option<usize>,
    /// In a frame: its first local variable, which is its first argument.
    pub frame_locals: usize,
    /// In an object: its attributes.
    pub attributes: Attributes,
    /// In a code object: `co_name`.
    pub code_name: usize,
    /// In a code object: `co_qualname`.
    pub code_qualified_name: Option<usize>,
    /// In a code object: `co_filename`.
    pub code_file: usize,
    /// In a code object: `co_firstlineno`.
    pub code_first_line: usize,
    /// In a code object: `co_lnotab` or `co_linetable`.
    pub code_line_table: usize,
    /// Its format.
    pub line_table_format: LineTableFormat,
    /// `tp_basicsize` of code objects.
    pub code_basic_size: usize,
    /// Bytes of the header of an ASCII string: where its characters begin.
    pub ascii_header: usize,
    /// Bytes of the header of any other compact string.
    pub compact_header: usize,
}

/// The value of `owner` for the auxiliary frames that live on the C stack (`FRAME_OWNED_BY_CSTACK`).
pub const OWNED_BY_C_STACK: u8 = 3;

/// Offsets that have not changed from 3.9 to 3.13.
pub mod object {
    /// In any object: its type.
    pub const TYPE: usize = 8;
    /// In an object of variable size: how many items it has.
    pub const SIZE: usize = 16;
    /// In a type: its name, a C string.
    pub const TYPE_NAME: usize = 24;
    /// In a type: `tp_basicsize`.
    pub const TYPE_BASIC_SIZE: usize = 32;
    /// In a type: `tp_dealloc`.
    pub const TYPE_DEALLOC: usize = 48;
    /// In a bytes object: its bytes.
    pub const BYTES: usize = 32;
    /// In a string: how many characters it has.
    pub const TEXT_LENGTH: usize = 16;
    /// In a string: its flags.
    pub const TEXT_STATE: usize = 32;
}

const V3_9: Layout = Layout {
    top: Top::Field(24),
    control_frame: None,
    control_root: 0,
    control_previous: 0,
    control_current: None,
    state_next: 8,
    state_interpreter: 16,
    state_thread: 176,
    state_chunk: None,
    interpreter_states: 8,
    interpreter_bytes: None,
    frame_code: 32,
    frame_previous: 24,
    instruction: Instruction::Index { offset: 104, unit: 1 },
    frame_owner: None,
    frame_locals: 360,
    attributes: Attributes::Dict,
    code_name: 112,
    code_qualified_name: None,
    code_file: 104,
    code_first_line: 40,
    code_line_table: 120,
    line_table_format: LineTableFormat::Lnotab,
    code_basic_size: 176,
    ascii_header: 48,
    compact_header: 72,
};

const V3_10: Layout = Layout {
    control_frame: Some(48),
    control_root: 264,
    control_previous: 8,
    instruction: Instruction::Index { offset: 96, unit: 2 },
    frame_locals: 352,
    line_table_format: LineTableFormat::Lines,
    ..V3_9
};

const V3_11: Layout = Layout {
    top: Top::Through(56, 8),
    control_frame: Some(56),
    control_root: 336,
    control_previous: 16,
    control_current: Some(8),
    state_next: 8,
    state_interpreter: 16,
    state_thread: 152,
    state_chunk: Some(296),
    interpreter_states: 16,
    interpreter_bytes: Some(107_752),
    frame_code: 32,
    frame_previous: 48,
    instruction: Instruction::Pointer { offset: 56, bytecode: 184 },
    frame_owner: None,
    frame_locals: 72,
    attributes: Attributes::ValuesBefore { cached_keys: 872 },
    code_name: 120,
    code_qualified_name: Some(128),
    code_file: 112,
    code_first_line: 72,
    code_line_table: 136,
    line_table_format: LineTableFormat::Locations,
    code_basic_size: 184,
    ascii_header: 48,
    compact_header: 72,
};

const V3_12: Layout = Layout {
    top: Top::Through(56, 0),
    control_frame: None,
    state_thread: 136,
    state_chunk: Some(232),
    interpreter_states: 72,
    interpreter_bytes: Some(383_552),
    frame_code: 0,
    frame_previous: 8,
    instruction: Instruction::Pointer { offset: 56, bytecode: 192 },
    frame_owner: Some(70),
    attributes: Attributes::TaggedBefore { cached_keys: 880 },
    code_first_line: 68,
    code_basic_size: 192,
    ascii_header: 40,
    compact_header: 56,
    ..V3_11
};

const V3_13: Layout = Layout {
    top: Top::Field(72),
    state_thread: 152,
    interpreter_states: 7344,
    interpreter_bytes: Some(194_968),
    instruction: Instruction::Pointer { offset: 56, bytecode: 200 },
    attributes: Attributes::Inline { cached_keys: 880 },
    code_basic_size: 200,
    ..V3_12
};

impl Layout {
    /// The layout of version 3.`minor`, where there is one.
    #[must_use]
    pub const fn of(minor: u32) -> Option<Self> {
        match minor {
            9 => Some(V3_9),
            10 => Some(V3_10),
            11 => Some(V3_11),
            12 => Some(V3_12),
            13 => Some(V3_13),
            _ => None,
        }
    }

    /// Whether an interpreter whose code objects have this `tp_basicsize` can have this layout.
    #[must_use]
    pub const fn fits(&self, code_basic_size: usize) -> bool {
        self.code_basic_size == code_basic_size
    }
}

/// Takes the minor version out of what `Py_GetVersion()` returns: `3.11.7 (main, ...`. Nothing for a build whose
/// objects look different: a free-threaded one, or another major version.
#[must_use]
pub fn minor_version(text: &[u8]) -> Option<u32> {
    const FREE_THREADED: &[u8] = b"free-threading";
    let digits = text.strip_prefix(b"3.")?;
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 3 || text.windows(FREE_THREADED.len()).any(|window| window == FREE_THREADED) {
        return None;
    }
    Some(digits[..length].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(minor_version(b"3.11.7 (main, Jan  1 2024, 00:00:00) [GCC 12.2.0]"), Some(11));
        assert_eq!(minor_version(b"3.9.18"), Some(9));
        assert_eq!(minor_version(b"3.13.0 experimental free-threading build (main, ..."), None);
        assert_eq!(minor_version(b"2.7.18 (default)"), None);
        assert_eq!(minor_version(b"3."), None);
    }

    #[test]
    fn other_versions_have_no_layout() {
        assert!((9..=13).all(|minor| Layout::of(minor).is_some()));
        assert_eq!((Layout::of(8), Layout::of(14)), (None, None));
    }
}
