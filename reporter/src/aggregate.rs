//! What a replay counts, all in one pass: peak, leaks, totals, sizes and the timeline.

use memprof_capture::event::{Event, TimedEvent};
use memprof_capture::ids::{Address, SiteId, Stamp, ThreadId};

use crate::high_watermark::HighWatermark;
use crate::live_blocks::{Block, LiveBlocks};
use crate::mappings::{Mappings, Released};
use crate::merge::EventSink;
use crate::metric::Metric;
use crate::size_histogram::SizeHistogram;
use crate::slots::{Amount, Slot, Slots};
use crate::timeline::{TimelineBuilder, TimelinePoint};

/// The sums over the whole run. docs/metrics.md defines each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything that was allocated.
    pub total: Amount,
    /// Allocations that were given back.
    pub frees: u64,
    /// Allocations that vanished when the process became another program (`exec`).
    pub dropped_by_exec: u64,
    /// Releases of memory that was not known to be live: handed out before the recording, or never.
    pub unknown_frees: u64,
    /// What was live at the peak.
    pub peak: Amount,
    /// When the peak was.
    pub peak_at: Stamp,
    /// What was live at the end.
    pub leaked: Amount,
}

/// The counters of one thread at one site, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSummary {
    /// Who allocated.
    pub thread: ThreadId,
    /// Where, and with which allocator.
    pub site: SiteId,
    /// Everything that was allocated.
    pub total: Amount,
    /// What was live at the peak.
    pub peak: Amount,
    /// What was live at the end.
    pub leaked: Amount,
}

impl SlotSummary {
    /// The amount that a metric asks for.
    #[must_use]
    pub const fn amount(&self, metric: Metric) -> Amount {
        match metric {
            Metric::Peak => self.peak,
            Metric::Leaks => self.leaked,
            Metric::Total => self.total,
        }
    }
}

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Sums over all.
    pub totals: Totals,
    /// By thread and site.
    pub slots: Vec<SlotSummary>,
    /// Allocations by size.
    pub sizes: SizeHistogram,
    /// The live total over the run.
    pub timeline: Vec<TimelinePoint>,
}

/// Applies events, in order, to the state of the program's memory.
pub struct Aggregator {
    blocks: LiveBlocks,
    mappings: Mappings,
    slots: Slots,
    watermark: HighWatermark,
    timeline: TimelineBuilder,
    sizes: SizeHistogram,
    frees: u64,
    dropped_by_exec: u64,
    unknown_frees: u64,
}

impl Aggregator {
    /// For a run from `start` to `end` with pages of this size.
    #[must_use]
    pub fn new(page_size: u32, start: Stamp, end: Stamp) -> Self {
        Self {
            blocks: LiveBlocks::default(),
            mappings: Mappings::new(page_size),
            slots: Slots::default(),
            watermark: HighWatermark::new(start),
            timeline: TimelineBuilder::new(start, end),
            sizes: SizeHistogram::default(),
            frees: 0,
            dropped_by_exec: 0,
            unknown_frees: 0,
        }
    }

    #[inline]
    fn apply(&mut self, thread: ThreadId, timed: &TimedEvent) {
        match timed.event {
            Event::Allocation { address, size, site } | Event::Resize { address, size, site } => {
                self.allocate(thread, address, size, site);
            }
            Event::Free { address } => match self.blocks.remove(address) {
                Some(block) => self.release(block),
                None => {
                    self.unknown_frees += 1;
                    return;
                }
            },
            Event::Map { address, size, site } => self.map(thread, address, size, site),
            Event::Unmap { address, size } => {
                if !self.unmap(address, size) {
                    self.unknown_frees += 1;
                    return;
                }
            }
        }
        self.settle(timed.stamp);
    }

    /// Whatever was live at the address is gone: a resized block, or one whose release was not seen. The old and the
    /// new one are never live together, nor is there a moment with neither.
    #[inline]
    fn allocate(&mut self, thread: ThreadId, address: Address, size: u64, site: SiteId) {
        let slot = self.slots.find(thread, site);
        if let Some(old) = self.blocks.insert(address, Block { size, slot }) {
            self.release(old);
        }
        self.slots.get_mut(slot).allocate(size, self.watermark.epoch());
        self.watermark.grow(size);
        self.sizes.count(size);
    }

    #[inline]
    fn release(&mut self, block: Block) {
        self.slots.get_mut(block.slot).release(block.size, true, self.watermark.epoch());
        self.watermark.shrink(block.size);
        self.frees += 1;
    }

    fn map(&mut self, thread: ThreadId, address: Address, size: u64, site: SiteId) {
        // At least the byte that the new mapping begins with: no address belongs to two.
        self.unmap(address, size.max(1));
        let slot = self.slots.find(thread, site);
        self.mappings.map(address, size, slot);
        self.slots.get_mut(slot).allocate(size, self.watermark.epoch());
        self.watermark.grow(size);
        self.sizes.count(size);
    }

    fn unmap(&mut self, address: Address, size: u64) -> bool {
        let Self { mappings, slots, watermark, frees, .. } = self;
        mappings.unmap(address, size, |Released { slot, bytes, ended }| {
            slots.get_mut(slot).release(bytes, ended, watermark.epoch());
            watermark.shrink(bytes);
            *frees += u64::from(ended);
        })
    }

    #[inline]
    fn settle(&mut self, stamp: Stamp) {
        self.watermark.settle(stamp);
        self.timeline.record(stamp, self.watermark.live());
    }

    /// The process became another program: all its memory is gone at once.
    pub fn start_image(&mut self, stamp: Stamp) {
        let epoch = self.watermark.epoch();
        for slot in self.slots.iter_mut() {
            self.dropped_by_exec += slot.live.allocations;
            slot.drop_live(epoch);
        }
        self.blocks.clear();
        self.mappings.clear();
        self.watermark.shrink(self.watermark.live());
        self.settle(stamp);
    }

    /// Ends the replay.
    #[must_use]
    pub fn finish(self, end: Stamp) -> Aggregate {
        let epoch = self.watermark.epoch();
        let summarise = |slot: Slot| SlotSummary {
            thread: slot.thread,
            site: slot.site,
            total: slot.total,
            peak: slot.at_peak(epoch),
            leaked: slot.live,
        };
        // The maps of live memory are the largest things here, and not needed for the rest.
        drop((self.blocks, self.mappings));
        let slots: Vec<SlotSummary> = self.slots.into_slots().into_iter().map(summarise).collect();
        let mut totals = Totals {
            frees: self.frees,
            dropped_by_exec: self.dropped_by_exec,
            unknown_frees: self.unknown_frees,
            peak_at: self.watermark.peak_at(),
            ..Totals::default()
        };
        for slot in &slots {
            totals.total.add(slot.total);
            totals.peak.add(slot.peak);
            totals.leaked.add(slot.leaked);
        }
        Aggregate { totals, slots, sizes: self.sizes, timeline: self.timeline.finish(end) }
    }
}

impl Aggregator {
    /// Brings the places of these events' blocks near, all at once.
    #[inline]
    fn touch(&self, events: &[TimedEvent]) {
        let near = events.iter().fold(0, |near, event| match event.event {
            Event::Allocation { address, .. } | Event::Free { address } => near ^ self.blocks.touch(address),
            _ => near,
        });
        std::hint::black_box(near);
    }
}

impl EventSink for Aggregator {
    #[inline]
    fn events(&mut self, thread: ThreadId, events: &[TimedEvent]) {
        // As many as a processor has misses under way.
        const TOGETHER: usize = 16;
        for together in events.chunks(TOGETHER) {
            if self.blocks.is_large() {
                self.touch(together);
            }
            for event in together {
                self.apply(thread, event);
            }
        }
    }
}
