//! Takes what the program's threads have handed over, and writes it.

mod abandoned;
#[cfg(test)]
mod aggregation_tests;
mod hidden_allocators;
mod processes;
#[cfg(test)]
mod repetition_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::sync::atomic::fence;
use std::time::{Duration, Instant};

use memprof_capture::channel::layout::CHUNK_WORDS;
use memprof_capture::channel::pool::futex_wake;
use memprof_capture::channel::{ChunkIndex, Pool};
use memprof_capture::file::Fact;
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::{ClockPoint, NotRecorded, RssSample};
use memprof_capture::file::image_events::{ImageEvents, Keeping};
use memprof_capture::ids::{Stamp, ThreadId};
use rustc_hash::FxHashMap;

use crate::capture_output::CaptureOutput;
use crate::family::Family;
use crate::interning::Interning;
use crate::look::{Found, Left, Look};
use crate::output::Output;
use crate::symbols;
use crate::symbols::KeptFiles;
use crate::thread_table::ThreadTable;
use crate::transcoding::ThreadTranscoder;

/// The recorder's end of the channel.
pub struct Drain {
    pool: Pool,
    output: Output,
    interning: Interning,
    /// Modules that have been seen, and their files, where they are kept.
    modules_seen: usize,
    kept_files: Option<KeptFiles>,
    native_depth: u32,
    sizes: RecentSizes,
    /// Those of the chunk that is being taken.
    words: Vec<u64>,
    transcoders: FxHashMap<u32, ThreadTranscoder>,
    /// How many threads have been seen, with those whose process has ended.
    threads_seen: u32,
    /// Chunks that were found before those that come before them.
    postponed: Vec<ChunkIndex>,
    events: FxHashMap<u32, ImageEvents>,
    threads: ThreadTable,
    samples: Vec<RssSample>,
    children_samples: BTreeMap<u32, Vec<RssSample>>,
    /// Images whose beginning has been written down, with their processes.
    images: FxHashMap<u32, u32>,
    /// Images whose process has been seen to run another one, before the last look: all of their events have been seen.
    replaced: BTreeSet<u32>,
    /// Likewise, in the last look.
    just_replaced: BTreeSet<u32>,
    family: Family,
    python: Option<Fact>,
    written_at: Instant,
    allocations: u64,
    damaged_chunks: u64,
}

/// Events are not kept back longer than this, so that little is lost if the recorder itself is killed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Events are settled when so many have come: often enough that they still are in the processor's cache, and not so often
/// that a crowd of threads is gone through for each of them.
const SETTLED_TOGETHER: usize = 1000;

/// More threads than this have not taken a number and kept their first chunk to themselves: there are not so many chunks.
const MOST_UNKNOWN_THREADS: u32 = 1 << 16;

impl Drain {
    /// Drains `pool` into `output`, keeping at most `native_depth` native frames of a stack.
    pub fn new(pool: Pool, output: Output, native_depth: u32) -> Self {
        let interning = match output {
            Output::Events(_) => Interning::bounded(),
            Output::Sums(_) => Interning::without_repetition(),
        };
        Self {
            pool,
            output,
            interning,
            modules_seen: 0,
            kept_files: None,
            native_depth,
            sizes: RecentSizes::default(),
            words: Vec::with_capacity(CHUNK_WORDS),
            transcoders: FxHashMap::default(),
            threads_seen: 0,
            postponed: Vec::new(),
            events: FxHashMap::default(),
            threads: ThreadTable::default(),
            samples: Vec::new(),
            children_samples: BTreeMap::new(),
            images: FxHashMap::default(),
            replaced: BTreeSet::new(),
            just_replaced: BTreeSet::new(),
            family: Family::default(),
            python: None,
            written_at: Instant::now(),
            allocations: 0,
            damaged_chunks: 0,
        }
    }

    /// Keeps the files of modules open, for those who look up names when the program has ended.
    pub fn keeping_files(self) -> Self {
        Self { kept_files: Some(KeptFiles::default()), ..self }
    }

    /// Allocations so far.
    pub fn allocations(&self) -> u64 {
        self.allocations
    }

    /// Chunks that made no sense.
    pub fn damaged_chunks(&self) -> u64 {
        self.damaged_chunks
    }

    /// Notes the size of the resident set.
    pub fn sample(&mut self, at: ClockPoint, bytes: u64) {
        self.samples.push(RssSample { at, bytes });
    }

    /// Takes all that has been published. Writes what has waited long enough.
    pub fn take_published(&mut self) {
        let pool = self.pool;
        self.replaced.append(&mut self.just_replaced);
        // Before the first look at any thread: see `capture::file::image_events`.
        pool.header().turn.look();
        let began = pool.clock().now_in_order();
        fence(SeqCst);
        let look = Look::at(&pool, chunks_in_use(pool).filter(|&chunk| self.has_news(chunk)), Left::ByNobody);
        let bound = |image| look.held.get(&image).map_or(began, |&held| held.min(began));
        self.take(&look, bound, |_| {});
        self.settle_all(bound);
        self.sum_up(began, &look);
        if self.written_at.elapsed() >= LONGEST_WAIT {
            self.write_all(false);
        }
    }

    /// The program has ended: takes what its threads had not handed over. Calls `progress` with the number of chunks
    /// that are left, time and again.
    pub fn take_rest(&mut self, progress: impl FnMut(usize)) {
        let pool = self.pool;
        let look = Look::at(&pool, chunks_in_use(pool), Left::ByTheirThreads);
        self.take(&look, |_| ALL, progress);
        self.settle_all(|_| ALL);
        if let Output::Sums(sums) = &mut self.output {
            sums.sum_up(ALL);
        }
        self.write_all(true);
    }

    /// Takes what is new in these chunks, and gives back those that nobody writes to any more. The events before `bound`
    /// are settled as soon as no later chunk can hold older ones, which keeps them in the processor's cache. Calls
    /// `progress` with the number of chunks that are left, time and again.
    fn take(&mut self, look: &Look, bound: impl Fn(u32) -> Stamp, mut progress: impl FnMut(usize)) {
        let (pool, mut freed, mut fresh) = (self.pool, false, 0);
        let postponed = if look.may_lack { std::mem::take(&mut self.postponed) } else { Vec::new() };
        for (index, found) in look.found.iter().enumerate() {
            // A thread's chunks are taken one after the other. If those before this one have not been found, they will be
            // the next time; otherwise there is damage.
            if look.may_lack && !self.is_next(found) && !postponed.contains(&found.chunk) {
                self.postponed.push(found.chunk);
            } else {
                match self.take_words(found) {
                    Some(events) => fresh += events,
                    None => self.damaged_chunks += u64::from(found.is_complete),
                }
                if found.is_complete {
                    pool.free(found.chunk);
                    freed = true;
                }
            }
            let next = look.found.get(index + 1).filter(|next| next.image == found.image);
            if fresh >= SETTLED_TOGETHER || next.is_none() {
                let bound = bound(found.image);
                self.settle(found.image, next.map_or(bound, |next| next.begins.min(bound)));
                fresh = 0;
            }
            let left = look.found.len() - 1 - index;
            if left.is_multiple_of(16) {
                progress(left);
                // Those who wait for chunks are not to wait for the end of a long look.
                if std::mem::take(&mut freed) {
                    futex_wake(&pool.header().space);
                }
            }
        }
    }

    /// Whether anything has happened in a chunk since the last look: most threads of a program that has many are idle.
    fn has_news(&self, chunk: ChunkIndex) -> bool {
        let descriptor = self.pool.descriptor(chunk);
        // In this order: a release that was under way has been published when it is so no more.
        if self.pool.is_sealed(chunk) || descriptor.held.load(Acquire) != 0 {
            return true;
        }
        let (thread, sequence) = (descriptor.thread.load(Acquire), descriptor.sequence.load(Acquire));
        let words = self.pool.published(chunk);
        self.transcoders.get(&thread).is_none_or(|thread| !thread.has_taken(sequence, words))
    }

    /// Whether all chunks that its thread filled before have been taken.
    fn is_next(&self, found: &Found) -> bool {
        self.transcoders.get(&found.thread).map_or(found.sequence == 0, |thread| thread.expects(found.sequence))
    }

    /// Takes what is new in a chunk. Returns how many events; nothing if it is not known whose it is.
    fn take_words(&mut self, found: &Found) -> Option<usize> {
        let pool = self.pool;
        let &Found { thread, image, .. } = found;
        // The descriptor lies in the program's memory, too: a number gone wild must not take all of ours. Threads are
        // numbered as they take their first chunk, so that all but a few of the lower numbers are known by now.
        let most = self.threads_seen.saturating_add(MOST_UNKNOWN_THREADS);
        if thread >= pool.header().threads_started.load(Acquire).min(most) {
            return None;
        }
        self.threads.note(thread, found.tid, &found.name);
        self.note_image(found);
        let keeping = if pool.header().followed().is_anybody() { Keeping::FAMILY } else { Keeping::ALONE };
        let Self { transcoders, events, interning, words, .. } = self;
        let transcoder = transcoders.entry(thread).or_insert_with(|| {
            self.threads_seen = self.threads_seen.saturating_add(1);
            ThreadTranscoder::new(image, found.pid, self.native_depth)
        });
        let events = events.entry(image).or_insert_with(|| ImageEvents::new(keeping));
        let queue = events.queue(ThreadId(thread));
        let before = queue.len();
        // A copy at one go, which is quicker than to wait for another processor's cache word by word.
        found.copy_words(&pool, words);
        let taken =
            transcoder.take_words(found.sequence, found.is_complete, words, interning, |timed| queue.push(timed));
        let fresh = queue.len() - before;
        self.damaged_chunks += u64::from(taken.is_err());
        if let Some(description) = transcoder.process.take() {
            self.note_process(image, found.pid, &description);
        }
        let modules = self.interning.modules();
        if let Some(kept_files) = &mut self.kept_files {
            modules[self.modules_seen..].iter().flatten().for_each(|module| kept_files.keep(found.pid, module));
        }
        self.modules_seen = modules.len();
        if let Some(name) = &self.transcoders[&thread].name {
            self.threads.rename(thread, name);
        }
        Some(fresh)
    }

    /// Takes the events of all images for settled that are older than a bound.
    fn settle_all(&mut self, bound: impl Fn(u32) -> Stamp) {
        for image in self.events.keys().copied().collect::<Vec<_>>() {
            self.settle(image, bound(image));
        }
    }

    /// Takes the events of an image for settled that are older than `bound`.
    fn settle(&mut self, image: u32, bound: Stamp) {
        let Self { events, sizes, output, interning, allocations, .. } = self;
        let Some(events) = events.get_mut(&image) else { return };
        match output {
            Output::Events(output) => {
                let mut file = ToFile { output, image, allocations };
                events.settle(bound, interning, sizes, |events, interning| file.write(events, interning));
            }
            Output::Sums(sums) => {
                *allocations += sums.take(image, bound, events, interning);
                self.make_room();
            }
        }
    }

    /// Where events are summed up: makes room for new stacks, if there is none left.
    fn make_room(&mut self) {
        let Self { output, interning, transcoders, events, .. } = self;
        let Output::Sums(sums) = output else { return };
        if sums.is_full() {
            let numbers = interning.shrink(|rows, mark| {
                sums.rows(rows);
                sums.make_room(mark)
            });
            transcoders.values_mut().for_each(|transcoder| transcoder.renumber_sites(&numbers));
            events.values_mut().for_each(|events| events.renumber_sites(&numbers));
        }
    }

    /// Sums up the events that came before anything that is still to come, where they are summed up, in a look that began
    /// at this moment.
    fn sum_up(&mut self, began: Stamp, look: &Look) {
        let Output::Sums(_) = self.output else { return };
        for image in self.replaced.clone() {
            self.settle(image, ALL);
        }
        let held = look.held.iter().filter(|(image, _)| !self.replaced.contains(image)).map(|(_, &held)| held);
        let bound = held.min().map_or(began, |held| held.min(began));
        if let Output::Sums(sums) = &mut self.output {
            sums.sum_up(bound);
        }
    }

    /// Takes the names that the kernel now has for the program's threads, where the program has not given better ones.
    fn read_thread_names(&mut self) {
        for (&number, transcoder) in self.transcoders.iter().filter(|(_, transcoder)| transcoder.name.is_none()) {
            if let Some(&pid) = self.images.get(&transcoder.image) {
                self.threads.read_name(number, pid);
            }
        }
    }

    fn write_all(&mut self, at_the_end: bool) {
        self.written_at = Instant::now();
        self.note_python();
        if !at_the_end {
            self.read_thread_names();
        }
        let Self { events, output, interning, allocations, .. } = self;
        if let Output::Events(output) = output {
            for (&image, events) in events {
                ToFile { output, image, allocations }.write(events.gathered(), interning);
                // An image that has fallen silent keeps no room for events.
                events.gathered().shrink();
            }
        }
        self.output.rows(self.interning.take_rows(at_the_end));
        if let Some(threads) = self.threads.take_changed() {
            self.output.threads(threads);
        }
        self.output.rss(0, &std::mem::take(&mut self.samples));
        for (image, samples) in std::mem::take(&mut self.children_samples) {
            self.output.rss(image, &samples);
        }
        if let Output::Sums(sums) = &mut self.output {
            sums.write_if_due();
        }
    }

    /// Everything is written: adds the names of native frames, and where they come from. Returns what the user should
    /// know, a sentence each.
    pub fn write_symbols(&mut self, began: i64, options: &symbols::Options) -> Vec<String> {
        let mut frames = self.interning.native_frames().peekable();
        if frames.peek().is_none() {
            return Vec::new();
        }
        // Each process once; they are asked for the names of code that was made at run time.
        let pids: BTreeSet<u32> = self.images.values().copied().collect();
        let processes: Vec<_> = pids.into_iter().map(|pid| symbols::Process { pid, began }).collect();
        let kept_files = self.kept_files.take().unwrap_or_default();
        let found = symbols::Resolution::of(self.interning.modules(), frames, &processes, options, &kept_files);
        let facts = found.facts();
        if !facts.is_empty() {
            self.output.facts(&facts);
        }
        self.output.symbols(&found.symbols);
        found.warnings
    }

    /// Adds how the capturing of native stacks went.
    pub fn write_native_stacks(&mut self) {
        let header = self.pool.header();
        self.output.facts(&[Fact::NativeStacks {
            cut_short: header.cut_short.load(Acquire),
            unmerged: header.unmerged.load(Acquire),
            checked: header.checked.load(Acquire),
            differing: header.differing.load(Acquire),
        }]);
    }

    /// Adds what the program started and was not recorded.
    pub fn write_not_recorded(&mut self, what: &NotRecorded) {
        self.output.facts(&[Fact::NotRecorded(what.clone())]);
    }

    /// What is known about the interpreter.
    pub fn python(&self) -> Option<&Fact> {
        self.python.as_ref()
    }

    /// The file, once everything is written.
    pub fn into_output(self) -> Output {
        self.output
    }
}

/// The chunks that hold records, complete or not.
fn chunks_in_use(pool: Pool) -> impl Iterator<Item = ChunkIndex> {
    pool.chunks().filter(move |&chunk| pool.is_in_use(chunk))
}

/// Later than any event.
const ALL: Stamp = Stamp(u64::MAX);

/// Writes a chunk of an image, and before it the rows that its events refer to.
struct ToFile<'a> {
    output: &'a mut CaptureOutput,
    image: u32,
    allocations: &'a mut u64,
}

impl ToFile<'_> {
    fn write(&mut self, events: &mut ColumnEncoder, interning: &mut Interning) {
        if events.is_empty() {
            return;
        }
        *self.allocations += events.allocations();
        self.output.rows(&interning.take_rows(false));
        self.output.events(self.image, events);
    }
}
