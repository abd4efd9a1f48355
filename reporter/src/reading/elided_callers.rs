//! What an aggregated recording had no room for: callers of rare stacks.

use memprof_capture::file::{Frame, StackNode, Tables};
use memprof_channel::ids::StackId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::slots::Amount;

use crate::formatting::size_units::{counted, size};
use crate::naming::places::ELIDED_CALLERS;

/// Whether there are any.
pub(crate) fn occur(tables: &Tables) -> bool {
    tables.frames.contains(&Some(Frame::ElidedCallers))
}

/// Which stacks lack callers.
pub(crate) struct ElidedCallers {
    /// By stack; empty where all are whole.
    lacks: Vec<bool>,
}

impl ElidedCallers {
    /// Of these stacks.
    pub(crate) fn of(tables: &Tables) -> Self {
        if !occur(tables) {
            return Self { lacks: Vec::new() };
        }
        let is_mark = |node: StackNode| tables.frame(node.frame) == Some(Frame::ElidedCallers);
        Self { lacks: tables.fold_stacks(false, false, |callers, node| callers || is_mark(node)) }
    }

    /// Whether this stack does.
    pub(crate) fn are_in(&self, stack: StackId) -> bool {
        self.lacks.get(stack.index()).is_some_and(|&lacks| lacks)
    }
}

/// Says how much has such stacks, if anything has.
pub(crate) fn note(tables: &Tables, slots: &[SlotSummary]) -> Option<String> {
    let elided = ElidedCallers::of(tables);
    let mut amount = Amount::default();
    for slot in slots {
        if tables.site(slot.site).is_some_and(|site| elided.are_in(site.stack)) {
            amount.add(slot.sums.total);
        }
    }
    (amount.allocations > 0).then(|| {
        format!(
            "{} of {} in all have stacks that were too rare for the recording to keep: some of their callers are left \
             out, where trees show {ELIDED_CALLERS}.",
            counted(amount.allocations, "allocation"),
            size(amount.bytes)
        )
    })
}
