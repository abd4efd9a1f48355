//! The pool's chunks: which of them hold something that has not been taken, and how far each thread's have been read.

use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::fence;

use memprof_channel::layout::CHUNK_WORDS;
use memprof_channel::pool::futex_wake;
use memprof_channel::record::{Malformed, Progress};
use memprof_channel::{ChunkIndex, Pool, Records};
use rustc_hash::FxHashMap;

use super::poll::{Found, Known, Polled};

/// The recorder's end of the pool.
pub struct Chunks {
    pool: Pool,
    threads: FxHashMap<u32, Position>,
    /// How many threads have been seen, with those whose process has ended.
    threads_seen: u32,
    /// Chunks that were found before those that come before them, in the last poll.
    postponed: Vec<ChunkIndex>,
    /// Likewise, in the poll before that.
    overdue: Vec<ChunkIndex>,
    /// Those of the chunk that is being read.
    words: Vec<u64>,
    damaged: u64,
}

/// How far a thread's chunks have been read.
struct Position {
    /// The image that it belongs to.
    image: u32,
    /// The chunk that was read last: a thread may still be writing to it.
    present: Option<Present>,
}

/// A chunk of which some words have been read.
#[derive(Clone, Copy)]
struct Present {
    /// Which of the thread's chunks.
    sequence: u32,
    /// Whether nothing more comes in it.
    is_complete: bool,
    /// Nothing once a word of it made no sense.
    progress: Option<Progress>,
}

/// At most this many threads have taken a number and kept their first chunk to themselves: there are fewer chunks.
const MOST_UNKNOWN_THREADS: u32 = 1 << 16;

impl Position {
    /// Whether this is the thread's present chunk or, after the end of that, its next one.
    fn expects(&self, sequence: u32) -> bool {
        match self.present {
            None => sequence == 0,
            Some(present) if present.is_complete => sequence == present.sequence.wrapping_add(1),
            Some(present) => sequence == present.sequence,
        }
    }

    /// Whether the first `words` words of a chunk have been read, or no more of it can be.
    fn has_read(&self, sequence: u32, words: usize) -> bool {
        self.present.is_some_and(|present| {
            present.sequence == sequence && present.progress.is_none_or(|progress| progress.words() == words)
        })
    }
}

impl Chunks {
    /// Those of a pool of which nothing has been taken.
    pub fn of(pool: Pool) -> Self {
        Self {
            pool,
            threads: FxHashMap::default(),
            threads_seen: 0,
            postponed: Vec::new(),
            overdue: Vec::new(),
            words: Vec::with_capacity(CHUNK_WORDS),
            damaged: 0,
        }
    }

    /// The pool.
    pub const fn pool(&self) -> Pool {
        self.pool
    }

    /// Those that made no sense.
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Those that hold records, complete or not.
    pub fn in_use(&self) -> impl Iterator<Item = ChunkIndex> + use<> {
        let pool = self.pool;
        pool.chunks().filter(move |&chunk| pool.is_in_use(chunk))
    }

    /// The processes that have filled some of them, and for which image.
    pub fn owners(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let pool = self.pool;
        self.in_use().map(move |chunk| {
            let descriptor = pool.descriptor(chunk);
            (descriptor.pid.load(Relaxed), descriptor.image.load(Relaxed))
        })
    }

    /// Finds those in which something has been published since the last poll.
    pub fn poll(&mut self) -> Polled {
        self.overdue = std::mem::take(&mut self.postponed);
        // Before any thread is polled: see `capture::file::image_events`.
        self.pool.header().turn.poll();
        let began = self.pool.clock().now_in_order();
        fence(SeqCst);
        Polled::living(&self.pool, self.in_use().filter(|&chunk| self.has_news(chunk)), began)
    }

    /// Finds all that are in use: nobody writes to them any more.
    pub fn poll_rest(&self) -> Polled {
        Polled::left(&self.pool, self.in_use(), Known::All)
    }

    /// Finds what a process has left that ends, or becomes another program, after this image.
    pub fn poll_left_by(&self, pid: u32, last_image: u32) -> Polled {
        let is_left = |chunk: &ChunkIndex| {
            let descriptor = self.pool.descriptor(*chunk);
            descriptor.pid.load(Relaxed) == pid && descriptor.image.load(Relaxed) <= last_image
        };
        Polled::left(&self.pool, self.in_use().filter(is_left), Known::All)
    }

    /// Whether anything has happened in a chunk since the last poll: most threads of a program that has many are idle.
    fn has_news(&self, chunk: ChunkIndex) -> bool {
        let descriptor = self.pool.descriptor(chunk);
        // In this order: a release that was under way has been published when it is so no more.
        if self.pool.is_sealed(chunk) || descriptor.held.load(Acquire) != 0 {
            return true;
        }
        let (thread, sequence) = (descriptor.thread.load(Acquire), descriptor.sequence.load(Acquire));
        let words = self.pool.published(chunk);
        self.threads.get(&thread).is_none_or(|thread| !thread.has_read(sequence, words))
    }

    /// Whether a chunk is left for the next poll. A thread's chunks are read one after the other. If those before this
    /// one have not been found, they will be the next time; otherwise there is damage.
    pub fn postpones(&mut self, polled: &Polled, found: &Found) -> bool {
        let thread = self.threads.get(&found.author.thread);
        let is_next = thread.map_or(found.sequence == 0, |thread| thread.expects(found.sequence));
        let postpones = polled.may_lack() && !is_next && !self.overdue.contains(&found.chunk);
        if postpones {
            self.postponed.push(found.chunk);
        }
        postpones
    }

    /// Whether there can be such a thread. The descriptor lies in the program's memory, too: a damaged number must not
    /// make us allocate without bound. Threads are numbered as they take their first chunk, so that all but a few of
    /// the lower numbers are known.
    pub fn admits(&mut self, found: &Found) -> bool {
        let most = self.threads_seen.saturating_add(MOST_UNKNOWN_THREADS);
        let admits = found.author.thread < self.pool.header().threads_started.load(Acquire).min(most);
        self.damaged += u64::from(!admits && found.is_complete);
        admits
    }

    /// Reads what was published in a chunk and has not been read, by `take`. A chunk that makes no sense is read no
    /// further.
    #[inline]
    pub fn read(&mut self, found: &Found, take: impl FnOnce(&mut Records<'_>) -> Result<(), Malformed>) {
        let Self { pool, threads, threads_seen, words, damaged, .. } = self;
        let position = threads.entry(found.author.thread).or_insert_with(|| {
            *threads_seen = threads_seen.saturating_add(1);
            Position { image: found.author.image, present: None }
        });
        let present = position.present.filter(|present| present.sequence == found.sequence);
        let mut progress = present.map_or(Some(Progress::default()), |present| present.progress);
        if let Some(before) = progress {
            // A copy in one go, which is quicker than to wait for another processor's cache word by word.
            found.copy_words(pool, words);
            let mut records = Records::after(words, before);
            let taken = take(&mut records);
            progress = taken.is_ok().then(|| records.progress());
            *damaged += u64::from(taken.is_err());
        }
        position.present = Some(Present { sequence: found.sequence, is_complete: found.is_complete, progress });
    }

    /// Returns a chunk to the program's threads.
    pub fn free(&self, found: &Found) {
        self.pool.free(found.chunk);
    }

    /// Wakes those who wait for chunks.
    pub fn wake(&self) {
        futex_wake(&self.pool.header().space);
    }

    /// Drops the threads of images that have ended.
    pub fn drop_ended(&mut self, has_ended: impl Fn(u32) -> bool) {
        self.threads.retain(|_, position| !has_ended(position.image));
    }
}
