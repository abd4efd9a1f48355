//! 3.11: frames are no objects any more. Sources: Include/internal/pycore_frame.h and pycore_interp.h,
//! Include/cpython/code.h and pystate.h. The numbers were printed by `offsetof`.

use memprof_channel::code::LineTableFormat;

use super::{Source, Version, v3_10};
use crate::python::layout::{Attributes, Instruction, Layout, ObjectLayout, Top};

pub const VERSION: Version = Version { minor: 11, source: Source::Fixed(LAYOUT), ..v3_10::VERSION };

pub const LAYOUT: Layout = Layout {
    object: ObjectLayout::WITH_LOCK,
    free_threading: None,
    top: Top::Through(56, 8),
    base_frame: None,
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
    interpreter_in_block: false,
    frame_code: 32,
    reference_tags: 0,
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
