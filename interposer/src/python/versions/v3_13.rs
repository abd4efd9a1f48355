//! 3.13: the first that says itself where its fields are, and the first with free-threaded builds. Sources:
//! `_Py_DebugOffsets` in Include/internal/pycore_runtime.h, Include/cpython/pystate.h and unicodeobject.h.

use memprof_channel::code::LineTableFormat;

use super::{Source, Version};
use crate::python::debug_offsets::{
    CodeWords, FrameWords, FreeThreadingWords, InterpreterWords, ObjectWords, StateWords, Table, Value,
};
use crate::python::layout::ObjectLayout;

pub const VERSION: Version =
    Version { minor: 13, source: Source::DebugOffsets(TABLE), current_is_own: true, allocator_named_early: true };

pub const TABLE: Table = Table {
    minor: 13,
    interpreter: InterpreterWords { bytes: 6, states: 9 },
    state: StateWords { bytes: 19, next: 21, interpreter: 22, frame: 23, base_frame: None, thread: 24, chunk: 26 },
    frame: FrameWords { bytes: 28, previous: 29, code: 30, instruction: 31, locals: 32, owner: 33 },
    code: CodeWords { bytes: 34, file: 35, name: 36, qualified_name: 37, line_table: 38, first_line: 39, bytecode: 43 },
    object: ObjectWords {
        header: 44,
        class: 45,
        type_name: 47,
        type_flags: 49,
        dict_keys: 57,
        dict_values: 58,
        size: 65,
        bytes: 66,
        text_state: 68,
        text_length: 69,
        ascii_header: 70,
    },
    cached_keys: Value::AfterHeader(864),
    free_threading: Some(FREE_THREADING),
    interpreter_in_block: false,
    reference_tags: 0,
    line_table_format: LineTableFormat::Locations,
};

/// All threads run the bytecode of the code object itself, which is not specialized.
pub const FREE_THREADING: FreeThreadingWords = FreeThreadingWords {
    // Strings are still as with the lock.
    object: ObjectLayout { text_kind: ObjectLayout::WITH_LOCK.text_kind, ..ObjectLayout::FREE_THREADED },
    runtime_bytes: 3,
    runtime_ending: 4,
    state_previous: 20,
    state_flags: 27,
    active: 1 << 4,
    // Between them is who has the lock, which an extension module can bring back.
    going: 0b111 << 6,
    attachment_offset: 8,
    copies: None,
};
