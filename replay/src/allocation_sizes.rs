//! How large the allocations were, by allocator: how many of each size, and how much memory that was.
//!
//! A pass of its own, without what is live: a third of a replay's time, and none of a replay's for who does not ask.

use std::io;

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::CaptureReader;
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{SiteId, Stamp, ThreadId};

use crate::event_sink::{EventSink, Strand};
use crate::merge::merge_until;
use crate::processes::{ProcessId, Processes};
use crate::replay::end_of;
use crate::slots::Amount;
use crate::time_range::TimeRange;

/// Buckets: 0, 1, 2 to 3, 4 to 7 and so on.
const BUCKETS: usize = 65;
/// A row for what a damaged capture lost, and one for each allocator.
const ROWS: usize = Allocator::ALL.len() + 1;

/// Allocations whose requested size lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass {
    /// The smallest size that counts here.
    pub min_bytes: u64,
    /// The largest.
    pub max_bytes: u64,
    /// How much there was.
    pub amount: Amount,
}

/// Allocations by allocator and size.
#[derive(Clone, Debug)]
pub struct AllocationSizes {
    rows: Box<[[Amount; BUCKETS]; ROWS]>,
}

impl Default for AllocationSizes {
    fn default() -> Self {
        Self { rows: Box::new([[Amount::default(); BUCKETS]; ROWS]) }
    }
}

impl AllocationSizes {
    /// Goes through the allocations of some of a capture's processes: those in a range of time that `admits` lets
    /// through.
    ///
    /// # Errors
    /// When the file cannot be read any more. Damaged chunks are left out.
    pub fn of(
        reader: &mut CaptureReader,
        processes: &Processes,
        range: Option<TimeRange>,
        admits: impl Fn(ThreadId, SiteId) -> bool,
    ) -> io::Result<Self> {
        let end = end_of(reader);
        let range = range.unwrap_or(TimeRange { from: Stamp(0), to: Stamp(u64::MAX) });
        let tables = reader.tables();
        let rows_of_sites = (0..tables.sites.len())
            .map(|site| tables.site(SiteId::from_index(site)).map_or(0, |site| site.allocator.code()))
            .collect();
        let sizes = Self::default();
        let through = vec![false; processes.list().len()];
        let mut sink = SizeSink { sizes, rows_of_sites, admits, range, has_begun: false, through };
        merge_until(reader, processes, end, range.to, &mut sink)?;
        Ok(sink.sizes)
    }

    fn count(&mut self, row: usize, bytes: u64) {
        let bucket = (u64::BITS - bytes.leading_zeros()) as usize;
        self.rows[row][bucket].add(Amount { bytes, allocations: 1 });
    }

    /// Those of all allocators together.
    #[must_use]
    pub fn all(&self) -> Vec<SizeClass> {
        let mut sums = [Amount::default(); BUCKETS];
        for row in &*self.rows {
            sums.iter_mut().zip(row).for_each(|(sum, amount)| sum.add(*amount));
        }
        classes(&sums)
    }

    /// Those of each allocator that was used at all; of none where a damaged capture lost it.
    #[must_use]
    pub fn by_allocator(&self) -> Vec<(Option<Allocator>, Vec<SizeClass>)> {
        let named = Allocator::ALL.into_iter().map(|allocator| (Some(allocator), usize::from(allocator.code())));
        let rows = named.chain([(None, 0)]).map(|(allocator, row)| (allocator, classes(&self.rows[row])));
        rows.filter(|(_, classes)| !classes.is_empty()).collect()
    }
}

/// From the first class that is not empty to the last.
fn classes(sums: &[Amount; BUCKETS]) -> Vec<SizeClass> {
    let used = |&index: &usize| sums[index].allocations > 0;
    let (Some(first), Some(last)) = ((0..BUCKETS).find(used), (0..BUCKETS).rfind(used)) else { return Vec::new() };
    (first..=last)
        .map(|index| SizeClass {
            min_bytes: if index == 0 { 0 } else { 1 << (index - 1) },
            max_bytes: if index == 0 { 0 } else { u64::MAX >> (64 - index) },
            amount: sums[index],
        })
        .collect()
}

/// Counts what is in the range, as a replay does: from the first event on that is in it, up to a process's first event
/// after.
struct SizeSink<F> {
    sizes: AllocationSizes,
    /// By site: its row.
    rows_of_sites: Vec<u8>,
    admits: F,
    range: TimeRange,
    has_begun: bool,
    /// By process: whether it has had an event after the range.
    through: Vec<bool>,
}

impl<F: Fn(ThreadId, SiteId) -> bool> EventSink for SizeSink<F> {
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]) {
        for event in events {
            let through = &mut self.through[strand.process.index()];
            *through |= event.stamp > self.range.to;
            self.has_begun |= event.stamp >= self.range.from;
            if *through || !self.has_begun {
                continue;
            }
            let (ResolvedEvent::Allocation { size, site, .. }
            | ResolvedEvent::Resize { size, site, .. }
            | ResolvedEvent::Map { size, site, .. }) = event.event
            else {
                continue;
            };
            if (self.admits)(strand.thread, site) {
                let row = self.rows_of_sites.get(site.index()).copied().unwrap_or(0);
                self.sizes.count(row.into(), size);
            }
        }
    }

    fn start_image(&mut self, process: ProcessId, stamp: Stamp) {
        self.end_process(process, stamp);
    }

    fn end_process(&mut self, process: ProcessId, stamp: Stamp) {
        let through = &mut self.through[process.index()];
        *through |= stamp > self.range.to;
        self.has_begun |= !*through && stamp >= self.range.from;
    }
}
