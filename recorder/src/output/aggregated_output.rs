//! An aggregated capture while it is being recorded: the sums of the events so far. The whole file is rewritten from
//! time to time.
//!
//! Memory and file are bounded by what is different (threads, processes, code) and by what is live, however long the
//! run is. Of stacks there may be any number: where there is no more room, callers of the rarest are left out. At any
//! moment there is a whole file: a new one takes the name of the old one when it has been written.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use memprof_capture::file::aggregate::{ImageSpan, StoredAggregate};
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::elided_callers::elide_rare_callers;
use memprof_capture::file::facts::RssSample;
use memprof_capture::file::image_events::ImageEvents;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_capture::file::whole_file::{Existing, Readers, WholeFile};
use memprof_capture::file::{Fact, FrameSymbols, Header, PackagedFile, Summary, Tables, Thread};
use memprof_channel::ids::{FrameId, Stamp};
use memprof_replay::aggregate::{Aggregate, Aggregator};
use memprof_replay::live_merge::LiveMerge;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;

use super::large_blocks;
use super::resident_moments::ResidentMoments;
use super::{Failure, Output, Written};
use crate::interning::{Interning, NewRows};

/// At least this much time passes from one file to the next.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How long to wait before the next file, in multiples of the time that it took to write the last one: so writing takes
/// a hundredth of the time.
const WAIT_FOR_WORK: u32 = 100;

/// How many rows there may be before callers of rare stacks are left out.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    stacks: usize,
    sites: usize,
    /// Pairs of a thread and a site.
    slots: usize,
}

impl Room {
    /// The hash tables of the recorder have 2^19 and 2^18 places then. With a copy of the slots for a file, that is
    /// some 40 MiB.
    const OF_A_RECORDING: Self = Self { stacks: 440_000, sites: 160_000, slots: 160_000 };
}

/// Whether less than half of the room is free.
const fn is_half_full(rows: usize, room: usize) -> bool {
    rows > room / 2
}

/// How many sites there are, but for those of parts of what is mapped, which become no fewer with the stacks.
const fn sites_of_stacks(tables: &Tables) -> usize {
    tables.sites.len().saturating_sub(tables.parts.len())
}

/// How many of the last sites have not had the time to show whether they are rare: a thread of the program emits a
/// stack once and remembers it until it has emitted as many others.
const YOUNG_SITES: usize = memprof_channel::layout::MOST_SITES as usize;

/// Each of them counts as if it had this share of everything.
const WEIGHT_OF_YOUNG: f64 = 1e-5;

/// Sums up events, and writes files.
pub struct AggregatedOutput {
    path: PathBuf,
    header: Header,
    facts: Vec<Fact>,
    tables: Tables,
    aggregator: Aggregator,
    merge: LiveMerge,
    room: Room,
    /// How many stacks were kept whole when there was too little.
    whole: usize,
    /// How many slots there were when events were last summed up.
    slots: usize,
    alone: bool,
    spans: BTreeMap<u32, ImageSpan>,
    resident: ResidentMoments,
    /// When the next file is to be written.
    due: Instant,
    allocations: u64,
    written: u64,
    failure: Option<io::Error>,
}

impl AggregatedOutput {
    /// Writes the first file at `path`, which holds nothing yet. `alone` says that there will be one process at a time.
    pub fn new(path: PathBuf, header: Header, alone: bool) -> io::Result<Self> {
        large_blocks::release_when_freed();
        let aggregator = Aggregator::new(header.page_size, Vec::new(), header.start.stamp, TEMPORARY_THRESHOLD);
        let mut output = Self {
            path,
            header,
            facts: Vec::new(),
            tables: Tables::default(),
            aggregator,
            merge: LiveMerge::default(),
            room: Room::OF_A_RECORDING,
            whole: Room::OF_A_RECORDING.stacks / 4,
            slots: 0,
            alone,
            spans: BTreeMap::new(),
            resident: ResidentMoments::default(),
            due: Instant::now() + SHORTEST_WAIT,
            allocations: 0,
            written: 0,
            failure: None,
        };
        output.written = output.write(None)?;
        Ok(output)
    }

    /// The same with another header, before anything has come.
    pub fn with_header(self, header: Header) -> Self {
        Self { header, ..self }
    }

    /// The same with other room.
    #[cfg(test)]
    pub fn with_room(self, (stacks, sites, slots): (usize, usize, usize)) -> Self {
        Self { room: Room { stacks, sites, slots }, whole: stacks / 4, ..self }
    }

    /// Whether there is no more room for new stacks.
    fn is_full(&self) -> bool {
        let Self { tables, room, slots, .. } = self;
        tables.stacks.len() > room.stacks || sites_of_stacks(tables) > room.sites || *slots > room.slots
    }

    /// Leaves out callers of the rarest stacks, where this mark is put then, so that half of the room is free. Returns
    /// what the sites have become.
    fn leave_out_callers(&mut self, mark: FrameId) -> SiteNumbers {
        let mut numbers = self.keep_whole(mark);
        while let Some(fewest) = self.fewest_that_help()
            && self.whole > fewest
        {
            self.whole /= 2;
            numbers = numbers.then(&self.keep_whole(mark));
        }
        if self.rows_and_room().into_iter().all(|(rows, room)| !is_half_full(2 * rows, *room)) {
            self.whole = (self.whole * 2 + 1).min(self.room.stacks / 4);
        }
        // There must be room for what that leaves.
        for (rows, room) in self.rows_and_room() {
            if is_half_full(rows, *room) {
                *room = 2 * rows;
            }
        }
        self.slots = self.aggregator.slot_count();
        numbers
    }

    /// How few stacks are to be kept whole if there is still too little room; nothing if there is enough. Stacks and
    /// sites become few with them. The slots of many threads need not, and some stacks are worth more than they take.
    fn fewest_that_help(&mut self) -> Option<usize> {
        let enough = self.room.stacks / 64;
        let [stacks, sites, slots] = self.rows_and_room().map(|(rows, room)| is_half_full(rows, *room));
        if stacks || sites { Some(0) } else { slots.then_some(enough) }
    }

    /// How many rows there are of each kind, and how many there may be.
    fn rows_and_room(&mut self) -> [(usize, &mut usize); 3] {
        let Self { tables, room: Room { stacks, sites, slots }, aggregator, .. } = self;
        [(tables.stacks.len(), stacks), (sites_of_stacks(tables), sites), (aggregator.slot_count(), slots)]
    }

    fn keep_whole(&mut self, mark: FrameId) -> SiteNumbers {
        let Self { tables, aggregator, merge, whole, .. } = self;
        let mut weights = aggregator.weights(tables.sites.len());
        weights.iter_mut().rev().take(YOUNG_SITES).for_each(|weight| *weight += WEIGHT_OF_YOUNG);
        let numbers = elide_rare_callers(tables, &weights, *whole, mark);
        aggregator.renumber_sites(&numbers, tables);
        merge.renumber_sites(&numbers);
        numbers
    }

    fn write(&self, summary: Option<&Summary>) -> io::Result<u64> {
        let (rss, children_rss) = self.resident.samples();
        let capture = AggregatedCapture {
            header: &self.header,
            facts: &self.facts_with_losses(),
            tables: &self.tables,
            rss: &rss,
            children_rss: &children_rss,
            aggregate: &self.aggregate(summary),
            summary,
        };
        let whole = WholeFile::begin(&self.path, Readers::Owner)?;
        let mut out = BufWriter::with_capacity(1 << 16, whole.file());
        let bytes = capture.write(&mut out)?;
        out.flush()?;
        drop(out);
        whole.finish(Existing::Replace)?;
        Ok(bytes)
    }

    fn aggregate(&self, summary: Option<&Summary>) -> StoredAggregate {
        let events = self.spans.values().map(|span| span.last);
        let known = events.chain(self.resident.last()).chain(summary.map(|summary| summary.end.stamp));
        let end = known.chain([self.header.start.stamp]).max().unwrap_or_default();
        let Aggregate { slots, mut run, .. } = self.aggregator.so_far(end);
        for process in &mut run.processes {
            process.largest_rss = self.resident.largest(process.image);
        }
        StoredAggregate { slots, run, images: self.spans.values().copied().collect() }
    }

    fn facts_with_losses(&self) -> Vec<Fact> {
        let late = self.merge.late_events();
        let lost = (late > 0).then_some(Fact::Lost { chunks: 1, events: late, bytes: 0, references: 0 });
        self.facts.iter().cloned().chain(lost).collect()
    }
}

impl Output for AggregatedOutput {
    fn tables(&self) -> Interning {
        Interning::without_repetition()
    }

    fn rows(&mut self, rows: NewRows) {
        let NewRows { codes, modules, frames, stacks, parts, sites, may_repeat: _ } = rows;
        let Self { tables, aggregator, .. } = self;
        tables.codes.extend(codes.into_iter().map(Some));
        tables.modules.extend(modules.into_iter().map(Some));
        tables.frames.extend(frames.into_iter().map(Some));
        tables.stacks.extend(stacks.into_iter().map(Some));
        tables.parts.extend(parts.into_iter().map(Some));
        tables.sites.extend(sites.into_iter().map(Some));
        aggregator.update_sites(tables);
    }

    fn facts(&mut self, facts: &[Fact]) {
        for fact in facts {
            self.merge.note(fact);
            match fact {
                Fact::Image { image, pid, .. } => self.resident.note_image(*image, *pid),
                Fact::ProcessEnded { image, at } => self.resident.end(*image, *at),
                _ => {}
            }
        }
        self.facts.extend_from_slice(facts);
    }

    fn threads(&mut self, threads: &[Thread]) {
        self.tables.threads.splice(.., threads.iter().cloned().map(Some));
    }

    fn rss(&mut self, image: u32, samples: &[RssSample]) {
        self.resident.add(image, samples);
    }

    fn symbols(&mut self, symbols: &[FrameSymbols]) {
        self.tables.symbols.resize(self.tables.frames.len(), Vec::new());
        for FrameSymbols { frame, functions } in symbols {
            if let Some(known) = self.tables.symbols.get_mut(frame.index()) {
                known.clone_from(functions);
            }
        }
    }

    fn packages(&mut self, files: Vec<PackagedFile>) {
        self.tables.add_packages(files);
    }

    fn events(&mut self, image: u32, bound: Stamp, events: &mut ImageEvents, interning: &mut Interning) {
        let Self { aggregator, merge, spans, allocations, .. } = self;
        let last = spans.get(&image).map_or(Stamp(0), |span| span.last);
        let queue = merge.queue(image, || aggregator.add_process(image));
        let before = queue.events.len();
        *allocations += events.settle_into(bound, last, interning, queue);
        if let [first, ..] = queue.events[before..] {
            let span = spans.entry(image).or_insert(ImageSpan { image, events: 0, first: first.stamp, last });
            span.events += (queue.events.len() - before) as u64;
            span.last = queue.events.last().map_or(last, |event| event.stamp);
        }
        // What these events map is in the tables' new rows.
        self.rows(interning.take_rows(false));
        if self.alone && self.spans.len() == 1 {
            // No other process's events have to be waited for, and these are still in the processor's cache.
            self.known_before(bound);
        }
    }

    fn known_before(&mut self, bound: Stamp) {
        self.merge.drain(bound, &mut self.aggregator);
        self.slots = self.aggregator.slot_count();
    }

    fn make_room(&mut self, interning: &mut Interning) -> Option<SiteNumbers> {
        self.is_full().then(|| {
            interning.shrink(|rows, mark| {
                self.rows(rows);
                (self.leave_out_callers(mark), &self.tables)
            })
        })
    }

    fn checkpoint(&mut self) {
        self.resident.settle();
        let began = Instant::now();
        if began < self.due {
            return;
        }
        match self.write(None) {
            Ok(bytes) => (self.written, self.failure) = (bytes, None),
            // The one before stays. The disk may have room again the next time.
            Err(error) => self.failure = Some(error),
        }
        self.due = Instant::now() + (began.elapsed() * WAIT_FOR_WORK).max(SHORTEST_WAIT);
    }

    fn allocations(&self) -> u64 {
        self.allocations
    }

    fn finish(mut self: Box<Self>, summary: &Summary) -> Written {
        self.resident.settle();
        match self.write(Some(summary)) {
            Ok(bytes) => Written { bytes, failure: None },
            Err(error) => Written { bytes: self.written, failure: Some(Failure { error, allocations: None }) },
        }
    }
}
