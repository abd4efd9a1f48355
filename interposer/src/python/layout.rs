//! Where an interpreter keeps what we read: byte offsets in its structures on 64-bit machines. What they are for each
//! version, [`versions`](super::versions) knows.

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
    /// In a dictionary, at an offset that the type names.
    Dict,
    /// In values before the object, 32 bytes from it, or in a dictionary, 24 bytes. The type has the keys of values at this
    /// offset.
    ValuesBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In either, 24 bytes before the object, told apart by the lowest bit.
    TaggedBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In values within the object, or in a dictionary, 24 bytes before it.
    Inline {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
}

/// Offsets in an interpreter's structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// From the thread state to the innermost frame.
    pub top: Top,
    /// In a thread state: the address of the frame that ends every chain, where there is one. It runs nothing.
    pub base_frame: Option<usize>,
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
    /// Whether an interpreter is aligned within a block, whose address stands in the word before it.
    pub interpreter_in_block: bool,
    /// In a frame: a reference to its code object.
    pub frame_code: usize,
    /// The bits of a reference in a frame that are no part of the address.
    pub reference_tags: usize,
    /// In a frame: the caller's frame.
    pub frame_previous: usize,
    /// In a frame: the instruction.
    pub instruction: Instruction,
    /// In a frame: the byte that says who owns it, where frames of the interpreter's own exist.
    pub frame_owner: Option<usize>,
    /// In a frame: a reference to its first local variable, which is its first argument.
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

/// The least value of `owner` for the frames that run nothing: those of C functions that evaluate others
/// (`FRAME_OWNED_BY_INTERPRETER`, `FRAME_OWNED_BY_CSTACK`), which lie on the C stack.
pub const OWNED_BY_INTERPRETER: u8 = 3;

/// Offsets that are the same in all versions: extension modules rely on most of them.
pub mod object {
    /// In any object: its type.
    pub const TYPE: usize = 8;
    /// Bytes of what every object begins with.
    pub const HEADER: usize = 16;
    /// In an object of variable size: how many items it has.
    pub const SIZE: usize = 16;
    /// In a type: its name, a C string.
    pub const TYPE_NAME: usize = 24;
    /// In a type: `tp_basicsize`.
    pub const TYPE_BASIC_SIZE: usize = 32;
    /// In a type: `tp_dealloc`.
    pub const TYPE_DEALLOC: usize = 48;
    /// In a type: `tp_flags`.
    pub const TYPE_FLAGS: usize = 168;
    /// In a type: `tp_dictoffset`.
    pub const TYPE_DICT_OFFSET: usize = 288;
    /// In a dictionary: its keys.
    pub const DICT_KEYS: usize = 32;
    /// In a dictionary: its values, where it shares its keys with others.
    pub const DICT_VALUES: usize = 40;
    /// In a bytes object: its bytes.
    pub const BYTES: usize = 32;
    /// In a string: how many characters it has.
    pub const TEXT_LENGTH: usize = 16;
    /// In a string: its flags.
    pub const TEXT_STATE: usize = 32;
}

impl Layout {
    /// The address of the object that a reference in a frame leads to.
    #[inline(always)]
    #[must_use]
    pub const fn referenced(&self, reference: usize) -> usize {
        reference & !self.reference_tags
    }
}
