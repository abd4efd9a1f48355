//! An aggregated capture while it is being recorded: the sums of the events so far, and the whole file anew from time to time.
//!
//! Memory and file are bounded by what is different (stacks, threads, processes) and by what is live, however long the run is.
//! At any moment there is a whole file: a new one takes the name of the old one when it has been written.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use memprof_capture::file::aggregate::{ImageSpan, StoredAggregate};
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::facts::RssSample;
use memprof_capture::file::image_events::ImageEvents;
use memprof_capture::file::whole_file::{Existing, Readers, WholeFile};
use memprof_capture::file::{Fact, FrameSymbols, Header, Summary, Tables, Thread};
use memprof_capture::ids::Stamp;
use memprof_replay::aggregate::Aggregator;
use memprof_replay::aggregated_capture::store;
use memprof_replay::live_merge::LiveMerge;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;

use crate::interning::{Interning, NewRows};
use crate::output::{Failure, Written};
use crate::resident_moments::ResidentMoments;

/// No less passes from one file to the next.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// So many times as long as it took to write the last file passes before the next one: a hundredth of the time.
const WAIT_FOR_WORK: u32 = 100;

/// Sums up events, and writes files.
pub struct AggregatedOutput {
    path: PathBuf,
    header: Header,
    facts: Vec<Fact>,
    tables: Tables,
    aggregator: Aggregator,
    merge: LiveMerge,
    alone: bool,
    spans: BTreeMap<u32, ImageSpan>,
    resident: ResidentMoments,
    /// When the next file is to be written.
    due: Instant,
    written: u64,
    failure: Option<io::Error>,
}

impl AggregatedOutput {
    /// Writes the first file at `path`, which holds nothing yet. `alone` says that there will be one process at a time.
    pub fn new(path: PathBuf, header: Header, alone: bool) -> io::Result<Self> {
        let aggregator = Aggregator::new(header.page_size, 0, header.start.stamp, TEMPORARY_THRESHOLD);
        let mut output = Self {
            path,
            header,
            facts: Vec::new(),
            tables: Tables::default(),
            aggregator,
            merge: LiveMerge::default(),
            alone,
            spans: BTreeMap::new(),
            resident: ResidentMoments::default(),
            due: Instant::now() + SHORTEST_WAIT,
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

    /// Takes rows of the tables.
    pub fn rows(&mut self, rows: NewRows) {
        let NewRows { codes, modules, frames, stacks, parts, sites, may_repeat: _ } = rows;
        let Self { tables, aggregator, .. } = self;
        tables.codes.extend(codes.into_iter().map(Some));
        tables.modules.extend(modules.into_iter().map(Some));
        tables.frames.extend(frames.into_iter().map(Some));
        tables.stacks.extend(stacks.into_iter().map(Some));
        tables.parts.extend(parts.into_iter().map(Some));
        tables.sites.extend(sites.into_iter().map(Some));
        aggregator.learn_sites(tables);
    }

    /// Takes the names of native frames.
    pub fn symbols(&mut self, symbols: &[FrameSymbols]) {
        self.tables.symbols.resize(self.tables.frames.len(), Vec::new());
        for FrameSymbols { frame, functions } in symbols {
            if let Some(known) = self.tables.symbols.get_mut(frame.index()) {
                known.clone_from(functions);
            }
        }
    }

    /// Takes what turned out.
    pub fn facts(&mut self, facts: &[Fact]) {
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

    /// Takes the threads known so far.
    pub fn threads(&mut self, threads: &[Thread]) {
        self.tables.threads.splice(.., threads.iter().cloned().map(Some));
    }

    /// Takes samples of the resident set of the process that runs an image; 0 stands for the one that was started.
    pub fn rss(&mut self, image: u32, samples: &[RssSample]) {
        self.resident.add(image, samples);
    }

    /// Takes the settled events of an image. Returns how many allocations they are.
    pub fn take(&mut self, image: u32, bound: Stamp, events: &mut ImageEvents, interning: &mut Interning) -> u64 {
        let Self { aggregator, merge, spans, .. } = self;
        let last = spans.get(&image).map_or(Stamp(0), |span| span.last);
        let queue = merge.queue(image, || aggregator.add_process());
        let before = queue.events.len();
        let allocations = events.settle_into(bound, last, interning, queue);
        if let [first, ..] = queue.events[before..] {
            let span = spans.entry(image).or_insert(ImageSpan { image, events: 0, first: first.stamp, last });
            span.events += (queue.events.len() - before) as u64;
            span.last = queue.events.last().map_or(last, |event| event.stamp);
        }
        // What these events map is in the tables' new rows.
        self.rows(interning.take_rows(false));
        if self.alone && self.spans.len() == 1 {
            // There is nobody else's to wait for, and they are still in the processor's cache.
            self.sum_up(bound);
        }
        allocations
    }

    /// Sums up the events before `bound`; those of all processes have been taken up to there.
    pub fn sum_up(&mut self, bound: Stamp) {
        self.merge.drain(bound, &mut self.aggregator);
    }

    /// Writes a file, if it is time to.
    pub fn write_if_due(&mut self) {
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

    /// Writes the last file.
    pub fn finish(mut self, summary: &Summary) -> Written {
        self.resident.settle();
        match self.write(Some(summary)) {
            Ok(bytes) => Written { bytes, failure: None },
            Err(error) => Written { bytes: self.written, failure: Some(Failure { error, allocations: None }) },
        }
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
        let images: Vec<u32> = self.merge.images().collect();
        let spans = self.spans.values().copied().collect();
        let mut stored = store(self.aggregator.so_far(end), &images, spans);
        for process in &mut stored.run.processes {
            process.largest_rss = self.resident.largest(process.image);
        }
        stored
    }

    fn facts_with_losses(&self) -> Vec<Fact> {
        let late = self.merge.late_events();
        let lost = (late > 0).then_some(Fact::Lost { chunks: 1, events: late, bytes: 0, references: 0 });
        self.facts.iter().cloned().chain(lost).collect()
    }
}
