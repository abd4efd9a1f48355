//! 3.14: frames hold tagged references (`_PyStackRef`), and interpreters are aligned within their blocks. Sources:
//! Include/internal/pycore_debug_offsets.h and pycore_stackref.h, Include/cpython/code.h, pystate.h and
//! unicodeobject.h, Python/pystate.c (`alloc_interpreter`).

use super::{Source, Version, v3_13};
use crate::python::debug_offsets::{
    CodeWords, CopyWords, FrameWords, FreeThreadingWords, InterpreterWords, ObjectWords, StateWords, Table, Value,
};
use crate::python::layout::ObjectLayout;

pub const VERSION: Version = Version { minor: 14, source: Source::DebugOffsets(TABLE), ..v3_13::VERSION };

pub const TABLE: Table = Table {
    minor: 14,
    interpreter: InterpreterWords { bytes: 6, states: 9 },
    state: StateWords { bytes: 22, next: 24, interpreter: 25, frame: 26, base_frame: None, thread: 27, chunk: 29 },
    frame: FrameWords { bytes: 31, previous: 32, code: 33, instruction: 34, locals: 35, owner: 36 },
    code: CodeWords { bytes: 39, file: 40, name: 41, qualified_name: 42, line_table: 43, first_line: 44, bytecode: 48 },
    object: ObjectWords {
        header: 50,
        class: 51,
        type_name: 53,
        type_flags: 55,
        dict_keys: 67,
        dict_values: 68,
        size: 75,
        bytes: 76,
        text_state: 78,
        text_length: 79,
        ascii_header: 80,
    },
    cached_keys: Value::AfterHeader(864),
    free_threading: Some(FREE_THREADING),
    interpreter_in_block: true,
    reference_tags: 0b11,
    ..v3_13::TABLE
};

/// Threads of a free-threaded build run copies of the bytecode (`_PyCodeArray`).
pub const FREE_THREADING: FreeThreadingWords = FreeThreadingWords {
    object: ObjectLayout::FREE_THREADED,
    state_previous: 23,
    state_flags: 30,
    going: 0b111 << 5,
    attachment_offset: 12,
    copies: Some(CopyWords { frame: 38, code: 49 }),
    ..v3_13::FREE_THREADING
};
