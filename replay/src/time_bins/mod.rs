//! The run cut into bins of equal length, from which everything about any range of them follows.
//!
//! A range of time is a run of bins. What was allocated in it, and what of that was not given back by its end, are sums
//! over the rows of its bins. So is what was live when a bin began, over all bins before it. The peak of a range is the
//! highest one of its bins: of each bin the moment of the highest live total is kept, and by how much each slot differed
//! then from the beginning of the bin. All of it is exact, for ranges that begin and end with bins.
//!
//! When there are too many rows, neighbouring bins become one: memory is bounded whatever the program does.

mod bin_numbers;
mod builder;
mod joining;

use memprof_capture::ids::Stamp;

use crate::slots::Amount;

pub use builder::{BinMark, Release, TimeBinsBuilder};

/// So many bins a run has at first.
pub const MOST_BINS: usize = 2048;

/// A run has at least half as many, however many rows these have.
pub const FEWEST_BINS: usize = 16;

/// What one slot allocated in a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatedRow {
    /// The index of the slot.
    pub slot: u32,
    /// All that it allocated in the bin.
    pub allocated: Amount,
    /// Of this, what was given back in the same bin.
    pub released: Amount,
    /// Of what was given back in the same bin, what was temporary.
    pub temporary: Amount,
}

/// What was given back in a bin of what one slot had allocated in an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedRow {
    /// The index of the slot.
    pub slot: u32,
    /// The bin in which it was allocated.
    pub since: u32,
    /// Whether it was temporary, as only something can be that bridges the end of a bin.
    pub temporary: bool,
    /// How much. Parts of a mapping are bytes without an allocation until the last one.
    pub amount: Amount,
}

/// What a slot leaked in a bin because its process ended: it is live no longer, and was not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedRow {
    /// The index of the slot.
    pub slot: u32,
    /// How much.
    pub amount: Amount,
}

/// By how much more (or less) a slot had live at the highest moment of a bin than at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// The index of the slot.
    pub slot: u32,
    /// In bytes.
    pub bytes: i64,
    /// In allocations.
    pub allocations: i64,
}

/// A stretch of time. All rows are in the order of their slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// A row for each slot that allocated something.
    pub allocated: Vec<AllocatedRow>,
    /// A row for each slot and each bin from which something was given back.
    pub released: Vec<ReleasedRow>,
    /// A row for each slot whose process ended while it had something live.
    pub ended: Vec<EndedRow>,
    /// The highest live total, by all slots together.
    pub highest: u64,
    /// When it was last reached by a change in the bin; nothing where the bin began with it and did not come back to it.
    pub highest_at: Option<Stamp>,
    /// A row for each slot that had another amount at that moment than at the bin's beginning.
    pub changes: Vec<ChangeRow>,
}

impl Bin {
    /// How many rows it has.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.allocated.len() + self.released.len() + self.ended.len() + self.changes.len()
    }
}

/// A run in bins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeBins {
    /// When the first one begins.
    pub start: Stamp,
    /// How long each is, in units of the recording's clock. The last one may go on behind the end of the run.
    pub width: u64,
    /// The bins, in order.
    pub bins: Vec<Bin>,
}

impl TimeBins {
    /// When a bin begins. One behind the last one begins where that ends.
    #[must_use]
    pub const fn begin_of(&self, bin: usize) -> Stamp {
        Stamp(self.start.0.saturating_add(self.width.saturating_mul(bin as u64)))
    }

    /// How many rows all bins have together.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.bins.iter().map(Bin::rows).sum()
    }

    /// Gives each slot another number, which several may share: their rows become one. The rows of slots that have none
    /// are left out; the highest totals stay those of all.
    #[must_use]
    pub fn renumbered(mut self, number_of: impl Fn(u32) -> Option<u32>) -> Self {
        for bin in &mut self.bins {
            bin.renumber(&number_of);
        }
        self
    }

    /// The same run in bins of twice the length, again and again while there are more than so many rows. Of
    /// [`FEWEST_BINS`] and less, none are joined.
    #[must_use]
    pub fn with_at_most(mut self, rows: usize) -> Self {
        while self.bins.len() > FEWEST_BINS && self.rows() > rows {
            self.bins = joining::join_pairs(self.bins);
            self.width = self.width.saturating_mul(2);
        }
        self
    }
}
