//! What an aggregated capture has in place of events: the outcome of their replay. docs/metrics.md defines the sums.

use memprof_channel::ids::{SiteId, Stamp, ThreadId};
use serde::{Deserialize, Serialize};

use super::size_histogram::SizeHistogram;
use crate::metric::{Amount, Metric, Sums};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSums {
    /// Any image of the process; 0 where it has none.
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

/// The sums of a run that are not those of its slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSums {
    /// When all processes together had the most.
    pub peak_at: Stamp,
    /// By process.
    pub processes: Vec<ProcessSums>,
    /// Allocations by size.
    pub sizes: SizeHistogram,
    /// The live total over the run, in order.
    pub timeline: Vec<TimelinePoint>,
}

impl RunSums {
    /// What became of the allocations of all processes.
    #[must_use]
    pub fn endings(&self) -> Endings {
        let mut all = Endings::default();
        self.processes.iter().for_each(|process| all.add(process.endings));
        all
    }
}

/// What one thread allocated at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSummary {
    /// The image that the thread is part of.
    pub image: u32,
    /// Who allocated.
    pub thread: ThreadId,
    /// Where, and with which allocator.
    pub site: SiteId,
    /// How much, by metric. Its peak is what it had at the peak of all processes together.
    #[serde(with = "stored_sums")]
    pub sums: Sums,
}

/// Sums as a file has them: an amount for each metric, in an order that is older than that of [`Metric::ALL`].
mod stored_sums {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Amount, Metric, Sums};

    const ORDER: [Metric; Metric::ALL.len()] = [Metric::Total, Metric::Peak, Metric::Leaks, Metric::Temporary];

    pub fn serialize<S: Serializer>(sums: &Sums, serializer: S) -> Result<S::Ok, S::Error> {
        ORDER.map(|metric| sums[metric]).serialize(serializer)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Sums, D::Error> {
        let mut sums = Sums::default();
        let amounts = <[Amount; ORDER.len()]>::deserialize(deserializer)?;
        ORDER.into_iter().zip(amounts).for_each(|(metric, amount)| sums[metric] = amount);
        Ok(sums)
    }
}

/// What an aggregated capture has of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAggregate {
    /// By thread and site.
    pub slots: Vec<SlotSummary>,
    /// All other sums.
    pub run: RunSums,
    /// The images that made events.
    pub images: Vec<ImageSpan>,
}

impl StoredAggregate {
    /// What the chunk before its slots holds: how many these are, and all else.
    pub(super) fn encode_run(&self) -> postcard::Result<Vec<u8>> {
        postcard::to_stdvec(&(self.slots.len() as u64, &self.run, &self.images))
    }

    /// How many slots it has, and all else, out of such a chunk.
    pub(super) fn decode_run(payload: &[u8]) -> Option<(u64, Self)> {
        let (slots, run, images) = postcard::from_bytes(payload).ok()?;
        Some((slots, Self { slots: Vec::new(), run, images }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn amount(bytes: u64, allocations: u64) -> Amount {
        Amount { bytes, allocations }
    }

    /// docs/capture-format.md says what is where. Files of this version have it so.
    #[test]
    fn the_fields_of_a_file_are_in_their_order() {
        let slot = SlotSummary {
            image: 1,
            thread: ThreadId(2),
            site: SiteId(3),
            sums: Sums { total: amount(4, 5), peak: amount(6, 7), leaked: amount(8, 9), temporary: amount(10, 11) },
        };
        let bytes: Vec<u8> = (1..=11).collect();
        assert_eq!(postcard::to_stdvec(&slot).unwrap(), bytes);
        assert_eq!(postcard::from_bytes::<SlotSummary>(&bytes).unwrap(), slot);

        let endings = Endings { frees: 5, dropped_by_exec: 6, unknown_frees: 7, inherited_frees: 8 };
        let process =
            ProcessSums { image: 4, endings, own_peak: amount(9, 10), own_peak_at: Stamp(11), largest_rss: Some(12) };
        let mut sizes = SizeHistogram::default();
        sizes.count(2);
        let timeline = vec![TimelinePoint { at: Stamp(13), bytes: 14 }];
        let stored = StoredAggregate {
            slots: vec![slot],
            run: RunSums { peak_at: Stamp(3), processes: vec![process], sizes, timeline },
            images: vec![ImageSpan { image: 15, events: 16, first: Stamp(17), last: Stamp(18) }],
        };
        let mut bytes = vec![1, 3, 1, 4, 5, 6, 7, 8, 9, 10, 11, 1, 12, 65];
        bytes.extend([0, 0, 0, 0, 2, 1].into_iter().chain([0; 2 * 62]));
        bytes.extend([1, 13, 14, 1, 15, 16, 17, 18]);
        assert_eq!(stored.encode_run().unwrap(), bytes);
        let rest = StoredAggregate { slots: Vec::new(), ..stored };
        assert_eq!(StoredAggregate::decode_run(&bytes), Some((1, rest)));
    }
}
