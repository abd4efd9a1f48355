//! Layouts that an interpreter states itself: `_PyRuntime` starts with `_Py_DebugOffsets`
//! (Include/internal/pycore_debug_offsets.h), a table of 64-bit words for debuggers. It is initialised statically: it
//! can be read before Python starts. Fields of the table itself come and go with minor versions, so that each has its
//! own [`Table`] of where they are in it; a micro version that moves a field of a structure is read correctly.
//!
//! What is read is used only if it makes sense: fields that lie within their structures, aligned, none over another,
//! and what extension modules rely on where it has always been. Whether the first frame is as expected then has the
//! last word ([`first_frame`](super::first_frame)).

use memprof_channel::code::LineTableFormat;

use super::layout::{Attributes, CopyFields, FreeThreading, Instruction, Layout, ObjectLayout, Top};

/// How many words are read: all tables are shorter, and `_PyRuntime` is longer.
pub const WORDS: usize = 96;

/// `_Py_Debug_Cookie`: what the table begins with.
const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
/// `PY_VERSION_HEX`, whose upper half is the major and the minor version.
const VERSION: usize = 1;
/// Whether it is a free-threaded build.
const FREE_THREADED: usize = 2;

/// Which words say what, in one minor version.
#[derive(Clone, Copy)]
pub struct Table {
    /// It is of 3.`minor`.
    pub minor: u32,
    /// `PyInterpreterState`
    pub interpreter: InterpreterWords,
    /// `PyThreadState`
    pub state: StateWords,
    /// `_PyInterpreterFrame`
    pub frame: FrameWords,
    /// `PyCodeObject`
    pub code: CodeWords,
    /// Objects of other types.
    pub object: ObjectWords,
    /// In a type: `ht_cached_keys`.
    pub cached_keys: Value,
    /// What its free-threaded builds state besides, where these can be read.
    pub free_threading: Option<FreeThreadingWords>,
    /// See [`Layout::interpreter_in_block`].
    pub interpreter_in_block: bool,
    /// See [`Layout::reference_tags`].
    pub reference_tags: usize,
    /// See [`Layout::line_table_format`].
    pub line_table_format: LineTableFormat,
}

/// What some versions state.
#[derive(Clone, Copy)]
pub enum Value {
    /// It is this many bytes after what every object begins with, in all builds.
    AfterHeader(usize),
    /// This word says it.
    At(usize),
}

/// `PyInterpreterState`
#[derive(Clone, Copy)]
pub struct InterpreterWords {
    /// Its size.
    pub bytes: usize,
    /// `threads.head`
    pub states: usize,
}

/// `PyThreadState`
#[derive(Clone, Copy)]
pub struct StateWords {
    /// Its size.
    pub bytes: usize,
    /// `next`
    pub next: usize,
    /// `interp`
    pub interpreter: usize,
    /// `current_frame`
    pub frame: usize,
    /// `base_frame`
    pub base_frame: Option<usize>,
    /// `thread_id`
    pub thread: usize,
    /// `datastack_chunk`
    pub chunk: usize,
}

/// `_PyInterpreterFrame`
#[derive(Clone, Copy)]
pub struct FrameWords {
    /// Its size.
    pub bytes: usize,
    /// `previous`
    pub previous: usize,
    /// `f_executable`
    pub code: usize,
    /// `instr_ptr`
    pub instruction: usize,
    /// `localsplus`
    pub locals: usize,
    /// `owner`
    pub owner: usize,
}

/// `PyCodeObject`
#[derive(Clone, Copy)]
pub struct CodeWords {
    /// Its size.
    pub bytes: usize,
    /// `co_filename`
    pub file: usize,
    /// `co_name`
    pub name: usize,
    /// `co_qualname`
    pub qualified_name: usize,
    /// `co_linetable`
    pub line_table: usize,
    /// `co_firstlineno`
    pub first_line: usize,
    /// `co_code_adaptive`
    pub bytecode: usize,
}

/// What is the same in all versions, and compared.
#[derive(Clone, Copy)]
pub struct ObjectWords {
    /// `sizeof(PyObject)`
    pub header: usize,
    /// `ob_type`
    pub class: usize,
    /// `tp_name`
    pub type_name: usize,
    /// `tp_flags`
    pub type_flags: usize,
    /// `ma_keys`
    pub dict_keys: usize,
    /// `ma_values`
    pub dict_values: usize,
    /// `ob_size` of bytes
    pub size: usize,
    /// `ob_sval`
    pub bytes: usize,
    /// `state` of strings
    pub text_state: usize,
    /// `length` of strings
    pub text_length: usize,
    /// `sizeof(PyASCIIObject)`, which is not compared.
    pub ascii_header: usize,
}

/// See [`FreeThreading`].
#[derive(Clone, Copy)]
pub struct FreeThreadingWords {
    /// Objects.
    pub object: ObjectLayout,
    /// The size of `_PyRuntime`.
    pub runtime_bytes: usize,
    /// `_finalizing` in it.
    pub runtime_ending: usize,
    /// `prev` of a thread state.
    pub state_previous: usize,
    /// `_status` of a thread state.
    pub state_flags: usize,
    /// `active` in it, as a mask: the table does not state bits.
    pub active: u32,
    /// `finalizing`, `cleared` and `finalized` in it, likewise.
    pub going: u32,
    /// Bytes from there to `state`, which the table does not state either.
    pub attachment_offset: usize,
    /// Where threads run copies of the bytecode.
    pub copies: Option<CopyWords>,
}

/// See [`CopyFields`].
#[derive(Clone, Copy)]
pub struct CopyWords {
    /// `tlbc_index` of a frame.
    pub frame: usize,
    /// `co_tlbc` of a code object.
    pub code: usize,
}

const POINTER: usize = size_of::<usize>();

impl Table {
    /// The layout that an interpreter states by these words; nothing if it states none that can be right.
    pub fn read(&self, words: &[u64; WORDS]) -> Option<Layout> {
        let version = 3 << 8 | u64::from(self.minor);
        if words[0] != COOKIE || words[VERSION] >> 16 != version {
            return None;
        }
        let (object, free) = match (words[FREE_THREADED], self.free_threading) {
            (0, _) => (ObjectLayout::WITH_LOCK, None),
            (1, Some(free)) => (free.object, Some(free)),
            _ => return None,
        };
        self.object.compare(words, object)?;
        let mut interpreter = Structure::new(words, self.interpreter.bytes, 16 << 20)?;
        let mut state = Structure::new(words, self.state.bytes, 1 << 16)?;
        let mut frame = Structure::new(words, self.frame.bytes, 1 << 12)?;
        let mut code = Structure::new(words, self.code.bytes, 1 << 12)?;
        let bytecode = code.field(self.code.bytecode, 1)?;
        let ascii_header = word(words, self.object.ascii_header)?;
        let cached_keys = match self.cached_keys {
            Value::AfterHeader(bytes) => object.header + bytes,
            Value::At(at) => word(words, at)?,
        };
        let follows_type =
            cached_keys > object.type_dict_offset() && cached_keys < 1 << 12 && cached_keys % POINTER == 0;
        let follows_state = (object.text_state() + 4..=object.text_state() + 32).contains(&ascii_header);
        if !follows_type || !follows_state {
            return None;
        }
        let free_threading = match free {
            Some(free) => Some(free.read(words, &mut state, &mut frame, &mut code)?),
            None => None,
        };
        Some(Layout {
            object,
            free_threading,
            top: Top::Field(state.field(self.state.frame, POINTER)?),
            base_frame: match self.state.base_frame {
                Some(at) => Some(state.field(at, POINTER)?),
                None => None,
            },
            control_frame: None,
            control_root: 0,
            control_previous: 0,
            control_current: None,
            state_next: state.field(self.state.next, POINTER)?,
            state_interpreter: state.field(self.state.interpreter, POINTER)?,
            state_thread: state.field(self.state.thread, POINTER)?,
            state_chunk: Some(state.field(self.state.chunk, POINTER)?),
            interpreter_states: interpreter.field(self.interpreter.states, POINTER)?,
            interpreter_bytes: Some(interpreter.bytes),
            interpreter_in_block: self.interpreter_in_block,
            frame_code: frame.field(self.frame.code, POINTER)?,
            reference_tags: self.reference_tags,
            frame_previous: frame.field(self.frame.previous, POINTER)?,
            instruction: Instruction::Pointer { offset: frame.field(self.frame.instruction, POINTER)?, bytecode },
            frame_owner: Some(frame.field(self.frame.owner, 1)?),
            frame_locals: frame.field(self.frame.locals, POINTER)?,
            attributes: Attributes::Inline { cached_keys },
            code_name: code.field(self.code.name, POINTER)?,
            code_qualified_name: Some(code.field(self.code.qualified_name, POINTER)?),
            code_file: code.field(self.code.file, POINTER)?,
            code_first_line: code.field(self.code.first_line, 4)?,
            code_line_table: code.field(self.code.line_table, POINTER)?,
            line_table_format: self.line_table_format,
            // The bytecode is the variable part of a code object.
            code_basic_size: bytecode,
            ascii_header,
            // Two words more: how long the text is as UTF-8, and where.
            compact_header: ascii_header + 2 * POINTER,
        })
    }
}

impl ObjectWords {
    /// Whether everything is where it has always been.
    fn compare(&self, words: &[u64; WORDS], object: ObjectLayout) -> Option<()> {
        let expected = [
            (self.header, object.header),
            (self.class, object.class()),
            (self.type_name, object.type_name()),
            (self.type_flags, object.type_flags()),
            (self.dict_keys, object.dict_keys()),
            (self.dict_values, object.dict_values()),
            (self.size, object.size()),
            (self.bytes, object.bytes()),
            (self.text_state, object.text_state()),
            (self.text_length, object.text_length()),
        ];
        expected.into_iter().all(|(at, offset)| word(words, at) == Some(offset)).then_some(())
    }
}

impl FreeThreadingWords {
    /// What an interpreter states by these words; nothing if that cannot be right.
    fn read(
        &self,
        words: &[u64; WORDS],
        state: &mut Structure<'_>,
        frame: &mut Structure<'_>,
        code: &mut Structure<'_>,
    ) -> Option<FreeThreading> {
        let state_flags = state.field(self.state_flags, 4)?;
        Some(FreeThreading {
            runtime_ending: Structure::new(words, self.runtime_bytes, 16 << 20)?.field(self.runtime_ending, POINTER)?,
            state_previous: state.field(self.state_previous, POINTER)?,
            state_flags,
            active: self.active,
            going: self.going,
            state_attachment: state_flags + self.attachment_offset,
            copies: match self.copies {
                Some(copies) => {
                    Some(CopyFields { frame: frame.field(copies.frame, 4)?, code: code.field(copies.code, POINTER)? })
                }
                None => None,
            },
        })
    }
}

fn word(words: &[u64; WORDS], at: usize) -> Option<usize> {
    usize::try_from(*words.get(at)?).ok()
}

/// A structure, of which fields are taken that do not overlap.
struct Structure<'a> {
    words: &'a [u64; WORDS],
    bytes: usize,
    /// The offsets and widths of those that were taken; without width: none.
    taken: [(usize, usize); MOST_FIELDS],
}

const MOST_FIELDS: usize = 8;

impl<'a> Structure<'a> {
    /// One whose size this word says, at most `most` bytes.
    fn new(words: &'a [u64; WORDS], bytes: usize, most: usize) -> Option<Self> {
        let bytes = word(words, bytes)?;
        let is_plausible = bytes > ObjectLayout::WITH_LOCK.header && bytes <= most && bytes % POINTER == 0;
        is_plausible.then_some(Self { words, bytes, taken: [(0, 0); MOST_FIELDS] })
    }

    /// The offset of the field that this word states, which is `width` bytes wide.
    fn field(&mut self, at: usize, width: usize) -> Option<usize> {
        let offset = word(self.words, at)?;
        let overlaps = |&(other, other_width): &(usize, usize)| offset < other + other_width && other < offset + width;
        if offset % width != 0 || offset > self.bytes - width || self.taken.iter().any(overlaps) {
            return None;
        }
        *self.taken.iter_mut().find(|(_, width)| *width == 0)? = (offset, width);
        Some(offset)
    }
}

#[cfg(test)]
mod tests;
