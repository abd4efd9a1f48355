//! 3.12: entry frames lie among the others. Sources: as of 3.11.
//!
//! Two fields of the interpreter may move between micro versions: then a thread that was never seen with the lock has
//! no Python frames.

use super::{Source, Version, v3_11};
use crate::python::layout::{Attributes, Instruction, Layout, Top};

pub const VERSION: Version = Version {
    minor: 12,
    source: Source::Fixed(LAYOUT),
    current_is_own: true,
    // To ask for it takes a lock that does not exist before Python begins to start.
    allocator_named_early: false,
};

pub const LAYOUT: Layout = Layout {
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
    ..v3_11::LAYOUT
};
