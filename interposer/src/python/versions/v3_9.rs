//! 3.9. Sources: Include/cpython/frameobject.h, code.h and pystate.h. The numbers were printed by `offsetof`.

use memprof_channel::code::LineTableFormat;

use super::{Source, Version};
use crate::python::layout::{Attributes, Instruction, Layout, ObjectLayout, Top};

pub const VERSION: Version =
    Version { minor: 9, source: Source::Fixed(LAYOUT), current_is_own: false, allocator_named_early: true };

pub const LAYOUT: Layout = Layout {
    object: ObjectLayout::WITH_LOCK,
    free_threading: None,
    top: Top::Field(24),
    base_frame: None,
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
    interpreter_in_block: false,
    frame_code: 32,
    reference_tags: 0,
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
