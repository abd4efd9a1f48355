//! The run cut into bins of equal length, from which everything about any range of them follows.
//!
//! A range of time is a run of bins. What was allocated in it, and what of that was not released by its end, are sums
//! over the rows of its bins. So is what was live when a bin began, over all bins before it. The peak of a range is the
//! highest one of its bins: of each bin the moment of the highest live total is kept, and by how much each slot
//! differed then from the beginning of the bin. All of it is exact, for ranges that begin and end with bins.
//!
//! When there are too many rows, neighbouring bins become one: memory is bounded whatever the program does.

mod bin_numbers;
mod builder;
mod joining;
mod packed;

use memprof_channel::ids::Stamp;

use crate::slots::Amount;
use packed::PackedBin;

pub use builder::{BinMark, Release, TimeBinsBuilder};

/// The number of bins that a run has at first.
pub const MOST_BINS: usize = 1024;

/// A run has at least half as many, however many rows these have.
pub const FEWEST_BINS: usize = 16;

/// What one slot allocated in a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatedRow {
    /// The index of the slot.
    pub slot: u32,
    /// All that it allocated in the bin.
    pub allocated: Amount,
    /// Of this, what was released in the same bin.
    pub released: Amount,
    /// Of what was released in the same bin, what was temporary.
    pub temporary: Amount,
}

/// What became of what was allocated in a bin by its end, for most rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was released.
    Kept,
    /// All was released, nothing of it was temporary.
    Released,
    /// All was temporary.
    Temporary,
    /// Anything else.
    Mixed,
}

impl Fate {
    /// All of them, each at its number.
    pub const ALL: [Self; 4] = [Self::Kept, Self::Released, Self::Temporary, Self::Mixed];
}

impl AllocatedRow {
    /// What became of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match (self.released, self.temporary) {
            (released, temporary) if released.is_zero() && temporary.is_zero() => Fate::Kept,
            (released, temporary) if released == self.allocated && temporary.is_zero() => Fate::Released,
            (released, temporary) if released == self.allocated && temporary == self.allocated => Fate::Temporary,
            _ => Fate::Mixed,
        }
    }
}

/// What was released in a bin of what one slot had allocated in an earlier one.
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

/// What a slot leaked in a bin because its process ended: it is live no longer, and was not released.
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
    /// A row for each slot and each bin from which something was released.
    pub released: Vec<ReleasedRow>,
    /// A row for each slot whose process ended while it had something live.
    pub ended: Vec<EndedRow>,
    /// The highest live total, by all slots together.
    pub highest: u64,
    /// When it was last reached by a change in the bin; nothing where the bin began with it and did not come back to
    /// it.
    pub highest_at: Option<Stamp>,
    /// A row for each slot that had another amount at that moment than at the bin's beginning.
    pub changes: Vec<ChangeRow>,
}

/// A run in bins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeBins {
    /// When the first one begins.
    pub start: Stamp,
    /// How long each is, in units of the recording's clock. The last one may extend past the end of the run.
    pub width: u64,
    bins: Vec<PackedBin>,
}

impl TimeBins {
    /// When a bin begins. The one after the last begins where that ends.
    #[must_use]
    pub const fn begin_of(&self, bin: usize) -> Stamp {
        Stamp(self.start.0.saturating_add(self.width.saturating_mul(bin as u64)))
    }

    /// How many bins there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.bins.len()
    }

    /// The bins, in order. Each is unpacked when it is asked for.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        self.bins.iter().map(PackedBin::unpack)
    }

    /// The highest live total of each bin, and when it was last reached; see [`Bin`].
    pub fn highest(&self) -> impl Iterator<Item = (u64, Option<Stamp>)> {
        self.bins.iter().map(|bin| (bin.highest, bin.highest_at))
    }

    /// How many rows all bins have together.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.bins.iter().map(PackedBin::rows).sum()
    }

    /// Gives each slot another number, which several may share: their rows become one. The rows of slots that have none
    /// are left out; the highest totals stay those of all.
    #[must_use]
    pub fn renumbered(mut self, number_of: impl Fn(u32) -> Option<u32>) -> Self {
        for packed in &mut self.bins {
            let mut bin = packed.unpack();
            bin.renumber(&number_of);
            *packed = PackedBin::of(&bin);
        }
        self
    }

    /// The same run in bins of twice the length, again and again while there are more than `rows` rows. Of
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
