//! The memory of one process at a moment of the replay, and how events change it.

mod shown;
pub(crate) mod state;

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_capture::file::aggregate::Endings;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::{Address, SiteId, Stamp};

use crate::event_sink::Strand;
use crate::high_watermark::{HighWatermark, OwnPeak};
use crate::live_blocks::{Block, LiveBlocks};
use crate::mapped_sites::MappedSites;
use crate::mappings::{Mappings, Released};
use crate::process_memory::state::State;
use crate::processes::ProcessId;
use crate::shared_objects::{Holder, SharedObjects};
use crate::size_histogram::SizeHistogram;
use crate::slots::{Amount, SlotNumbers, Slots};
use crate::time_bins::{BinMark, Release, TimeBinsBuilder};
use crate::timeline::TimelineBuilder;
use shown::WithoutNext;

/// How many events ahead their counters are prefetched. What says where these are is prefetched twice as far ahead.
const AHEAD: usize = 12;

/// The process whose turn it is, and what all together have. In one place, so that an event's way is short.
pub(crate) struct Present {
    pub memory: ProcessMemory,
    pub watermark: HighWatermark,
    pub timeline: TimelineBuilder,
    pub sizes: SizeHistogram,
    /// How many allocations of its thread a temporary block may outlive.
    pub temporary_threshold: u64,
    /// The run in bins, where somebody wants it. In a box: what every event goes through is small.
    pub bins: Option<Box<TimeBinsBuilder>>,
    /// What sites map.
    pub sites: MappedSites,
    /// What of that is seen by whom.
    pub shared: SharedObjects,
    /// Whose memory it is.
    pub process: ProcessId,
}

/// What one process has. A process that was forked begins with nothing: what it inherits is its parent's.
///
/// With `SEVERAL`, it follows a peak of its own; the peak of a process that is alone is that of the whole. Since there
/// are two of each function, the compiler must be made to inline what every event goes through: a tenth of a replay's
/// time.
pub(crate) struct ProcessMemory {
    blocks: LiveBlocks,
    mappings: Mappings,
    pub slots: Slots,
    pub own: OwnPeak,
    pub endings: Endings,
}

impl ProcessMemory {
    /// Counts from now on.
    pub fn begin_range(&mut self, from: Stamp) {
        self.slots.begin_range();
        self.own.begin_range(from);
        self.endings = Endings::default();
    }

    /// An event will come: what says where its counters are will be needed.
    #[inline(always)]
    fn expect_first(&mut self, strand: &Strand, event: ResolvedEvent) {
        match event {
            ResolvedEvent::Allocation { site, .. } | ResolvedEvent::Map { site, .. } => {
                self.slots.expect_number(strand.number, site);
            }
            ResolvedEvent::Free { number } => self.blocks.expect(number),
            ResolvedEvent::Resize { old, site, .. } => {
                self.blocks.expect(old);
                self.slots.expect_number(strand.number, site);
            }
            ResolvedEvent::Unmap { .. } | ResolvedEvent::UnknownFree { .. } | ResolvedEvent::UnseenFree { .. } => {}
        }
    }

    /// It comes soon: its counters will be needed.
    #[inline(always)]
    fn expect_second(&mut self, strand: &Strand, event: ResolvedEvent) {
        match event {
            ResolvedEvent::Allocation { site, .. } | ResolvedEvent::Map { site, .. } => {
                self.slots.expect_at(strand.number, site);
            }
            ResolvedEvent::Free { number } => self.expect_slot_of(number),
            ResolvedEvent::Resize { old, site, .. } => {
                self.expect_slot_of(old);
                self.slots.expect_at(strand.number, site);
            }
            ResolvedEvent::Unmap { .. } | ResolvedEvent::UnknownFree { .. } | ResolvedEvent::UnseenFree { .. } => {}
        }
    }

    #[inline(always)]
    fn expect_slot_of(&mut self, number: AllocationNumber) {
        if let Some(slot) = self.blocks.slot_at_hand(number) {
            self.slots.expect(slot);
        }
    }

    /// Sites have got other numbers, after `epoch` peaks. Returns what the slots have become.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers, epoch: u64) -> SlotNumbers {
        let slots = self.slots.renumber_sites(numbers, epoch);
        self.blocks.renumber_slots(&slots);
        self.mappings.renumber_slots(&slots);
        slots
    }

    /// Drops what lies where. Its sums stay.
    pub fn clear_addresses(&mut self) {
        self.blocks.clear();
        self.mappings.clear();
    }

    /// Nothing yet, in a run that began at `start` with pages of this size.
    pub fn new(page_size: u32, start: Stamp) -> Self {
        Self {
            blocks: LiveBlocks::default(),
            mappings: Mappings::new(page_size),
            slots: Slots::default(),
            own: OwnPeak::new(start),
            endings: Endings::default(),
        }
    }
}

impl Present {
    /// Takes the next events, all of them by one of its threads. What they give up of shared memory may be for `others`
    /// to count.
    #[inline]
    pub fn events<const SEVERAL: bool>(
        &mut self,
        strand: &Strand,
        events: &[Timed<ResolvedEvent>],
        others: &mut [State],
    ) {
        if !self.memory.slots.are_many() {
            for event in events {
                self.apply::<SEVERAL>(strand, event, others);
            }
            return;
        }
        // Blocks and counters lie anywhere in memory: most of a replay's time would be waiting for them.
        for (index, event) in events.iter().enumerate() {
            if let Some(far) = events.get(index + 2 * AHEAD) {
                self.memory.expect_first(strand, far.event);
            }
            if let Some(near) = events.get(index + AHEAD) {
                self.memory.expect_second(strand, near.event);
            }
            self.apply::<SEVERAL>(strand, event, others);
        }
    }

    /// Begins a moment.
    #[inline]
    pub fn begin(&mut self, stamp: Stamp) {
        if let Some(bins) = &mut self.bins {
            bins.begin_event(stamp);
        }
    }

    /// Ends a moment.
    #[inline]
    pub fn settle(&mut self, stamp: Stamp) {
        if let Some(bins) = &mut self.bins {
            bins.settle(stamp);
        }
        self.watermark.settle(stamp);
        self.timeline.record(stamp, self.watermark.live());
    }

    #[inline(always)]
    fn apply<const SEVERAL: bool>(&mut self, strand: &Strand, timed: &Timed<ResolvedEvent>, others: &mut [State]) {
        self.begin(timed.stamp);
        match timed.event {
            ResolvedEvent::Allocation { number, size, site } => self.allocate::<SEVERAL>(strand, number, size, site),
            ResolvedEvent::Free { number } => {
                if !self.free::<SEVERAL>(strand, number) {
                    return;
                }
            }
            ResolvedEvent::UnseenFree { number } => {
                if !self.free_unseen::<SEVERAL>(number) {
                    return;
                }
            }
            // The old and the new one are never live together, nor is there a moment with neither.
            ResolvedEvent::Resize { old, number, size, site } => {
                self.free::<SEVERAL>(strand, old);
                self.allocate::<SEVERAL>(strand, number, size, site);
            }
            ResolvedEvent::UnknownFree { .. } => return self.miss(strand),
            ResolvedEvent::Map { address, size, site } => {
                // At least the byte that the new mapping begins with: no address belongs to two.
                self.unmap::<SEVERAL>(address, size.max(1), timed.stamp, others);
                self.map::<SEVERAL>(strand, address, size, site);
            }
            ResolvedEvent::Unmap { address, size } => {
                if !self.unmap::<SEVERAL>(address, size, timed.stamp, others) {
                    return self.miss(strand);
                }
            }
        }
        self.settle(timed.stamp);
        if SEVERAL {
            self.memory.own.settle(timed.stamp);
        }
    }

    /// A release of memory that this process did not allocate.
    const fn miss(&mut self, strand: &Strand) {
        let count = if strand.inherits {
            &mut self.memory.endings.inherited_frees
        } else {
            &mut self.memory.endings.unknown_frees
        };
        *count += 1;
    }

    #[inline(always)]
    fn allocate<const SEVERAL: bool>(&mut self, strand: &Strand, number: AllocationNumber, size: u64, site: SiteId) {
        let slot = self.memory.slots.find(strand, site);
        if let Some(old) = self.memory.blocks.insert(number, Block { size, slot }) {
            self.release::<SEVERAL>(number, old, false);
        }
        if let Some(bins) = &mut self.bins {
            bins.allocate_block(self.process, slot, number, size);
        }
        self.memory.slots.remember(strand.number, number, self.temporary_threshold);
        self.memory.slots.get_mut(slot).allocate(size, self.watermark.epoch());
        self.watermark.grow(size);
        self.sizes.count(size);
        if SEVERAL {
            self.memory.own.grow(size);
        }
    }

    /// False where the block is not known: its allocation is in a damaged part of the capture.
    #[inline(always)]
    fn free<const SEVERAL: bool>(&mut self, strand: &Strand, number: AllocationNumber) -> bool {
        let block = self.memory.blocks.remove(number);
        match block {
            Some(block) => {
                let temporary = self.memory.slots.is_recent(strand.number, block.slot, number);
                if temporary {
                    self.memory.slots.get_mut(block.slot).count_temporary(block.size);
                }
                self.release::<SEVERAL>(number, block, temporary);
            }
            None => self.memory.endings.unknown_frees += 1,
        }
        block.is_some()
    }

    /// A release at a moment that nobody knows, nor who made it.
    fn free_unseen<const SEVERAL: bool>(&mut self, number: AllocationNumber) -> bool {
        let block = self.memory.blocks.remove(number);
        match block {
            Some(block) => self.release::<SEVERAL>(number, block, false),
            None => self.memory.endings.unknown_frees += 1,
        }
        block.is_some()
    }

    #[inline(always)]
    fn release<const SEVERAL: bool>(&mut self, number: AllocationNumber, block: Block, temporary: bool) {
        if let Some(bins) = &mut self.bins {
            let release = Release { bytes: block.size, ended: true, temporary };
            bins.release_block(self.process, block.slot, number, release);
        }
        self.memory.slots.get_mut(block.slot).release(block.size, true, self.watermark.epoch());
        self.watermark.shrink(block.size);
        self.memory.endings.frees += 1;
        if SEVERAL {
            self.memory.own.shrink(block.size, true);
        }
    }

    fn map<const SEVERAL: bool>(&mut self, strand: &Strand, address: Address, size: u64, site: SiteId) {
        let slot = self.memory.slots.find(strand, site);
        let shown = self.sites.get(site);
        // Only then is it known how much of it counts.
        let bytes_at_once = if shown.is_some() { 0 } else { size };
        let mark = match &mut self.bins {
            Some(bins) => bins.allocate(self.process, slot, bytes_at_once),
            None => BinMark::default(),
        };
        let mapping = self.memory.mappings.map(address, size, slot, mark, shown);
        self.memory.slots.remember_mapping(strand.number, self.temporary_threshold);
        self.memory.slots.get_mut(slot).allocate(bytes_at_once, self.watermark.epoch());
        if let Some(shown) = shown {
            return self.show(Holder { process: self.process, mapping, slot, mark }, size, shown);
        }
        self.watermark.grow(size);
        self.sizes.count(size);
        if SEVERAL {
            self.memory.own.grow(size);
        }
    }

    fn unmap<const SEVERAL: bool>(&mut self, address: Address, size: u64, stamp: Stamp, others: &mut [State]) -> bool {
        let Self { memory, watermark, bins, process, .. } = self;
        let ProcessMemory { mappings, slots, own, endings, .. } = memory;
        let mut shown = Vec::new();
        let any = mappings.unmap(address, size, |released| {
            let Released { slot, mark, bytes, ended, shown: None, .. } = released else { return shown.push(released) };
            if let Some(bins) = bins {
                bins.release_since(*process, slot, mark, Release { bytes, ended, temporary: false });
            }
            slots.get_mut(slot).release(bytes, ended, watermark.epoch());
            watermark.shrink(bytes);
            endings.frees += u64::from(ended);
            if SEVERAL {
                own.shrink(bytes, ended);
            }
        });
        for released in shown {
            self.hide(released, stamp, others);
        }
        any
    }

    /// The process becomes another program. Returns how many allocations are gone with the present one.
    pub fn drop_image(&mut self, stamp: Stamp, others: &mut [State]) -> u64 {
        self.leave_shared(WithoutNext::KeepsOutOfBins, stamp, others);
        let Self { memory, bins, process, .. } = self;
        if let Some(bins) = bins {
            for (number, block) in memory.blocks.iter() {
                let release = Release { bytes: block.size, ended: true, temporary: false };
                bins.release_block(*process, block.slot, number, release);
            }
            memory.mappings.unmap_all(|Released { slot, mark, bytes, ended, shown, .. }| {
                // What others may show as well has just been given up.
                let bytes = if shown.as_ref().is_some_and(|shown| shown.object.is_some()) { 0 } else { bytes };
                bins.release_since(*process, slot, mark, Release { bytes, ended, temporary: false });
                if shown.is_some_and(|shown| shown.is_address_space) {
                    bins.put_back(bytes);
                }
            });
            bins.begin_image(*process);
        }
        self.drop_all()
    }

    /// The process ends. Returns what each of its slots has: that is leaked.
    pub fn end_process(&mut self, stamp: Stamp, others: &mut [State]) -> Vec<Amount> {
        self.leave_shared(WithoutNext::Keeps, stamp, others);
        let Self { memory, bins, process, sites, .. } = self;
        if let Some(bins) = bins {
            for (slot, live) in memory.slots.live() {
                bins.end_slot(*process, slot, live);
                if sites.is_address_space(memory.slots.site(slot)) {
                    bins.put_back(live.bytes);
                }
            }
            bins.begin_image(*process);
        }
        let leaked = memory.slots.iter_mut().map(|slot| slot.live).collect();
        self.drop_all();
        leaked
    }

    /// All of it is gone at once. Returns how many allocations that were.
    fn drop_all(&mut self) -> u64 {
        let epoch = self.watermark.epoch();
        let mut dropped = 0;
        for slot in self.memory.slots.iter_mut() {
            if !self.sites.is_address_space(slot.site) {
                self.watermark.shrink(slot.live.bytes);
                dropped += slot.live.allocations;
            }
            slot.drop_live(epoch);
        }
        self.memory.slots.clear_recent();
        self.memory.clear_addresses();
        self.memory.own.drop_live();
        dropped
    }
}
