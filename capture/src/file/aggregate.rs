//! What an aggregated capture has in place of events: the outcome of their replay. docs/metrics.md defines the sums.

use memprof_channel::ids::{SiteId, Stamp, ThreadId};
use serde::{Deserialize, Serialize};

/// Some memory: how much, in how many allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// Requested bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
}

impl Amount {
    /// Adds another amount.
    #[inline]
    pub const fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.allocations = self.allocations.saturating_add(other.allocations);
    }

    /// Whether it is nothing at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.bytes == 0 && self.allocations == 0
    }
}

/// What became of allocations, and releases that had none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endings {
    /// Allocations that were deallocated.
    pub frees: u64,
    /// Allocations that vanished when the process became another program (`exec`).
    pub dropped_by_exec: u64,
    /// Releases of memory that was not known to be live: allocated before the recording, or never.
    pub unknown_frees: u64,
    /// Releases, in a process that was forked, of memory that its parent had allocated.
    pub inherited_frees: u64,
}

impl Endings {
    /// Adds those of another process.
    pub const fn add(&mut self, other: Self) {
        self.frees = self.frees.saturating_add(other.frees);
        self.dropped_by_exec = self.dropped_by_exec.saturating_add(other.dropped_by_exec);
        self.unknown_frees = self.unknown_frees.saturating_add(other.unknown_frees);
        self.inherited_frees = self.inherited_frees.saturating_add(other.inherited_frees);
    }
}

/// The largest live total within a stretch of time, and when it was last reached there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelinePoint {
    /// When.
    pub at: Stamp,
    /// The live total.
    pub bytes: u64,
}

/// The events of an image: how many, and the first and the last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpan {
    /// The image.
    pub image: u32,
    /// How many events it made.
    pub events: u64,
    /// When the first of them was.
    pub first: Stamp,
    /// When the last of them was.
    pub last: Stamp,
}

/// The sums of a process that are not those of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSums {
    /// Any image of the process.
    pub image: u32,
    /// What became of its allocations.
    pub endings: Endings,
    /// What was live at the peak of its own.
    pub own_peak: Amount,
    /// When that was.
    pub own_peak_at: Stamp,
    /// The largest resident set that was sampled, in bytes, where it is not among the samples of the capture.
    pub largest_rss: Option<u64>,
}

/// What one thread allocated at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRow {
    /// The image that the thread is part of.
    pub image: u32,
    /// Who.
    pub thread: ThreadId,
    /// Where, and with which allocator.
    pub site: SiteId,
    /// Everything that was allocated.
    pub total: Amount,
    /// What was live at the peak of all processes together.
    pub peak: Amount,
    /// What was live at the end.
    pub leaked: Amount,
    /// What was deallocated at once.
    pub temporary: Amount,
}

/// The sums of a run that are not those of its slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSums {
    /// How many slots there are.
    pub slots: u64,
    /// When all processes together had the most.
    pub peak_at: Stamp,
    /// By process.
    pub processes: Vec<ProcessSums>,
    /// The allocations of 0 bytes, 1, 2 to 3, 4 to 7 and so on: 65 amounts.
    pub sizes: Vec<Amount>,
    /// The live total over the run, in order.
    pub timeline: Vec<TimelinePoint>,
    /// The images that made events.
    pub images: Vec<ImageSpan>,
}

/// The outcome of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAggregate {
    /// By thread and site.
    pub slots: Vec<SlotRow>,
    /// All else.
    pub run: RunSums,
}
