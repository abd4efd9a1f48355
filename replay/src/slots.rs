//! Where the memory of a process is attributed to: a slot for each pair of a thread and a site, with its counters.

use std::collections::hash_map::Entry;

use memprof_capture::event::AllocationNumber;
use memprof_capture::file::site_numbers::SiteNumbers;
pub use memprof_capture::metric::Amount;
use memprof_channel::ids::{SiteId, ThreadId};
use rustc_hash::FxHashMap;

use crate::event_sink::Strand;
use crate::prefetching::prefetch;
use crate::processes::ProcessId;
use crate::recent_allocations::RecentAllocations;

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SlotId(pub u32);

/// The counters of one thread at one site.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Who allocated: the number of a thread of the process.
    pub thread: u32,
    /// Where.
    pub site: SiteId,
    /// All that was ever allocated.
    pub total: Amount,
    /// What is live now; at the end, what leaked.
    pub live: Amount,
    /// Of `total`, what was freed at once.
    pub temporary: Amount,
    /// What was live at the last peak before `epoch`.
    at_peak: Amount,
    /// The number of peaks at the last change of `live`: while it is the present one, `at_peak` is valid, else the
    /// peak came after the last change and `live` is what it saw.
    epoch: u64,
}

impl Slot {
    /// Keeps what the last peak saw before `live` changes.
    #[inline]
    fn touch(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.at_peak = self.live;
            self.epoch = epoch;
        }
    }

    /// Counts a new allocation.
    #[inline]
    pub fn allocate(&mut self, bytes: u64, epoch: u64) {
        self.touch(epoch);
        self.total.bytes = self.total.bytes.saturating_add(bytes);
        self.total.allocations += 1;
        self.live.bytes = self.live.bytes.wrapping_add(bytes);
        self.live.allocations += 1;
    }

    /// Counts bytes of an allocation that it had made before.
    pub fn grow(&mut self, bytes: u64, epoch: u64) {
        self.touch(epoch);
        self.total.bytes = self.total.bytes.saturating_add(bytes);
        self.live.bytes = self.live.bytes.wrapping_add(bytes);
    }

    /// Takes live memory away: `bytes`, and with it an allocation if that was the last of it.
    #[inline]
    pub fn release(&mut self, bytes: u64, ended: bool, epoch: u64) {
        self.touch(epoch);
        self.live.bytes = self.live.bytes.wrapping_sub(bytes);
        self.live.allocations -= u64::from(ended);
    }

    /// Counts an allocation that has just been freed as temporary.
    #[inline]
    pub const fn count_temporary(&mut self, bytes: u64) {
        self.temporary.bytes = self.temporary.bytes.saturating_add(bytes);
        self.temporary.allocations += 1;
    }

    /// Takes all live memory away.
    pub fn drop_live(&mut self, epoch: u64) {
        self.touch(epoch);
        self.live = Amount::default();
    }

    /// Takes what another slot of the same thread has counted, after `epoch` peaks.
    fn absorb(&mut self, other: &Self, epoch: u64) {
        self.touch(epoch);
        self.at_peak.add(other.at_peak(epoch));
        self.total.add(other.total);
        self.live.add(other.live);
        self.temporary.add(other.temporary);
    }

    /// What was live at the last of `epoch` peaks.
    #[must_use]
    pub const fn at_peak(&self, epoch: u64) -> Amount {
        if self.epoch == epoch { self.at_peak } else { self.live }
    }
}

const PAGE: usize = 256;
/// This many slots fill a processor's second-level cache.
const MANY: usize = 1 << 13;
/// No slot yet.
const NONE: u32 = u32::MAX;

/// The slots of one thread by site: an array in pages, so that an event needs no hashing and a thread that uses few
/// sites needs little memory.
#[derive(Default)]
struct ThreadSlots {
    thread: ThreadId,
    image: u32,
    pages: Vec<Option<Box<[u32; PAGE]>>>,
    recent: RecentAllocations,
}

impl ThreadSlots {
    /// Where the number of the slot of a site is stored; [`NONE`] is there if it has none.
    fn place(&mut self, site: SiteId) -> &mut u32 {
        if self.pages.len() <= site.index() / PAGE {
            self.pages.resize_with(site.index() / PAGE + 1, || None);
        }
        let page = self.pages[site.index() / PAGE].get_or_insert_with(|| Box::new([NONE; PAGE]));
        &mut page[site.index() % PAGE]
    }
}

/// What the slots of a process have become.
pub struct SlotNumbers(Vec<SlotId>);

impl SlotNumbers {
    /// The number that a slot has now.
    #[must_use]
    pub fn of(&self, slot: SlotId) -> SlotId {
        // What has no slot any more, such as a mapping that is gone, may name any.
        self.0.get(slot.0 as usize).copied().unwrap_or(slot)
    }
}

/// What is left of the slots of a process that has ended.
#[derive(Clone)]
pub struct FinishedSlots {
    slots: Vec<Slot>,
    /// What each leaked, where `live` no longer says so.
    leaked: Option<Vec<Amount>>,
    first_of_range: usize,
    /// For each thread its number in the capture and its image.
    pub threads: Vec<(ThreadId, u32)>,
}

impl FinishedSlots {
    /// Sites have got other numbers: what has one site now is one slot, after `epoch` peaks.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers, epoch: u64) {
        debug_assert_eq!(self.first_of_range, 0, "what is renumbered has no range");
        let mut known: FxHashMap<(u32, SiteId), usize> = FxHashMap::default();
        let leaked_before = self.leaked.take();
        let mut leaked: Vec<Amount> = Vec::new();
        for (index, mut slot) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            slot.site = numbers.of(slot.site);
            let of_slot = leaked_before.as_ref().map(|leaked| leaked[index]);
            match known.entry((slot.thread, slot.site)) {
                Entry::Occupied(first) => {
                    self.slots[*first.get()].absorb(&slot, epoch);
                    if let Some(of_slot) = of_slot {
                        leaked[*first.get()].add(of_slot);
                    }
                }
                Entry::Vacant(place) => {
                    place.insert(self.slots.len());
                    self.slots.push(slot);
                    leaked.extend(of_slot);
                }
            }
        }
        self.leaked = leaked_before.map(|_| leaked);
    }

    /// The slots, as they are.
    #[must_use]
    pub fn as_slice(&self) -> &[Slot] {
        &self.slots
    }

    /// Turns each slot, with what it leaked, into something else. Slots from before the range of time have allocated
    /// nothing in it.
    ///
    /// Something of the size of a [`Slot`] takes its place in memory: there is no second copy of all.
    #[must_use]
    pub fn map<T>(self, mut change: impl FnMut(Slot, Amount) -> T) -> Vec<T> {
        let Self { slots, leaked, first_of_range, .. } = self;
        let change = |(index, mut slot): (usize, Slot)| {
            if index < first_of_range {
                (slot.total, slot.temporary) = (Amount::default(), Amount::default());
                return change(slot, Amount::default());
            }
            let leaked = leaked.as_ref().map_or(slot.live, |leaked| leaked[index]);
            change(slot, leaked)
        };
        slots.into_iter().enumerate().map(change).collect()
    }
}

/// All slots of a process.
#[derive(Default)]
pub struct Slots {
    slots: Vec<Slot>,
    threads: Vec<ThreadSlots>,
    /// The first slot of the range of time that is being counted. Those before it only hold what is still live.
    first_of_range: usize,
}

impl Slots {
    /// The slot of a thread of the process at a site, made when it is new.
    #[inline]
    pub fn find(&mut self, strand: &Strand, site: SiteId) -> SlotId {
        let page = self.threads.get(strand.number as usize).and_then(|slots| slots.pages.get(site.index() / PAGE));
        match page {
            Some(Some(page)) if page[site.index() % PAGE] != NONE => SlotId(page[site.index() % PAGE]),
            _ => self.make(strand, site),
        }
    }

    #[cold]
    fn make(&mut self, strand: &Strand, site: SiteId) -> SlotId {
        let thread = strand.number as usize;
        if self.threads.len() <= thread {
            self.threads.resize_with(thread + 1, ThreadSlots::default);
        }
        let slots = &mut self.threads[thread];
        (slots.thread, slots.image) = (strand.thread, strand.image);
        let id = self.slots.len() as u32;
        *slots.place(site) = id;
        self.slots.push(Slot {
            thread: strand.number,
            site,
            total: Amount::default(),
            live: Amount::default(),
            temporary: Amount::default(),
            at_peak: Amount::default(),
            epoch: 0,
        });
        SlotId(id)
    }

    /// Sites have got other numbers: what a thread has at one site now is one slot, after `epoch` peaks. Returns what
    /// the slots have become.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers, epoch: u64) -> SlotNumbers {
        debug_assert_eq!(self.first_of_range, 0, "what is renumbered has no range");
        self.threads.iter_mut().for_each(|thread| thread.pages.clear());
        // In place: there may be many.
        let mut kept = 0;
        let mut ids = Vec::with_capacity(self.slots.len());
        for index in 0..self.slots.len() {
            let mut slot = self.slots[index].clone();
            slot.site = numbers.of(slot.site);
            let place = self.threads[slot.thread as usize].place(slot.site);
            if *place == NONE {
                *place = kept as u32;
                self.slots[kept] = slot;
                kept += 1;
            } else {
                self.slots[*place as usize].absorb(&slot, epoch);
            }
            ids.push(SlotId(*place));
        }
        self.slots.truncate(kept);
        SlotNumbers(ids)
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether most of them do not fit into the processor's cache.
    #[inline]
    #[must_use]
    pub const fn are_many(&self) -> bool {
        self.slots.len() >= MANY
    }

    #[inline(always)]
    fn number(&self, thread: u32, site: SiteId) -> Option<&u32> {
        let pages = &self.threads.get(thread as usize)?.pages;
        Some(&pages.get(site.index() / PAGE)?.as_ref()?[site.index() % PAGE])
    }

    /// A thread's slot at a site will be asked for.
    #[inline(always)]
    pub fn expect_number(&self, thread: u32, site: SiteId) {
        if let Some(number) = self.number(thread, site) {
            prefetch(number);
        }
    }

    /// The counters of a thread at a site will be asked for, and where they are is at hand.
    #[inline(always)]
    pub fn expect_at(&self, thread: u32, site: SiteId) {
        if let Some(&number) = self.number(thread, site) {
            self.expect(SlotId(number));
        }
    }

    /// The counters of a slot will be asked for.
    #[inline(always)]
    pub fn expect(&self, slot: SlotId) {
        if let Some(slot) = self.slots.get(slot.0 as usize) {
            // They may lie in two lines of the cache.
            prefetch(&slot.thread);
            prefetch(&slot.epoch);
        }
    }

    /// The counters of a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: SlotId) -> &mut Slot {
        &mut self.slots[slot.0 as usize]
    }

    /// The slot for what is allocated now by the thread and at the site of another one, which may be from before the
    /// range.
    pub fn present(&mut self, slot: SlotId) -> SlotId {
        if slot.0 as usize >= self.first_of_range {
            return slot;
        }
        let Slot { thread: number, site, .. } = self.slots[slot.0 as usize];
        let ThreadSlots { thread, image, .. } = self.threads[number as usize];
        self.find(&Strand { process: ProcessId(0), image, thread, number, inherits: false }, site)
    }

    /// Where a slot's memory is allocated.
    #[must_use]
    pub fn site(&self, slot: SlotId) -> SiteId {
        self.slots[slot.0 as usize].site
    }

    /// All of them, for a change of each.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    /// What has something live, and how much.
    pub fn live(&self) -> impl Iterator<Item = (SlotId, Amount)> {
        (0..).map(SlotId).zip(self.slots.iter().map(|slot| slot.live)).filter(|(_, live)| !live.is_zero())
    }

    /// Enters a heap allocation as the last one of its thread, which has a slot already.
    #[inline]
    pub fn remember(&mut self, thread: u32, number: AllocationNumber, threshold: u64) {
        self.threads[thread as usize].recent.push(number, threshold);
    }

    /// Enters a mapping, likewise.
    pub fn remember_mapping(&mut self, thread: u32, threshold: u64) {
        self.threads[thread as usize].recent.push_mapping(threshold);
    }

    /// Whether a block of a slot is one of the last that this thread has allocated.
    #[inline]
    #[must_use]
    pub fn is_recent(&self, thread: u32, slot: SlotId, number: AllocationNumber) -> bool {
        self.slots[slot.0 as usize].thread == thread && self.threads[thread as usize].recent.contains(number)
    }

    /// The numbers of allocations begin at 0 again: the process has become another program.
    pub fn clear_recent(&mut self) {
        self.threads.iter_mut().for_each(|thread| thread.recent.clear());
    }

    /// A range of time begins: what is allocated from now on has slots of its own.
    pub fn begin_range(&mut self) {
        self.threads.iter_mut().for_each(|thread| thread.pages.clear());
        self.first_of_range = self.slots.len();
    }

    /// The counters at the end. What is live has leaked, unless it was taken away and `leaked` says what it was.
    #[must_use]
    pub fn finish(self, leaked: Option<Vec<Amount>>) -> FinishedSlots {
        let threads = self.threads.into_iter().map(|slots| (slots.thread, slots.image)).collect();
        FinishedSlots { slots: self.slots, leaked, first_of_range: self.first_of_range, threads }
    }

    /// A copy of the counters as they are now.
    #[must_use]
    pub fn so_far(&self) -> FinishedSlots {
        let threads = self.threads.iter().map(|slots| (slots.thread, slots.image)).collect();
        FinishedSlots { slots: self.slots.clone(), leaked: None, first_of_range: self.first_of_range, threads }
    }
}
