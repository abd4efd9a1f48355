//! Takes what the program's threads have published, and writes it.
//!
//! An event goes through five steps:
//!
//! 1. [`chunks`] finds the chunks in which something has been published ([`poll`]), and reads them, each thread's in
//!    order. What killed threads leave in the pool is found by [`abandoned`]; which process a thread belongs to,
//!    and when that ends, is known to [`processes`].
//! 2. [`Transcoders`] make events of records, and find the recording's numbers for the thread's own in its tables
//!    ([`Interning`](crate::interning::Interning)).
//! 3. [`order`] keeps them until no older one can come, and then settles them in one order for all threads.
//! 4. [`Output`] takes them as they are settled, and the rows that they refer to.
//! 5. [`writer`] adds now and then what else has turned out, and [`epilogue`] what is known at the end.

mod abandoned;
#[cfg(test)]
mod aggregation_tests;
mod chunks;
mod epilogue;
mod order;
mod poll;
mod processes;
#[cfg(test)]
mod repetition_tests;
#[cfg(test)]
mod tests;
mod thread_table;
mod writer;

use std::sync::atomic::Ordering::Acquire;

use memprof_capture::file::Fact;
use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_capture::file::image_events::Keeping;
use memprof_channel::Pool;
use memprof_channel::ids::{Stamp, ThreadId};

use crate::interning::Interning;
use crate::output::Output;
use crate::symbols::KeptFiles;
use crate::transcoding::Transcoders;
use abandoned::Abandoned;
use chunks::Chunks;
use order::EventOrder;
use poll::{ALL, Found, Polled};
use processes::{Gone, Processes};
use writer::Writer;

/// The recorder's end of the channel.
pub struct Drain {
    chunks: Chunks,
    processes: Processes,
    transcoders: Transcoders,
    order: EventOrder,
    writer: Writer,
    /// The files of modules, where they are kept.
    kept_files: Option<KeptFiles>,
}

/// Events are settled when this many have come: often enough that they still are in the processor's cache, and not so
/// often that a crowd of threads is gone through for each of them.
const SETTLED_TOGETHER: usize = 1000;

impl Drain {
    /// Drains `pool` into `output`, keeping at most `native_depth` native frames of a stack.
    pub fn new(pool: Pool, output: Box<dyn Output>, native_depth: u32) -> Self {
        let interning = output.tables();
        Self::with_tables(pool, output, native_depth, interning)
    }

    fn with_tables(pool: Pool, output: Box<dyn Output>, native_depth: u32, interning: Interning) -> Self {
        let are_followed = pool.header().followed().is_anybody();
        Self {
            chunks: Chunks::of(pool),
            processes: Processes::new(are_followed),
            transcoders: Transcoders::new(interning, native_depth),
            order: EventOrder::new(if are_followed { Keeping::FAMILY } else { Keeping::ALONE }),
            writer: Writer::to(output),
            kept_files: None,
        }
    }

    /// Keeps the files of modules open, for those who look up names when the program has ended.
    pub fn keeping_files(self) -> Self {
        Self { kept_files: Some(KeptFiles::default()), ..self }
    }

    /// Allocations so far.
    pub fn allocations(&self) -> u64 {
        self.writer.output.allocations()
    }

    /// Chunks that made no sense.
    pub fn damaged_chunks(&self) -> u64 {
        self.chunks.damaged()
    }

    /// What is known about the interpreter.
    pub fn interpreter(&self) -> Option<&Fact> {
        self.writer.interpreter()
    }

    /// Notes the size of the resident set of the process that was started.
    pub fn sample(&mut self, at: ClockPoint, bytes: u64) {
        self.writer.sample(0, RssSample { at, bytes });
    }

    /// Takes all that has been published. Writes what has waited long enough.
    pub fn take_published(&mut self) {
        self.processes.begin_poll();
        let polled = self.chunks.poll();
        self.take(&polled, |_| {});
        for image in self.order.images() {
            self.settle(image, self.known_before(image, &polled));
        }
        self.writer.output.known_before(polled.all_known_before(|image| self.processes.is_replaced(image)));
        if self.writer.is_due() {
            self.read_thread_names();
            self.write(false);
        }
    }

    /// Takes what threads have left that have gone, when others look for chunks in vain.
    pub fn take_abandoned(&mut self) {
        if let Some(abandoned) = Abandoned::find(&self.chunks, &self.processes) {
            self.take(&abandoned.polled, |_| {});
            abandoned.release(&self.chunks);
        }
    }

    /// The program has ended: takes what its threads had not handed over. Calls `progress` with the number of chunks
    /// that are left, time and again.
    pub fn take_rest(&mut self, progress: impl FnMut(usize)) {
        let polled = self.chunks.poll_rest();
        self.take(&polled, progress);
        for image in self.order.images() {
            self.settle(image, ALL);
        }
        self.writer.output.known_before(ALL);
        self.write(true);
    }

    /// Polls the processes that are followed: which there are, which have ended, and their resident sets. Returns how
    /// many there are.
    pub fn poll_processes(&mut self, at: ClockPoint) -> usize {
        // Those of which something has been taken are known; others may have a chunk that nothing has been taken of.
        self.processes.follow(self.chunks.owners());
        for gone in self.processes.take_replaced() {
            self.take_left_by(gone);
        }
        for gone in self.processes.take_ended() {
            self.take_left_by(gone);
            self.finish(gone.pid);
            if gone.last_image != 0 {
                self.writer.fact(Fact::ProcessEnded { image: gone.last_image, at: at.stamp });
            }
        }
        // The first process that fills the pool is sampled for itself.
        let first = self.chunks.pool().header().attached_pid.load(Acquire);
        for (image, bytes) in self.processes.resident_sets(first) {
            self.writer.sample(image, RssSample { at, bytes });
        }
        self.processes.len()
    }

    /// Follows these processes as well, of which nothing has come yet.
    pub fn expect_processes(&mut self, pids: &[u32]) {
        self.processes.expect(pids);
    }

    /// Takes what a process did not hand over.
    fn take_left_by(&mut self, gone: Gone) {
        let polled = self.chunks.poll_left_by(gone.pid, gone.last_image);
        self.take(&polled, |_| {});
        for image in self.processes.images_of(gone) {
            self.settle(image, ALL);
        }
    }

    /// Writes what is left of a process that has ended, of which nothing more can come.
    fn finish(&mut self, pid: u32) {
        let Self { chunks, processes, transcoders, order, writer, .. } = self;
        let has_ended = |image| processes.pid_of(image) == Some(pid);
        chunks.drop_ended(has_ended);
        transcoders.drop_ended(has_ended);
        order.finish_ended(has_ended, &mut transcoders.interning, &mut *writer.output);
        processes.remove(pid);
    }

    /// Takes what was found, and returns chunks that nobody writes to any more. Events are settled as soon as no
    /// later chunk can hold older ones, which keeps them in the processor's cache. Calls `progress` with the number of
    /// chunks that are left, time and again.
    fn take(&mut self, polled: &Polled, mut progress: impl FnMut(usize)) {
        let (mut freed, mut fresh) = (false, 0);
        for (index, found) in polled.found.iter().enumerate() {
            if !self.chunks.postpones(polled, found) {
                fresh += self.take_chunk(found);
                if found.is_complete {
                    self.chunks.free(found);
                    freed = true;
                }
            }
            let image = found.author.image;
            let next = polled.found.get(index + 1).filter(|next| next.author.image == image);
            if fresh >= SETTLED_TOGETHER || next.is_none() {
                let known = polled.known_before(image);
                self.settle(image, next.map_or(known, |next| next.begins.min(known)));
                fresh = 0;
            }
            let left = polled.found.len() - 1 - index;
            if left.is_multiple_of(16) {
                progress(left);
                // Those who wait for chunks are not to wait for the end of a long poll.
                if std::mem::take(&mut freed) {
                    self.chunks.wake();
                }
            }
        }
    }

    /// Takes what is new in a chunk. Returns how many events.
    fn take_chunk(&mut self, found: &Found) -> usize {
        if !self.chunks.admits(found) {
            return 0;
        }
        let thread = found.author.thread;
        self.writer.threads.note(thread, found.author.tid, &found.author.name);
        let facts = self.processes.note(found);
        if !facts.is_empty() {
            self.writer.note_interpreter(self.chunks.pool().header());
            facts.into_iter().for_each(|fact| self.writer.fact(fact));
        }
        let Self { chunks, transcoders, order, writer, kept_files, .. } = self;
        let queue = order.queue(found.author.image, ThreadId(thread));
        let before = queue.len();
        chunks.read(found, |records| transcoders.take(&found.author, records, |timed| queue.push(timed)));
        let fresh = queue.len() - before;
        if let Some(fact) = transcoders.take_process(thread).and_then(|said| processes::described(found, &said)) {
            writer.fact(fact);
        }
        if let Some(kept_files) = kept_files {
            kept_files.keep_new(found.author.pid, transcoders.interning.modules());
        }
        if let Some(name) = transcoders.name(thread) {
            writer.threads.rename(thread, name);
        }
        fresh
    }

    /// The events of an image that are older than this have been taken.
    fn known_before(&self, image: u32, polled: &Polled) -> Stamp {
        if self.processes.is_replaced(image) { ALL } else { polled.known_before(image) }
    }

    /// Takes the events of an image for settled that are older than `bound`.
    fn settle(&mut self, image: u32, bound: Stamp) {
        let Self { transcoders, order, writer, .. } = self;
        if let Some(numbers) = order.settle(image, bound, &mut transcoders.interning, &mut *writer.output) {
            transcoders.renumber_sites(&numbers);
        }
    }

    /// Takes the names that the kernel now has for the program's threads, where the program has not given better ones.
    fn read_thread_names(&mut self) {
        for (thread, image) in self.transcoders.unnamed() {
            if let Some(pid) = self.processes.pid_of(image) {
                self.writer.threads.read_name(thread, pid);
            }
        }
    }

    /// Writes all that is settled, and all that has turned out.
    fn write(&mut self, at_the_end: bool) {
        let Self { chunks, transcoders, order, writer, .. } = self;
        writer.note_interpreter(chunks.pool().header());
        order.write(&mut transcoders.interning, &mut *writer.output);
        writer.write(transcoders.interning.take_rows(at_the_end));
    }

    /// The output, once everything is written.
    pub fn into_output(self) -> Box<dyn Output> {
        self.writer.output
    }
}
