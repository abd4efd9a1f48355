//! Takes what the program's threads have handed over, and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use memprof_capture::channel::layout::{PythonState, load_text};
use memprof_capture::channel::pool::futex_wake;
use memprof_capture::channel::process::ProcessDescription;
use memprof_capture::channel::{ChunkIndex, Pool, Records};
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes, StampPrecision};
use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_capture::file::{Fact, Thread};
use memprof_capture::ids::{Stamp, ThreadId};
use rustc_hash::FxHashMap;

use crate::capture_output::CaptureOutput;
use crate::family::Family;
use crate::interning::Interning;
use crate::symbols;
use crate::transcoding::{ChunkSink, ThreadTranscoder};

/// The recorder's end of the channel.
pub struct Drain {
    pool: Pool,
    output: CaptureOutput,
    interning: Interning,
    native_depth: u32,
    sizes: RecentSizes,
    transcoders: FxHashMap<u32, ThreadTranscoder>,
    threads: Vec<Thread>,
    threads_changed: bool,
    samples: Vec<RssSample>,
    children_samples: BTreeMap<u32, Vec<RssSample>>,
    /// Images whose beginning has been written down, with their processes.
    images: FxHashMap<u32, u32>,
    family: Family,
    python: Option<Fact>,
    written_at: Instant,
    allocations: u64,
    damaged_chunks: u64,
}

/// Events are not kept back longer than this, so that little is lost if the recorder itself is killed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// More threads than this have not taken a number and kept their first chunk to themselves: there are not so many chunks.
const MOST_UNKNOWN_THREADS: u32 = 1 << 16;

impl Drain {
    /// Drains `pool` into `output`, keeping at most `native_depth` native frames of a stack.
    pub fn new(pool: Pool, output: CaptureOutput, native_depth: u32) -> Self {
        Self {
            pool,
            output,
            interning: Interning::default(),
            native_depth,
            sizes: RecentSizes::default(),
            transcoders: FxHashMap::default(),
            threads: Vec::new(),
            threads_changed: false,
            samples: Vec::new(),
            children_samples: BTreeMap::new(),
            images: FxHashMap::default(),
            family: Family::default(),
            python: None,
            written_at: Instant::now(),
            allocations: 0,
            damaged_chunks: 0,
        }
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

    /// Looks after the processes that are followed: which there are, which have ended, and their resident sets. Returns
    /// how many there are.
    pub fn look_after_processes(&mut self, at: ClockPoint) -> usize {
        let pool = self.pool;
        let mut replaced = Vec::new();
        for chunk in chunks_in_use(pool) {
            let descriptor = pool.descriptor(chunk);
            let (pid, image) = (descriptor.pid.load(Relaxed), descriptor.image.load(Relaxed));
            if let Some(before) = self.family.note(pid, image) {
                replaced.push((pid, before));
            }
        }
        for (pid, image) in replaced {
            self.take_left_behind(pid, image);
        }
        for (pid, image) in self.family.take_ended() {
            self.take_left_behind(pid, image);
            self.forget_threads(pid);
            self.output.facts(&[Fact::ProcessEnded { image, at: at.stamp }]);
        }
        for (image, bytes) in self.family.resident_sets(self.pid()) {
            self.children_samples.entry(image).or_default().push(RssSample { at, bytes });
        }
        self.family.len()
    }

    /// Takes what a process that has gone, or has become another program, did not hand over.
    fn take_left_behind(&mut self, pid: u32, last_image: u32) {
        let pool = self.pool;
        let left_behind = |chunk: &ChunkIndex| {
            let descriptor = pool.descriptor(*chunk);
            descriptor.pid.load(Relaxed) == pid && descriptor.image.load(Relaxed) <= last_image
        };
        self.take(chunks_in_use(pool).filter(left_behind).collect());
    }

    /// Writes what is left of a process that has ended, of which nothing more can come.
    fn forget_threads(&mut self, pid: u32) {
        let Self { transcoders, output, interning, allocations, images, .. } = self;
        transcoders.retain(|&thread, transcoder| {
            if images.get(&transcoder.image) != Some(&pid) {
                return true;
            }
            let mut sink = ToFile { output, thread: ThreadId(thread), allocations };
            sink.take(transcoder.image, &mut transcoder.events, interning);
            false
        });
    }

    /// Takes all sealed chunks. Writes what has waited long enough.
    pub fn take_sealed(&mut self) {
        let pool = self.pool;
        self.take(pool.chunks().filter(|&chunk| pool.is_sealed(chunk)).collect());
        if self.written_at.elapsed() >= LONGEST_WAIT {
            self.write_all(false);
        }
    }

    /// The program has ended: takes what its threads had not handed over. Calls `progress` with the number of chunks
    /// that are left, time and again.
    pub fn take_rest(&mut self, mut progress: impl FnMut(usize)) {
        let pool = self.pool;
        let mut rest: Vec<_> = chunks_in_use(pool).collect();
        rest.sort_by_key(|&chunk| self.order(chunk));
        let mut left = rest.len();
        for part in rest.chunks(16) {
            progress(left);
            self.take(part.to_vec());
            left -= part.len();
        }
        self.write_all(true);
    }

    /// Gives chunks back whose threads have gone without handing them over, and which others now wait for.
    pub fn take_abandoned(&mut self) {
        let header = self.pool.header();
        if header.waiters.load(Acquire) == 0 || header.sealed.load(Acquire) != 0 {
            return;
        }
        let pool = self.pool;
        let gone = |chunk: &ChunkIndex| {
            let descriptor = pool.descriptor(*chunk);
            let (pid, tid) = (descriptor.pid.load(Acquire), descriptor.tid.load(Acquire));
            !std::path::Path::new(&format!("/proc/{pid}/task/{tid}")).exists()
        };
        self.take(pool.chunks().filter(|&chunk| pool.is_owned(chunk)).filter(gone).collect());
    }

    /// The process that fills the pool, the first one if there are several.
    fn pid(&self) -> u32 {
        self.pool.header().attached_pid.load(Acquire)
    }

    fn order(&self, chunk: ChunkIndex) -> (u32, u32) {
        let descriptor = self.pool.descriptor(chunk);
        (descriptor.thread.load(Relaxed), descriptor.sequence.load(Relaxed))
    }

    fn take(&mut self, mut chunks: Vec<ChunkIndex>) {
        chunks.sort_by_key(|&chunk| self.order(chunk));
        let mut waiters = false;
        for chunk in chunks {
            self.take_chunk(chunk);
            waiters |= self.pool.free(chunk);
        }
        if waiters {
            futex_wake(&self.pool.header().space);
        }
    }

    fn take_chunk(&mut self, chunk: ChunkIndex) {
        let pool = self.pool;
        let descriptor = pool.descriptor(chunk);
        let (thread, image) = (descriptor.thread.load(Relaxed), descriptor.image.load(Relaxed));
        // The descriptor lies in the program's memory, too: a number gone wild must not take all of ours. Threads are
        // numbered as they take their first chunk, so that all but a few of the lower numbers are known by now.
        let most = u32::try_from(self.transcoders.len()).unwrap_or(u32::MAX).saturating_add(MOST_UNKNOWN_THREADS);
        if thread >= pool.header().threads_started.load(Acquire).min(most) {
            self.damaged_chunks += 1;
            return;
        }
        let mut name = [0; 16];
        let name = load_text(&descriptor.name, &mut name);
        self.note_thread(thread, descriptor.tid.load(Relaxed), name);
        self.note_image(image, descriptor.pid.load(Relaxed), pool.published(chunk));
        let depth = self.native_depth;
        let transcoder = self.transcoders.entry(thread).or_insert_with(|| ThreadTranscoder::new(image, depth));
        // A thread registers before its first event. So if only one had when all of this chunk's events were there, none
        // of another thread's events is older than these: their order is all that matters.
        let alone = pool.header().threads_started.load(Acquire) == 1;
        let precision = if alone { StampPrecision::Anchored } else { StampPrecision::Exact };
        let mut sink =
            ToFile { output: &mut self.output, thread: ThreadId(thread), allocations: &mut self.allocations };
        let words = pool.published(chunk);
        if transcoder.take_chunk(words, precision, &mut self.interning, &mut self.sizes, &mut sink).is_err() {
            self.damaged_chunks += 1;
        }
        if let Some(description) = transcoder.process.take() {
            self.note_process(image, descriptor.pid.load(Relaxed), &description);
        }
        let transcoder = &self.transcoders[&thread];
        if let Some(name) = transcoder.name.as_ref().filter(|&name| *name != self.threads[thread as usize].name) {
            self.threads[thread as usize].name.clone_from(name);
            self.threads_changed = true;
        }
    }

    fn note_thread(&mut self, thread: u32, tid: u32, name: &[u8]) {
        let row = thread as usize;
        // Threads are numbered when they register, and hand their first chunk over in any order.
        if row >= self.threads.len() {
            self.threads.resize(row + 1, Thread { tid: 0, name: String::new() });
        }
        let known = &mut self.threads[row];
        if known.tid != tid {
            *known = Thread { tid, name: String::from_utf8_lossy(name).into_owned() };
            self.threads_changed = true;
        }
    }

    fn note_image(&mut self, image: u32, pid: u32, words: &[u64]) {
        if self.images.contains_key(&image) {
            return;
        }
        let first = Records::new(words).flatten().find_map(|record| record.stamp());
        let Some(stamp) = first else { return };
        self.note_python();
        let is_new_process = self.images.values().all(|&known| known != pid);
        if self.pool.header().follow_fork == 0
            && is_new_process
            && let Some(&last) = self.images.keys().max()
        {
            // A wrapper ran a Python of its own, and now runs the one to record: the former is of no interest any more.
            self.output.facts(&[Fact::ProcessEnded { image: last, at: Stamp(stamp) }]);
        }
        self.images.insert(image, pid);
        self.output.facts(&[Fact::Image { image, stamp: Stamp(stamp), pid }]);
    }

    fn note_process(&mut self, image: u32, pid: u32, description: &[u8]) {
        let Some(process) = ProcessDescription::parse(description) else { return };
        let ProcessDescription { parent, forked_from, .. } = process;
        self.output.facts(&[Fact::Process { image, pid, parent, forked_from, command_line: process.command_line() }]);
    }

    /// Writes down what the interposer has found out about the interpreter, whenever that changes.
    fn note_python(&mut self) {
        let header = self.pool.header();
        let stacks = match PythonState::from_number(header.python_state.load(Acquire)) {
            PythonState::Absent => return,
            PythonState::Known => true,
            PythonState::Unknown => false,
        };
        let (mut version, mut allocator) = ([0; 128], [0; 32]);
        let version = load_text(&header.python_version, &mut version);
        let version = version.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let allocator = text(load_text(&header.python_allocator, &mut allocator));
        let fact = Fact::Python { version: text(version), allocator, stacks };
        if self.python.as_ref() != Some(&fact) {
            self.output.facts(std::slice::from_ref(&fact));
            self.python = Some(fact);
        }
    }

    /// Takes the names that the kernel now has for the program's threads, where the program has not given better ones.
    fn read_thread_names(&mut self) {
        for (&number, transcoder) in self.transcoders.iter().filter(|(_, transcoder)| transcoder.name.is_none()) {
            let Some(pid) = self.images.get(&transcoder.image) else { continue };
            let thread = &mut self.threads[number as usize];
            let comm = format!("/proc/{pid}/task/{}/comm", thread.tid);
            if let Ok(name) = std::fs::read(comm) {
                let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
                self.threads_changed |= name != thread.name;
                thread.name = name;
            }
        }
    }

    fn write_all(&mut self, at_the_end: bool) {
        self.written_at = Instant::now();
        self.note_python();
        if !at_the_end {
            self.read_thread_names();
        }
        for (&thread, transcoder) in &mut self.transcoders {
            let mut sink =
                ToFile { output: &mut self.output, thread: ThreadId(thread), allocations: &mut self.allocations };
            sink.take(transcoder.image, &mut transcoder.events, &mut self.interning);
            // A thread that has fallen silent keeps no room for events.
            transcoder.events.shrink();
        }
        self.output.rows(&self.interning.take_rows(at_the_end));
        if std::mem::take(&mut self.threads_changed) {
            self.output.threads(&self.threads);
        }
        self.output.rss(0, &std::mem::take(&mut self.samples));
        for (image, samples) in std::mem::take(&mut self.children_samples) {
            self.output.rss(image, &samples);
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
        let found = symbols::Resolution::of(self.interning.modules(), frames, &processes, options);
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

    /// What is known about the interpreter.
    pub fn python(&self) -> Option<&Fact> {
        self.python.as_ref()
    }

    /// The file, once everything is written.
    pub fn into_output(self) -> CaptureOutput {
        self.output
    }
}

/// The chunks that hold records, complete or not.
fn chunks_in_use(pool: Pool) -> impl Iterator<Item = ChunkIndex> {
    pool.chunks().filter(move |&chunk| pool.is_owned(chunk) || pool.is_sealed(chunk))
}

/// Writes a thread's chunk, and before it the rows that its events refer to.
struct ToFile<'a> {
    output: &'a mut CaptureOutput,
    thread: ThreadId,
    allocations: &'a mut u64,
}

impl ChunkSink for ToFile<'_> {
    fn take(&mut self, image: u32, events: &mut ColumnEncoder, interning: &mut Interning) {
        if events.is_empty() {
            return;
        }
        *self.allocations += events.allocations();
        self.output.rows(&interning.take_rows(false));
        self.output.events(self.thread, image, events);
    }
}
