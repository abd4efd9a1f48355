//! The report `tree`: who called what, and how much was allocated below each call.

mod branches;
mod call_tree;
mod folding;
mod guides;
mod json;
mod labels;
mod selection;
mod text;

pub use branches::{Branches, Position};
pub use call_tree::{Call, CallId, CallTree, Memory, What};
pub use folding::{Folding, Patterns};
pub use guides::{GuideStyle, Guides, Joint};
pub use json::write_json;
pub use labels::label;
pub use selection::Limits;
pub use text::{share, write_text};

use call_tree::Direction;
use folding::Role;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;

use crate::naming::places::PlaceId;
use crate::naming::view::View;
use crate::reading::report::{Report, TreeSource};
use crate::sums::actors::Split;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::FlameTree;
use crate::sums::rows::Ranking;

/// What a call tree shows.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeOptions {
    /// Which frames.
    pub view: View,
    /// Which memory.
    pub metric: Metric,
    /// What calls are ranked by, and shares are of.
    pub ranking: Ranking,
    /// Whether callers are below what they call.
    pub inverted: bool,
    /// Which frames are folded.
    pub folding: Folding,
    /// If given, calls that are not on the way to one of this many largest allocations count as too small.
    pub biggest: Option<usize>,
}

impl TreeOptions {
    /// The tree that they describe, to be printed.
    fn tree(&self, report: &mut Report) -> CallTree {
        let stacks = self.stacks(report, None);
        self.tree_of(&stacks, report, Memory::Printed, |_| false)
    }

    /// The stacks of their view, of these slots or all.
    pub fn stacks(&self, report: &mut Report, slots: Option<&[SlotSummary]>) -> FlameTree {
        // What is folded is in the tree even so.
        let views = self.view.with_imports().alone();
        match slots {
            Some(slots) => {
                let TreeSource { tables, places, processes, .. } = report.tree_source();
                FlameTree::build(tables, places, processes, slots, views)
            }
            None => FlameTree::of_report(report, views, Split::ByProcess, SlotCells::Unknown),
        }
    }

    /// The tree of these stacks. Where `is_shown` says so of a place, its frames are not folded.
    #[must_use]
    pub fn tree_of(
        &self,
        stacks: &FlameTree,
        report: &Report,
        memory: Memory,
        is_shown: impl Fn(PlaceId) -> bool,
    ) -> CallTree {
        let mut roles = self.folding.roles(report.places(), self.view);
        for (role, place) in roles.iter_mut().zip(report.places().ids()) {
            if is_shown(place) {
                *role = Role::Shown;
            }
        }
        CallTree::new(stacks, self.direction(), roles, memory)
    }

    const fn direction(&self) -> Direction {
        let Self { metric, ranking, inverted, biggest, .. } = *self;
        Direction { metric, ranking, inverted, biggest }
    }
}
