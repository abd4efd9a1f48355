//! 3.10. Sources: as of 3.9. An activation of the interpreter has a control frame (`CFrame`) on the C stack.

use memprof_channel::code::LineTableFormat;

use super::{Source, Version, v3_9};
use crate::python::layout::{Instruction, Layout};

pub const VERSION: Version = Version { minor: 10, source: Source::Fixed(LAYOUT), ..v3_9::VERSION };

const LAYOUT: Layout = Layout {
    control_frame: Some(48),
    control_root: 264,
    control_previous: 8,
    instruction: Instruction::Index { offset: 96, unit: 2 },
    frame_locals: 352,
    line_table_format: LineTableFormat::Lines,
    ..v3_9::LAYOUT
};
