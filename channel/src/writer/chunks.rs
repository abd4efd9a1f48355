//! From one chunk to the next: what a writer does to the pool.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;
use core::time::Duration;

use super::ChunkWriter;
use crate::early_stop::EarlyStop;
use crate::kept_errno::KeptErrno;
use crate::layout::CHUNK_WORDS;
use crate::pool::{ChunkIndex, Pool, futex_wait, futex_wake};

/// How long a thread sleeps before it checks whether the recorder still lives.
const WAIT: Duration = Duration::from_millis(20);
/// After more waits than this without anything to drain, there are more threads than chunks.
const MOST_IDLE_WAITS: u32 = 100;

/// Further from every stamp (they have 60 bits) than a delta can reach: the next event starts with the absolute time.
pub(super) const NO_STAMP: u64 = 1 << 63;

impl ChunkWriter {
    #[inline]
    pub(super) fn reserve(&mut self, words: usize) -> Result<(), EarlyStop> {
        if self.used + words <= self.room { Ok(()) } else { self.next_chunk() }
    }

    #[inline]
    pub(super) fn push(&mut self, word: u64) {
        debug_assert!(self.used < self.room);
        // SAFETY: `reserve` made sure that `used` is below `room`, which is the length of the chunk at `words`, and
        // this writer is the chunk's one owner; or that of a scratch area of the same length, which may take its place
        // at any moment. Then `used` starts again from 0, or goes on from where it was, which is as good.
        unsafe { self.words.add(self.used).write(word) };
        self.used += 1;
    }

    #[inline]
    pub(super) fn publish(&mut self) {
        if let Some(chunk) = self.chunk {
            self.pool.publish(chunk, self.used);
        }
    }

    /// Seals the chunk and takes another one, waiting for it if need be.
    #[cold]
    #[inline(never)]
    fn next_chunk(&mut self) -> Result<(), EarlyStop> {
        let mut taken = Ok(());
        if !self.is_abandoned() {
            self.seal();
            taken = self.take_chunk();
        }
        // Last of all: what is above may have been interrupted anywhere.
        if self.is_abandoned() {
            self.turn_to_scratch();
            taken = Ok(());
        }
        taken
    }

    fn take_chunk(&mut self) -> Result<(), EarlyStop> {
        let taken = match self.pool.try_take(self.author.task()) {
            Some(chunk) => Some(chunk),
            None => self.wait_for_chunk()?,
        };
        let Some(chunk) = taken.filter(|_| !self.is_abandoned()) else { return Ok(()) };
        self.pool.own(chunk, &self.author, self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        self.words = self.pool.words(chunk);
        self.chunk = Some(chunk);
        self.used = 0;
        self.room = CHUNK_WORDS;
        // Each chunk starts with the absolute time, so that it can be decoded on its own. It is soon the present one.
        self.stamp = NO_STAMP;
        self.stamper.drop_turn();
        Ok(())
    }

    /// Waits for a chunk. Nothing once the writer has been abandoned.
    fn wait_for_chunk(&self) -> Result<Option<ChunkIndex>, EarlyStop> {
        let _errno = KeptErrno::new();
        let header = self.pool.header();
        header.waits.fetch_add(1, Relaxed);
        let mut idle = 0;
        loop {
            let seen = header.space.load(Acquire);
            if self.is_abandoned() {
                return Ok(None);
            }
            if let Some(chunk) = self.pool.try_take(self.author.task()) {
                return Ok(Some(chunk));
            }
            // Said each time: nothing is left of a thread that is killed here.
            self.pool.want();
            wake_recorder(&self.pool);
            futex_wait(&header.space, seen, WAIT);
            let nothing_to_drain = self.pool.waiting() == 0;
            idle = if header.space.load(Acquire) == seen && nothing_to_drain { idle + 1 } else { 0 };
            if self.is_abandoned() {
                return Ok(None);
            }
            if header.recorder.is_cut() {
                return Err(EarlyStop::RecorderGone);
            }
            if idle > MOST_IDLE_WAITS {
                return Err(EarlyStop::TooManyThreads);
            }
        }
    }

    /// Hands the chunk to the recorder, if there is one: at the end of the thread.
    pub fn seal(&mut self) {
        // Taken first: if this is left by `longjmp`, nobody may seal it again when it is another thread's.
        if let Some(chunk) = self.chunk.take() {
            self.room = 0;
            self.used = 0;
            if !self.is_abandoned() && self.pool.seal(chunk) {
                wake_recorder(&self.pool);
            }
        }
    }

    /// Cuts a writer off from the pool for ever. For a forked child whose copy of the writer belongs to its parent, and
    /// may be in the middle of a record, if the fork was made by a signal handler. What interrupted code does with the
    /// writer afterwards, and all further records, succeed and go to `scratch`, again and again over the same memory.
    ///
    /// Addresses in the pool that interrupted code has read before and not used yet are not the writer's to change: the
    /// caller replaces what is there in this process.
    ///
    /// # Safety
    /// `this` is a writer of the calling thread that nobody uses but code that this thread has interrupted. `scratch`
    /// is the start of [`CHUNK_BYTES`](crate::layout::CHUNK_BYTES) writable bytes, aligned to 8, that stay as long as
    /// the writer and that nobody uses but this thread's abandoned writers.
    pub unsafe fn abandon(this: *mut Self, scratch: *mut u64) {
        // SAFETY: the caller vouches for both. Interrupted code either has not read a field yet, or writes it once
        // more: after what it does last with each field in `next_chunk`, it checks whether there is a scratch area.
        unsafe {
            (&raw mut (*this).scratch).write_volatile(scratch);
            (*this).stamper.go_alone();
            (*this).turn_to_scratch();
        }
    }

    /// Whether [`Self::abandon`] has been called, as it is at this very moment: it may be called by a signal handler.
    fn is_abandoned(&self) -> bool {
        compiler_fence(SeqCst);
        // SAFETY: a field of its own.
        let scratch = unsafe { (&raw const self.scratch).read_volatile() };
        compiler_fence(SeqCst);
        !scratch.is_null()
    }

    fn turn_to_scratch(&mut self) {
        self.chunk = None;
        self.words = self.scratch;
        self.used = 0;
        self.room = CHUNK_WORDS;
        self.stamp = NO_STAMP;
    }
}

fn wake_recorder(pool: &Pool) {
    let _errno = KeptErrno::new();
    let word = &pool.header().recorder_sleeps;
    if word.swap(0, AcqRel) != 0 {
        futex_wake(word);
    }
}
