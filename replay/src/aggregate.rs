//! What a replay counts, all in one pass: peak, leaks, totals, sizes and the timeline.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::Tables;
use memprof_capture::file::aggregate::Endings;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::{SiteId, Stamp, ThreadId};
use rustc_hash::FxHashMap;

use crate::event_sink::{EventSink, Strand};
use crate::high_watermark::HighWatermark;
use crate::mapped_sites::MappedSites;
use crate::metric::Sums;
use crate::process_memory::state::{Closed, State};
use crate::process_memory::{Present, ProcessMemory};
use crate::processes::ProcessId;
use crate::shared_objects::SharedObjects;
use crate::size_histogram::SizeHistogram;
use crate::slots::{Amount, Slot, SlotNumbers};
use crate::time_bins::{TimeBins, TimeBinsBuilder};
use crate::timeline::{TimelineBuilder, TimelinePoint};

/// What was counted over the whole run and all processes. docs/metrics.md defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By metric.
    pub sums: Sums,
    /// How allocations ended.
    pub endings: Endings,
    /// When the peak was.
    pub peak_at: Stamp,
}

/// What was counted over the run of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessTotals {
    /// By metric. Its peak is what it had at the peak of all processes together.
    pub sums: Sums,
    /// How its allocations ended.
    pub endings: Endings,
    /// What was live at the peak of its own.
    pub own_peak: Amount,
    /// When that was.
    pub own_peak_at: Stamp,
}

impl Totals {
    /// Adds what a process had.
    pub(crate) fn add(&mut self, process: &ProcessTotals) {
        self.sums.add(&process.sums);
        self.endings.add(process.endings);
    }
}

/// The counters of one thread of a process at one site, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSummary {
    /// The thread's process.
    pub process: ProcessId,
    /// Who allocated.
    pub thread: ThreadId,
    /// The image of the process that the thread was part of.
    pub image: u32,
    /// Where, and with which allocator.
    pub site: SiteId,
    /// By metric.
    pub sums: Sums,
}

// One takes the other's place in memory at the end: see `FinishedSlots::map`.
const _: () = assert!(size_of::<SlotSummary>() == size_of::<Slot>() && align_of::<SlotSummary>() == align_of::<Slot>());

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Sums over all.
    pub totals: Totals,
    /// By process.
    pub processes: Vec<ProcessTotals>,
    /// By process, thread and site.
    pub slots: Vec<SlotSummary>,
    /// Allocations by size.
    pub sizes: SizeHistogram,
    /// The live total over the run.
    pub timeline: Vec<TimelinePoint>,
    /// The run in bins, where that was asked for. Its slots are indices into `slots`.
    pub bins: Option<TimeBins>,
}

/// Applies events, in order, to the state of the processes' memory.
pub struct Aggregator {
    page_size: u32,
    start: Stamp,
    states: Vec<State>,
    /// Whose memory is in `present`.
    turn: ProcessId,
    present: Present,
}

impl Aggregator {
    /// For a run that began at `start`, with pages of this size and this many processes; more may come. What outlives
    /// no more than `temporary_threshold` further allocations of its thread is temporary.
    #[must_use]
    pub fn new(page_size: u32, processes: usize, start: Stamp, temporary_threshold: u64) -> Self {
        Self {
            page_size,
            start,
            states: (0..processes).map(|_| State::Blank).collect(),
            turn: ProcessId(0),
            present: Present {
                memory: ProcessMemory::new(page_size, start),
                watermark: HighWatermark::new(start),
                timeline: TimelineBuilder::new(start),
                sizes: SizeHistogram::default(),
                temporary_threshold,
                bins: None,
                sites: MappedSites::default(),
                shared: SharedObjects::default(),
                process: ProcessId(0),
            },
        }
    }

    /// Finds what the new sites in these tables map. To be called before their first event.
    pub fn update_sites(&mut self, tables: &Tables) {
        self.present.sites.update(tables);
    }

    /// Cuts the run into bins as well. To be called before any event.
    pub fn cut_into_bins(&mut self, bins: TimeBinsBuilder) {
        self.present.bins = Some(Box::new(bins));
    }

    /// Gives the turn to a process.
    #[inline]
    fn turn_to(&mut self, process: ProcessId) {
        if process != self.turn {
            self.change_turn(process);
        }
    }

    #[cold]
    fn change_turn(&mut self, process: ProcessId) {
        let mut memory = match std::mem::replace(&mut self.states[process.index()], State::Blank) {
            State::Running(memory) => memory,
            State::Blank | State::Ended(_) => Box::new(ProcessMemory::new(self.page_size, self.start)),
        };
        std::mem::swap(&mut *memory, &mut self.present.memory);
        // One that has ended has nothing any more.
        if let state @ State::Blank = &mut self.states[self.turn.index()] {
            *state = State::Running(memory);
        }
        (self.turn, self.present.process) = (process, process);
    }

    /// From now on events count. Of what went before, only what is live matters.
    pub fn begin_range(&mut self, from: Stamp) {
        for state in &mut self.states {
            match state {
                State::Blank => {}
                State::Running(memory) => memory.begin_range(from),
                State::Ended(_) => *state = State::Ended(close(ProcessMemory::new(self.page_size, from), None)),
            }
        }
        let Present { memory, watermark, timeline, sizes, .. } = &mut self.present;
        memory.begin_range(from);
        watermark.begin_range(from);
        *timeline = TimelineBuilder::new(from);
        timeline.record(from, watermark.live());
        *sizes = SizeHistogram::default();
    }

    /// One more process. Its events may begin earlier than others that have been counted already.
    pub fn add_process(&mut self) -> ProcessId {
        if self.states.len() == 1 {
            self.begin_own_peak();
        }
        self.states.push(State::Blank);
        ProcessId(self.states.len() as u32 - 1)
    }

    /// The one process that there was is not alone any more: from now on its peak is another one than that of all.
    fn begin_own_peak(&mut self) {
        let Present { watermark, memory, sites, .. } = &mut self.present;
        match &mut self.states[0] {
            State::Ended(closed) => closed.own = closed.clone().peak_alone(watermark, sites),
            State::Running(_) | State::Blank => memory.own = Closed::so_far(memory).peak_alone(watermark, sites),
        }
    }

    /// The sites of the tables have got other numbers: what a thread has at one site now is one slot.
    ///
    /// # Panics
    /// When the run is cut into bins: nobody needs both.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers, tables: &Tables) {
        assert!(self.present.bins.is_none(), "the slots of bins keep their numbers");
        let (epoch, turn) = (self.present.watermark.epoch(), self.turn);
        let mut of_process: FxHashMap<ProcessId, SlotNumbers> = FxHashMap::default();
        of_process.insert(turn, self.present.memory.renumber_sites(numbers, epoch));
        for (process, state) in (0..).map(ProcessId).zip(&mut self.states) {
            match state {
                State::Blank => {}
                State::Running(memory) => drop(of_process.insert(process, memory.renumber_sites(numbers, epoch))),
                State::Ended(closed) => closed.finished.renumber_sites(numbers, epoch),
            }
        }
        self.present.shared.renumber_slots(|process| of_process.get(&process));
        self.present.sites.learn_anew(tables);
    }

    /// The slots of each process.
    fn slots(&self) -> impl Iterator<Item = &[Slot]> {
        self.states.iter().map(State::slots).chain([self.present.memory.slots.as_slice()])
    }

    /// How many slots there are: pairs of a thread and a site.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.slots().map(<[Slot]>::len).sum()
    }

    /// How much each of the first `sites` sites matters: its shares in all allocations, in their bytes, in what is
    /// live, and in what was at the peak, added up. Of address space that is no memory, the allocations alone count.
    #[must_use]
    pub fn weights(&self, sites: usize) -> Vec<f64> {
        let epoch = self.present.watermark.epoch();
        let amounts = |slot: &Slot| {
            let memory = u64::from(!self.present.sites.is_address_space(slot.site));
            let bytes = [slot.total.bytes, slot.live.bytes, slot.at_peak(epoch).bytes].map(|bytes| bytes * memory);
            [slot.total.allocations, bytes[0], bytes[1], bytes[2]].map(|amount| amount as f64)
        };
        let mut sums = [0.0; 4];
        for slot in self.slots().flatten() {
            sums.iter_mut().zip(amounts(slot)).for_each(|(sum, amount)| *sum += amount);
        }
        let mut weights = vec![0.0; sites];
        for slot in self.slots().flatten() {
            let shares = amounts(slot).into_iter().zip(sums).map(|(amount, sum)| amount / sum.max(1.0));
            if let Some(weight) = weights.get_mut(slot.site.index()) {
                *weight += shares.sum::<f64>();
            }
        }
        weights
    }

    /// Ends the replay.
    #[must_use]
    pub fn finish(self, end: Stamp) -> Aggregate {
        let Self { page_size, start, mut states, turn, present } = self;
        let Present { memory, watermark, timeline, sizes, bins, sites, .. } = present;
        if let Some(state @ State::Blank) = states.get_mut(turn.index()) {
            *state = State::Running(Box::new(memory));
        }
        let closed = states.into_iter().map(|state| match state {
            State::Blank => close(ProcessMemory::new(page_size, start), None),
            // The maps of live memory are the largest things here, and not needed for the rest.
            State::Running(memory) => close(*memory, None),
            State::Ended(closed) => closed,
        });
        let (aggregate, first_slots) = sum_up(closed, &watermark, &sites, sizes, timeline.points(end));
        let bins = bins.map(|bins| bins.finish(|process, slot| first_slots[process.index()] + slot.0));
        Aggregate { bins, ..aggregate }
    }

    /// What has been counted so far, as if the run ended with that.
    #[must_use]
    pub fn so_far(&self, end: Stamp) -> Aggregate {
        let Present { memory, watermark, timeline, sizes, sites, .. } = &self.present;
        let closed = self.states.iter().enumerate().map(|(process, state)| match state {
            State::Blank if process == self.turn.index() => Closed::so_far(memory),
            State::Blank => close(ProcessMemory::new(self.page_size, self.start), None),
            State::Running(memory) => Closed::so_far(memory),
            State::Ended(closed) => closed.clone(),
        });
        sum_up(closed, watermark, sites, sizes.clone(), timeline.points(end)).0
    }
}

/// Adds up the processes. Returns the outcome, and the index of the first slot of each.
fn sum_up(
    closed: impl ExactSizeIterator<Item = Closed>,
    watermark: &HighWatermark,
    sites: &MappedSites,
    sizes: SizeHistogram,
    timeline: Vec<TimelinePoint>,
) -> (Aggregate, Vec<u32>) {
    let (epoch, peak_at, is_alone) = (watermark.epoch(), watermark.peak_at(), closed.len() == 1);
    let mut totals = Totals { peak_at, ..Totals::default() };
    let mut slots = Vec::new();
    let mut processes = Vec::new();
    let mut first_slots: Vec<u32> = Vec::new();
    for (process, mut closed) in (0..).map(ProcessId).zip(closed) {
        let mut counted = ProcessTotals { endings: closed.endings, ..ProcessTotals::default() };
        first_slots.push(slots.len() as u32);
        let threads = std::mem::take(&mut closed.finished.threads);
        let summaries = closed.finished.map(|slot, leaked| {
            let (thread, image) = threads[slot.thread as usize];
            let of_slot = Sums { total: slot.total, peak: slot.at_peak(epoch), leaked, temporary: slot.temporary };
            let slot = SlotSummary { process, thread, image, site: slot.site, sums: of_slot };
            if !sites.is_address_space(slot.site) {
                counted.sums.add(&of_slot);
            }
            slot
        });
        if slots.is_empty() {
            slots = summaries;
        } else {
            slots.extend(summaries);
        }
        (counted.own_peak, counted.own_peak_at) =
            if is_alone { (counted.sums.peak, peak_at) } else { (closed.own.amount(), closed.own.at()) };
        totals.add(&counted);
        processes.push(counted);
    }
    (Aggregate { totals, processes, slots, sizes, timeline, bins: None }, first_slots)
}

/// Keeps of a process what outlives it.
fn close(memory: ProcessMemory, leaked: Option<Vec<Amount>>) -> Closed {
    let ProcessMemory { slots, endings, own, .. } = memory;
    Closed { finished: slots.finish(leaked), endings, own }
}

impl EventSink for Aggregator {
    #[inline]
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]) {
        self.turn_to(strand.process);
        if self.states.len() == 1 {
            self.present.events::<false>(strand, events, &mut self.states);
        } else {
            self.present.events::<true>(strand, events, &mut self.states);
        }
    }

    fn start_image(&mut self, process: ProcessId, stamp: Stamp) {
        self.turn_to(process);
        self.present.begin(stamp);
        self.present.memory.endings.dropped_by_exec += self.present.drop_image(stamp, &mut self.states);
        self.present.settle(stamp);
    }

    fn end_process(&mut self, process: ProcessId, stamp: Stamp) {
        self.turn_to(process);
        self.present.begin(stamp);
        let leaked = self.present.end_process(stamp, &mut self.states);
        let nothing = ProcessMemory::new(self.page_size, self.start);
        let memory = std::mem::replace(&mut self.present.memory, nothing);
        self.states[process.index()] = State::Ended(close(memory, Some(leaked)));
        self.present.settle(stamp);
    }
}
