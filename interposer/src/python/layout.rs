//! Where an interpreter keeps what we read: byte offsets in its structures on 64-bit machines.
//! [`versions`](super::versions) has them for each version.

use memprof_channel::code::LineTableFormat;

/// How a frame says which instruction it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `f_lasti`, an `int`: the last instruction's index, in units of this many bytes.
    Index {
        /// Where the field is.
        offset: usize,
        /// Bytes of one unit.
        unit: u32,
    },
    /// `prev_instr` or `instr_ptr`: a pointer into the bytecode, which is part of the code object, or into one of its
    /// copies ([`FreeThreading`]).
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
    /// In values before the object, 32 bytes from it, or in a dictionary, [`ObjectLayout::dict_before`]. The type has
    /// the keys of values at this offset.
    ValuesBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In either, where a dictionary would be, distinguished by the lowest bit.
    TaggedBefore {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
    /// In values within the object, or in a dictionary before it.
    Inline {
        /// `ht_cached_keys`.
        cached_keys: usize,
    },
}

/// Offsets in an interpreter's structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Objects.
    pub object: ObjectLayout,
    /// What it has besides if it has no global lock.
    pub free_threading: Option<FreeThreading>,
    /// From the thread state to the innermost frame.
    pub top: Top,
    /// In a thread state: the address of the frame that ends every chain, where there is one. It runs nothing.
    pub base_frame: Option<usize>,
    /// In a thread state: the address of its innermost control frame (`cframe`), where those distinguish activations.
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
    /// Whether an interpreter is aligned within a block, whose address is in the word before it.
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

/// Where fields of objects are. They are the same in all versions, counted from the end of what every object begins
/// with: extension modules rely on most of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLayout {
    /// Bytes of what every object begins with. It ends with the object's type.
    pub header: usize,
    /// From the reference to an object's dictionary, where its class keeps that before the object, to the object.
    pub dict_before: usize,
    /// In the flags of a string: the lowest of the bits that say how wide its characters are.
    pub text_kind: u32,
}

impl ObjectLayout {
    /// Of builds with a global lock.
    pub const WITH_LOCK: Self = Self { header: 16, dict_before: 24, text_kind: 2 };
    /// Of free-threaded builds: an object begins with its owner, a lock and two reference counts. Whether a string is
    /// interned is a byte of its own.
    pub const FREE_THREADED: Self = Self { header: 32, dict_before: 8, text_kind: 8 };

    /// In any object: its type.
    #[inline(always)]
    pub const fn class(self) -> usize {
        self.header - 8
    }

    /// In an object of variable size: how many items it has.
    pub const fn size(self) -> usize {
        self.header
    }

    /// In a type: its name, a C string.
    pub const fn type_name(self) -> usize {
        self.header + 8
    }

    /// In a type: `tp_basicsize`.
    pub const fn type_basic_size(self) -> usize {
        self.header + 16
    }

    /// In a type: `tp_dealloc`.
    pub const fn type_dealloc(self) -> usize {
        self.header + 32
    }

    /// In a type: `tp_flags`.
    pub const fn type_flags(self) -> usize {
        self.header + 152
    }

    /// In a type: `tp_dictoffset`.
    pub const fn type_dict_offset(self) -> usize {
        self.header + 272
    }

    /// In a dictionary: its keys.
    pub const fn dict_keys(self) -> usize {
        self.header + 16
    }

    /// In a dictionary: its values, where it shares its keys with others.
    pub const fn dict_values(self) -> usize {
        self.header + 24
    }

    /// In a bytes object: its bytes.
    pub const fn bytes(self) -> usize {
        self.header + 16
    }

    /// In a string: how many characters it has.
    pub const fn text_length(self) -> usize {
        self.header
    }

    /// In a string: its flags.
    pub const fn text_state(self) -> usize {
        self.header + 16
    }
}

/// What an interpreter without a global lock has besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeThreading {
    /// In `_PyRuntime`: the thread state that is ending Python, if one is.
    pub runtime_ending: usize,
    /// In a thread state: the one before it in the list of its interpreter.
    pub state_previous: usize,
    /// In a thread state: 32 flags.
    pub state_flags: usize,
    /// The flag that a thread sets once it is attached, and takes off before it detaches.
    pub active: u32,
    /// The flags of states that are about to be deleted.
    pub going: u32,
    /// In a thread state: whether its thread is attached, 32 bits.
    pub state_attachment: usize,
    /// Where threads run copies of the bytecode.
    pub copies: Option<CopyFields>,
}

/// Which copy of the bytecode a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFields {
    /// In a frame: which of its code object's copies it runs, 32 bits.
    pub frame: usize,
    /// In a code object: a pointer to how many copies there can be, and where they are. The first one is its own
    /// bytecode.
    pub code: usize,
}

/// The value of `state` of a thread state whose thread is attached (`_Py_THREAD_ATTACHED`).
pub const ATTACHED: u32 = 1;
/// That of one whose thread will never attach again, since Python ends (`_Py_THREAD_SHUTTING_DOWN`).
pub const SHUT_OUT: u32 = 3;

impl Layout {
    /// The address of the object that a reference in a frame leads to.
    #[inline(always)]
    #[must_use]
    pub const fn referenced(&self, reference: usize) -> usize {
        reference & !self.reference_tags
    }

    /// Which copy of the bytecode a frame runs, where threads run copies.
    #[inline(always)]
    #[must_use]
    pub fn copies(&self) -> Option<CopyFields> {
        self.free_threading.and_then(|free| free.copies)
    }
}
