//! A capture, replayed and resolved: what every renderer starts from.

mod error;
mod events;
mod tree_source;

use std::path::Path;

use memprof_capture::file::{CaptureReader, ChunkObserver, Damage, Site, Summary, Tables};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::Stamp;
use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::mapped_sites::MappedSites;
use memprof_replay::metric::Metric;
use memprof_replay::processes::{Process, ProcessId, Processes};
use memprof_replay::replay::{ReplaySettings, end_of, replay};
use memprof_replay::slots::Amount;
use memprof_replay::timeline::TimelinePoint;

use crate::guards::suppressions::{SuppressedLeaks, Suppressions};
use crate::naming::places::{PlaceId, PlaceKind, Places};
use crate::naming::process_labels::ProcessLabels;
use crate::naming::thread_labels::ThreadLabels;
use crate::naming::view::View;
pub use crate::reading::bins_wanted::BinsWanted;
use crate::reading::mapped_memory::MappedMemory;
use crate::reading::metadata::{Metadata, duration_s};
use crate::reading::native_stacks::NativeStacks;
use crate::reading::not_recorded;
use crate::reading::notes;
use crate::reading::query::{Query, SlotFilter};
use crate::reading::resident_sets::ResidentSets;
use crate::reading::run_clock::RunClock;
use crate::reading::source_lines::SourceLines;
use crate::sums::row_places::RowPlaces;
use crate::text::Location;
pub use error::ReportError;
pub(crate) use tree_source::TreeSource;

/// The largest amounts of memory at one time, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peaks {
    /// What was live on the heap.
    pub heap_bytes: u64,
    /// The resident set, if it was measured; of several processes, the largest sum.
    pub rss_bytes: Option<u64>,
}

/// Everything that a report can show of a capture.
///
/// A report is written from `&Report`. `&mut Report` is for what comes before: a tree of calls names its processes,
/// threads and placeholders, suppressed leaks go, and the events of the capture are read once more.
pub struct Report {
    reader: CaptureReader,
    metadata: Metadata,
    processes: Processes,
    aggregate: Aggregate,
    places: Places,
    clock: RunClock,
    native: NativeStacks,
    mapped: MappedMemory,
    query: Query,
    resident: ResidentSets,
    notes: Vec<String>,
}

impl Report {
    /// Opens and replays a capture.
    ///
    /// # Errors
    /// When the file is no capture, or cannot be read. Damage within it is no error: see [`Self::notes`].
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        Self::open_with(path, &Query::default())
    }

    /// Opens a capture and replays what a query asks for.
    ///
    /// # Errors
    /// See [`Self::open`]; and when a process that it names was not recorded.
    pub fn open_with(path: &Path, query: &Query) -> Result<Self, ReportError> {
        Self::open_in_bins(path, query, BinsWanted::Never)
    }

    /// Likewise, and cuts the run into bins if they are wanted, unless the query asks for a range of time.
    ///
    /// # Errors
    /// See [`Self::open_with`].
    pub fn open_in_bins(path: &Path, query: &Query, bins: BinsWanted) -> Result<Self, ReportError> {
        Self::open_watched(path, query, bins, |_| None)
    }

    /// Likewise, and says how far its replay is. `watch` is given the number of events that there are to read. What it
    /// returns is given the number of those that were read, chunk by chunk, and dropped when the last one was read.
    ///
    /// # Errors
    /// See [`Self::open_in_bins`].
    pub fn open_watched(
        path: &Path,
        query: &Query,
        bins: BinsWanted,
        watch: impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>,
    ) -> Result<Self, ReportError> {
        let reader = CaptureReader::open(path).map_err(ReportError::Open)?;
        let processes = Self::processes_of(&reader, query)?;
        Self::of_processes(reader, processes, query, bins, watch)
    }

    /// The processes of a capture that a query is about.
    pub(crate) fn processes_of(reader: &CaptureReader, query: &Query) -> Result<Processes, ReportError> {
        let processes = Processes::of(reader).only(&query.processes);
        processes.map_err(|unknown| ReportError::NoProcess(reader.path().to_owned(), unknown))
    }

    /// The same of one process alone: from its own events, with a peak of its own.
    ///
    /// # Errors
    /// When the capture cannot be read any more.
    pub fn of_process(&self, process: ProcessId) -> Result<Self, ReportError> {
        let reader = CaptureReader::open(self.reader.path()).map_err(ReportError::Open)?;
        Self::of_processes(reader, self.processes.alone(process), &self.query, BinsWanted::Never, |_| None)
    }

    fn of_processes(
        reader: CaptureReader,
        processes: Processes,
        query: &Query,
        bins: BinsWanted,
        watch: impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>,
    ) -> Result<Self, ReportError> {
        let places = Places::resolve(reader.tables());
        Self::of_capture(reader, places, processes, query, (bins, watch))
    }

    /// Of a capture whose places are known.
    pub(crate) fn of_capture(
        mut reader: CaptureReader,
        places: Places,
        processes: Processes,
        query: &Query,
        (bins, watch): (BinsWanted, impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>),
    ) -> Result<Self, ReportError> {
        let clock = RunClock::of(&reader);
        let settings =
            ReplaySettings { bin_rows: bins.rows(&reader), ..query.settings(&clock, duration_s(&reader, &clock)) };
        let wanted = reader.event_chunks().iter().filter(|chunk| processes.of_image(chunk.image).is_some());
        let watcher = watch(wanted.map(|chunk| u64::from(chunk.rows)).sum());
        reader
            .observe(watcher.map(|mut watcher| -> ChunkObserver { Box::new(move |chunk| watcher(chunk.rows.into())) }));
        let aggregate = replay(&mut reader, &processes, &settings);
        reader.observe(None);
        let mut aggregate = aggregate.map_err(|error| ReportError::reading(reader.path(), error))?;
        let metadata = Metadata::of(&reader, &processes, &clock, query);
        let resident = ResidentSets::of(&reader, &processes);
        let native = NativeStacks::of(&reader);
        let notes = notes::of(&reader, &clock, &native, &aggregate.slots);
        let sites = MappedSites::of(reader.tables());
        let mapped = MappedMemory::of(reader.tables(), &sites, &processes, &aggregate.slots);
        if query.filters_slots() || mapped.has_address_space() {
            SlotFilter::of(query, reader.tables(), &places).apply(&mut aggregate, &processes);
        }
        Ok(Self {
            reader,
            metadata,
            processes,
            aggregate,
            places,
            clock,
            native,
            mapped,
            query: query.clone(),
            resident,
            notes,
        })
    }

    /// The largest amounts of memory at one time, and nothing else of the capture.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn peaks(path: &Path) -> Result<Peaks, ReportError> {
        let mut reader = CaptureReader::open_for_totals(path).map_err(ReportError::Open)?;
        let processes = Processes::of(&reader);
        let aggregate = replay(&mut reader, &processes, &ReplaySettings::default())
            .map_err(|error| ReportError::reading(path, error))?;
        let rss_bytes = ResidentSets::of(&reader, &processes).peak();
        Ok(Peaks { heap_bytes: aggregate.sums.all.peak.bytes, rss_bytes })
    }

    /// The facts about the run.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What was counted.
    #[must_use]
    pub const fn aggregate(&self) -> &Aggregate {
        &self.aggregate
    }

    /// What is missing or uncertain in the capture, a sentence each. Empty for a sound one.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Why its figures say nothing about the program, if so.
    #[must_use]
    pub(crate) fn blindness(&self) -> Option<String> {
        let reader = &self.reader;
        let has_events = !reader.event_chunks().is_empty() || reader.aggregate().is_some();
        // Of one that is cut off or damaged, the notes say so.
        let is_whole = reader.summary().is_some() && reader.damage().is_none();
        not_recorded::blindness(reader.facts(), has_events || !is_whole)
    }

    /// What could not be read.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        self.reader.damage()
    }

    /// Where functions and files are, and their names.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// From stamps to seconds.
    pub(crate) const fn clock(&self) -> &RunClock {
        &self.clock
    }

    /// What was recorded of native stacks.
    pub(crate) const fn native(&self) -> &NativeStacks {
        &self.native
    }

    /// What was mapped that is not memory of one process's own.
    pub(crate) const fn mapped(&self) -> &MappedMemory {
        &self.mapped
    }

    /// When the recording began, in nanoseconds since 1970.
    pub(crate) const fn start_unix_ns(&self) -> u64 {
        self.reader.header().start_unix_ns
    }

    /// The source of the program, as far as it may be shown.
    #[must_use]
    pub fn source_lines(&self) -> SourceLines {
        SourceLines::new(self.start_unix_ns())
    }

    /// The size of a page of memory, in bytes.
    pub(crate) const fn page_size(&self) -> u32 {
        self.reader.header().page_size
    }

    /// The last moment that the capture knows of.
    pub(crate) fn end(&self) -> Stamp {
        end_of(&self.reader)
    }

    /// The number of events in the capture, those of all processes.
    pub(crate) fn stored_events(&self) -> u64 {
        self.reader.event_chunks().iter().map(|chunk| u64::from(chunk.rows)).sum()
    }

    /// Whether the capture has sums only, and no events.
    pub(crate) const fn is_aggregated(&self) -> bool {
        self.reader.aggregate().is_some()
    }

    pub(crate) const fn tables(&self) -> &Tables {
        self.reader.tables()
    }

    pub(crate) const fn summary(&self) -> Option<&Summary> {
        self.reader.summary()
    }

    /// The processes that it is about.
    #[must_use]
    pub const fn processes(&self) -> &Processes {
        &self.processes
    }

    /// How lists name them.
    pub(crate) fn process_labels(&self) -> ProcessLabels {
        ProcessLabels::of(self.tables(), &self.processes)
    }

    /// When a process began, in seconds after the start of the recording.
    pub(crate) fn started_s(&self, process: &Process) -> f64 {
        process.images.first().map_or(0.0, |image| self.clock.seconds(image.start))
    }

    /// The resident sets of all processes together, in order.
    pub(crate) fn rss(&self) -> &[TimelinePoint] {
        &self.resident.together
    }

    /// The largest resident set of each process.
    pub(crate) fn process_peak_rss(&self) -> &[Option<u64>] {
        &self.resident.largest
    }

    /// The place of each stack in a view.
    pub(crate) fn row_places(&self, view: View) -> RowPlaces {
        RowPlaces::of(self.tables(), &self.places, view)
    }

    /// The slots that have anything of a metric, the site of each, unless a damaged capture lost it, and how much.
    pub(crate) fn with_any(&self, metric: Metric) -> impl Iterator<Item = (&SlotSummary, Option<Site>, Amount)> {
        let amounts = self.aggregate.slots.iter().map(move |slot| (slot, slot.sums[metric]));
        let any = amounts.filter(|(_, amount)| !amount.is_zero());
        any.map(|(slot, amount)| (slot, self.tables().site(slot.site), amount))
    }

    /// The sum over all places.
    #[must_use]
    pub fn total(&self, metric: Metric) -> Amount {
        self.aggregate.sums.all[metric]
    }

    /// Takes the leaks that are suppressed out of the report, and says how much each suppression took, in their order.
    pub fn suppress_leaks(&mut self, suppressions: &Suppressions) -> Vec<SuppressedLeaks> {
        let mut suppressed = suppressions.tally();
        if suppressions.is_empty() {
            return suppressed;
        }
        let of_stack = suppressions.of_stacks(self.reader.tables(), &self.places);
        let Aggregate { sums, slots, .. } = &mut self.aggregate;
        for slot in slots {
            let site = self.reader.tables().site(slot.site);
            let number = site.and_then(|site| of_stack.get(site.stack.index()).copied().flatten());
            if let Some(number) = number {
                let leaked = std::mem::take(&mut slot.sums.leaked);
                suppressed[number as usize].amount.add(leaked);
                sums.forget_leaks(self.processes.of_slot(slot), leaked);
            }
        }
        suppressed
    }

    /// How many further allocations of its thread a temporary block may outlive.
    pub(crate) const fn temporary_threshold(&self) -> u64 {
        self.query.temporary_threshold
    }

    /// What totals are over, for a heading.
    pub(crate) const fn span(&self) -> &'static str {
        if self.query.has_range() { "in this range of time" } else { "over the whole run" }
    }

    /// Everything that was allocated with each allocator that was used at all.
    pub(crate) fn by_allocator(&self) -> Vec<(Allocator, Amount)> {
        let mut sums = [Amount::default(); Allocator::ALL.len()];
        for slot in &self.aggregate.slots {
            if let Some(site) = self.tables().site(slot.site) {
                sums[usize::from(site.allocator.code()) - 1].add(slot.sums.total);
            }
        }
        Allocator::ALL.into_iter().zip(sums).filter(|(_, amount)| amount.allocations > 0).collect()
    }

    /// The largest resident set, or the largest sum of those of several processes.
    pub(crate) fn peak_rss(&self) -> Option<u64> {
        self.resident.peak()
    }

    /// The names of all threads.
    pub(crate) const fn thread_labels(&self) -> ThreadLabels<'_> {
        ThreadLabels::of(self.tables(), &self.processes)
    }

    /// What the thread of a slot is called, with its process where there are several.
    #[must_use]
    pub fn thread_label(&self, slot: &SlotSummary) -> String {
        self.thread_labels().with_process(self.processes.of_slot(slot), slot.thread)
    }

    /// A place, ready to be printed.
    pub(crate) fn location(&self, place: PlaceId) -> Location {
        let (function, file, line) = (self.places.function(place), self.places.file(place), self.places.line(place));
        match self.places.get(place).kind {
            PlaceKind::Python | PlaceKind::Special | PlaceKind::Process | PlaceKind::Thread => {
                Location::new(function, file, line)
            }
            PlaceKind::Native | PlaceKind::Runtime | PlaceKind::Evaluation => Location::native(function, file, line),
        }
    }
}
