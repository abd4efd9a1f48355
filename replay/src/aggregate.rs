//! What a replay counts, all in one pass: peak, leaks, totals, sizes and the timeline.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::Tables;
use memprof_capture::file::aggregate::StoredAggregate;
pub use memprof_capture::file::aggregate::{ProcessSums, RunSums, SlotSummary};
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::Stamp;
use rustc_hash::FxHashMap;

use crate::event_sink::{EventSink, Strand};
use crate::high_watermark::HighWatermark;
use crate::mapped_sites::MappedSites;
use crate::metric::Sums;
use crate::process_memory::state::{Closed, State};
use crate::process_memory::{Present, ProcessMemory};
use crate::processes::{ProcessId, Processes};
use crate::shared_objects::SharedObjects;
use crate::size_histogram::SizeHistogram;
use crate::slots::{Amount, Slot, SlotNumbers};
use crate::time_bins::{TimeBins, TimeBinsBuilder};
use crate::timeline::TimelineBuilder;

// One takes the other's place in memory at the end: see `FinishedSlots::map`.
const _: () = assert!(size_of::<SlotSummary>() == size_of::<Slot>() && align_of::<SlotSummary>() == align_of::<Slot>());

/// The result of a replay of some processes. docs/metrics.md defines the sums.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What is not counted by slot. Its processes are all of them, in their order.
    pub run: RunSums,
    /// By process, thread and site.
    pub slots: Vec<SlotSummary>,
    /// What the slots add up to.
    pub sums: SlotTotals,
    /// The run in bins, where that was asked for. Its slots are indices into `slots`.
    pub bins: Option<TimeBins>,
}

/// What slots add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotTotals {
    /// All of them.
    pub all: Sums,
    /// Those of each process.
    pub by_process: Vec<Sums>,
}

impl SlotTotals {
    /// Of these slots of these processes.
    #[must_use]
    pub fn of<'s>(slots: impl IntoIterator<Item = &'s SlotSummary>, processes: &Processes) -> Self {
        let mut totals = Self { all: Sums::default(), by_process: vec![Sums::default(); processes.list().len()] };
        for slot in slots {
            totals.all.add(&slot.sums);
            totals.by_process[processes.of_slot(slot).index()].add(&slot.sums);
        }
        totals
    }

    /// Takes leaked memory of a process out of them.
    pub fn forget_leaks(&mut self, process: ProcessId, leaked: Amount) {
        for sum in [&mut self.all.leaked, &mut self.by_process[process.index()].leaked] {
            sum.bytes = sum.bytes.saturating_sub(leaked.bytes);
            sum.allocations = sum.allocations.saturating_sub(leaked.allocations);
        }
    }
}

impl Aggregate {
    /// What an aggregated capture holds. What a damaged file no longer has is not in any of the sums.
    #[must_use]
    pub fn of_stored(stored: &StoredAggregate, processes: &Processes, sites: &MappedSites) -> Self {
        let mut of_processes: Vec<ProcessSums> = processes
            .list()
            .iter()
            .map(|process| ProcessSums { image: process.any_image(), ..Default::default() })
            .collect();
        for known in &stored.run.processes {
            if let Some(process) = processes.of_image(known.image) {
                of_processes[process.index()] = *known;
            }
        }
        let slots = stored.slots.iter().filter(|slot| processes.of_image(slot.image).is_some());
        let slots: Vec<SlotSummary> = slots.copied().collect();
        let sums = SlotTotals::of(slots.iter().filter(|slot| !sites.is_address_space(slot.site)), processes);
        let mut run = RunSums { processes: of_processes, ..stored.run.clone() };
        run.timeline.sort_by_key(|point| point.at);
        Self { run, slots, sums, bins: None }
    }

    /// What was counted of each process, and what its slots add up to.
    pub fn by_process(&self) -> impl Iterator<Item = (&ProcessSums, &Sums)> {
        self.run.processes.iter().zip(&self.sums.by_process)
    }
}

/// Applies events, in order, to the state of the processes' memory.
pub struct Aggregator {
    page_size: u32,
    start: Stamp,
    states: Vec<State>,
    /// An image of each process.
    images: Vec<u32>,
    /// Whose memory is in `present`.
    turn: ProcessId,
    present: Present,
}

impl Aggregator {
    /// For a run that began at `start`, with pages of this size and a process for each of these images, which may be
    /// any that it runs; more processes may come. What outlives no more than `temporary_threshold` further allocations
    /// of its thread is temporary.
    #[must_use]
    pub fn new(page_size: u32, images: Vec<u32>, start: Stamp, temporary_threshold: u64) -> Self {
        Self {
            page_size,
            start,
            states: images.iter().map(|_| State::Blank).collect(),
            images,
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

    /// One more process, which runs this image. Its events may begin earlier than others that have been counted
    /// already.
    pub fn add_process(&mut self, image: u32) -> ProcessId {
        if self.states.len() == 1 {
            self.begin_own_peak();
        }
        self.states.push(State::Blank);
        self.images.push(image);
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
        let Self { page_size, start, mut states, images, turn, present } = self;
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
        let run = RunSums { sizes, timeline: timeline.points(end), ..RunSums::default() };
        let (aggregate, first_slots) = sum_up(images.into_iter().zip(closed), &watermark, &sites, run);
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
        let run = RunSums { sizes: sizes.clone(), timeline: timeline.points(end), ..RunSums::default() };
        sum_up(self.images.iter().copied().zip(closed), watermark, sites, run).0
    }
}

/// Adds up the processes, of each of which an image is known, and completes the sums of the run. Returns the outcome,
/// and the index of the first slot of each.
fn sum_up(
    closed: impl ExactSizeIterator<Item = (u32, Closed)>,
    watermark: &HighWatermark,
    sites: &MappedSites,
    mut run: RunSums,
) -> (Aggregate, Vec<u32>) {
    let (epoch, is_alone) = (watermark.epoch(), closed.len() == 1);
    run.peak_at = watermark.peak_at();
    let mut sums = SlotTotals::default();
    let mut slots = Vec::new();
    let mut first_slots: Vec<u32> = Vec::new();
    for (image, mut closed) in closed {
        let mut of_process = Sums::default();
        first_slots.push(slots.len() as u32);
        let threads = std::mem::take(&mut closed.finished.threads);
        let summaries = closed.finished.map(|slot, leaked| {
            let (thread, image) = threads[slot.thread as usize];
            let of_slot = Sums { total: slot.total, peak: slot.at_peak(epoch), leaked, temporary: slot.temporary };
            if !sites.is_address_space(slot.site) {
                of_process.add(&of_slot);
            }
            SlotSummary { image, thread, site: slot.site, sums: of_slot }
        });
        if slots.is_empty() {
            slots = summaries;
        } else {
            slots.extend(summaries);
        }
        let (own_peak, own_peak_at) =
            if is_alone { (of_process.peak, run.peak_at) } else { (closed.own.amount(), closed.own.at()) };
        run.processes.push(ProcessSums { image, endings: closed.endings, own_peak, own_peak_at, largest_rss: None });
        sums.all.add(&of_process);
        sums.by_process.push(of_process);
    }
    (Aggregate { run, slots, sums, bins: None }, first_slots)
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
