//! What was allocated right at a node of the flame graph, by thread and allocator.

use memprof_capture::allocator::Allocator;
use memprof_capture::ids::ThreadId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;

use crate::flame_tree::NodeId;

/// One amount for each metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts([Amount; Metric::ALL.len()]);

impl Amounts {
    /// Those of a slot.
    #[must_use]
    pub fn of(slot: &SlotSummary) -> Self {
        Self(Metric::ALL.map(|metric| slot.amount(metric)))
    }

    /// The one that a metric asks for.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Amount {
        self.0[metric as usize]
    }

    /// Adds those of another thread or allocator.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, amount) in self.0.iter_mut().zip(other.0) {
            sum.add(amount);
        }
    }
}

/// What one thread allocated right at a node with one allocator, without what the node called.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Where.
    pub node: NodeId,
    /// Who.
    pub process: ProcessId,
    /// Which of its threads; the first of those that cannot be told apart.
    pub thread: ThreadId,
    /// How; nothing where a damaged capture lost it.
    pub allocator: Option<Allocator>,
    /// The slot that it was made of, the first one if there were several.
    pub slot: u32,
    /// How much.
    pub amounts: Amounts,
}

/// Puts cells in order, each of a slot, and makes those of one node, thread and allocator one. Returns for each slot the
/// number of its cell.
pub(crate) fn merge(cells: &mut Vec<Cell>) -> Vec<u32> {
    let key = |cell: &Cell| (cell.node, cell.process, cell.thread, cell.allocator);
    cells.sort_unstable_by_key(|cell| (key(cell), cell.slot));
    let mut of_slot = vec![0; cells.len()];
    let mut number = 0;
    for (index, cell) in cells.iter().enumerate() {
        number += u32::from(index > 0 && key(cell) != key(&cells[index - 1]));
        of_slot[cell.slot as usize] = number;
    }
    cells.dedup_by(|cell, kept| {
        let is_same = key(cell) == key(kept);
        if is_same {
            kept.amounts.add(&cell.amounts);
        }
        is_same
    });
    cells.shrink_to_fit();
    of_slot
}
