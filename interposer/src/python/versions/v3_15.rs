//! 3.15: every chain of frames ends with a frame that is part of the thread state. Sources: as of 3.14.

use super::{Source, Version, v3_14};
use crate::python::debug_offsets::{
    CodeWords, CopyWords, FrameWords, FreeThreadingWords, ObjectWords, StateWords, Table, Value,
};

pub const VERSION: Version = Version { minor: 15, source: Source::DebugOffsets(TABLE), ..v3_14::VERSION };

const TABLE: Table = Table {
    minor: 15,
    state: StateWords { bytes: 22, next: 24, interpreter: 25, frame: 26, base_frame: Some(27), thread: 30, chunk: 32 },
    frame: FrameWords { bytes: 39, previous: 40, code: 41, instruction: 42, locals: 43, owner: 44 },
    code: CodeWords { bytes: 47, file: 48, name: 49, qualified_name: 50, line_table: 51, first_line: 52, bytecode: 56 },
    object: ObjectWords {
        header: 58,
        class: 59,
        type_name: 61,
        type_flags: 63,
        dict_keys: 79,
        dict_values: 80,
        size: 87,
        bytes: 88,
        text_state: 90,
        text_length: 91,
        ascii_header: 92,
    },
    cached_keys: Value::At(67),
    free_threading: Some(FreeThreadingWords {
        state_flags: 33,
        attachment_offset: 16,
        copies: Some(CopyWords { frame: 46, code: 57 }),
        ..v3_14::FREE_THREADING
    }),
    ..v3_14::TABLE
};
