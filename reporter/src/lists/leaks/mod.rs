//! The report `leaks`: what was allocated and never freed, by whole stack or by what is asked for.

mod ages;
mod json;
mod list;
mod rows;
mod text;

pub use list::write;
pub use rows::LeakRows;

use memprof_replay::metric::Metric;

use crate::guards::suppressions::SuppressedLeaks;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::rows::Ranking;
use crate::sums::stack_paths::StackPaths;
use crate::sums::stacks::{StackGroup, Stacks};
use ages::Ages;

/// How many stacks, or rows for what is asked for, text and Markdown have, unless asked otherwise.
pub const DEFAULT_STACKS: usize = 10;
/// How many lines each stack has, unless asked otherwise.
pub const DEFAULT_FRAMES: usize = 40;

/// What to list, and how.
#[derive(Clone, Debug)]
pub struct LeakSettings {
    /// Which frames stacks have.
    pub view: View,
    /// Which come first.
    pub ranking: Ranking,
    /// What was taken out beforehand, by suppression.
    pub suppressed: Vec<SuppressedLeaks>,
}

/// What leaked, by stack and allocator, in order.
struct Leaks {
    paths: StackPaths,
    groups: Vec<StackGroup>,
    ages: Ages,
}

impl Leaks {
    fn of(report: &Report, settings: &LeakSettings) -> Self {
        let stacks = Stacks::of(report, settings.view);
        let groups = stacks.groups(report, Metric::Leaks, settings.ranking);
        let ages = Ages::of(report, &stacks.paths);
        Self { paths: stacks.paths, groups, ages }
    }
}
