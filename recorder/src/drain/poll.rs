//! What is to be found in the pool at one moment, by chunks, in the order in which it is best taken.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memprof_channel::author::Author;
use memprof_channel::ids::Stamp;
use memprof_channel::layout::load_text;
use memprof_channel::{ChunkIndex, Pool, Records};
use rustc_hash::FxHashMap;

/// A chunk as it was found. Its descriptor lies in the program's memory, and may say something else the next time.
pub struct Found {
    /// The chunk.
    pub chunk: ChunkIndex,
    /// Whether nobody writes to it any more.
    pub is_complete: bool,
    /// The thread that fills it.
    pub author: Author,
    /// How many chunks it had filled before.
    pub sequence: u32,
    /// How many words are published.
    words: usize,
    /// None of its events, nor of those of the thread's later chunks, has an earlier stamp.
    pub begins: Stamp,
}

impl Found {
    /// What a chunk holds now. `words` is room to read in.
    fn in_chunk(pool: &Pool, chunk: ChunkIndex, is_complete: bool, words: &mut Vec<u64>) -> Self {
        let descriptor = pool.descriptor(chunk);
        let image = descriptor.image.load(Relaxed);
        let published = pool.published(chunk);
        let begins = Stamp(first_stamp(pool, chunk, published, words).unwrap_or_default());
        let mut name = [0; 16];
        load_text(&descriptor.name, &mut name);
        let (thread, tid) = (descriptor.thread.load(Relaxed), descriptor.tid.load(Relaxed));
        let author = Author { thread, tid, image, pid: descriptor.pid.load(Relaxed), name };
        let sequence = descriptor.sequence.load(Relaxed);
        Self { chunk, is_complete, author, sequence, words: published, begins }
    }

    /// Copies the words that were published.
    pub fn copy_words(&self, pool: &Pool, words: &mut Vec<u64>) {
        words.clear();
        pool.copy_words(self.chunk, self.words, words);
    }
}

/// The chunks that were found.
pub struct Polled {
    /// By image, and as they begin; those of one thread in its order.
    pub found: Vec<Found>,
    known: Known,
}

/// Which events are known once these chunks have been taken, so that none can come that belongs between them.
pub enum Known {
    /// All: who wrote them has gone.
    All,
    /// Those that are older than a moment.
    Before {
        /// When the poll began.
        began: Stamp,
        /// By image, from when on releases are under way.
        held: FxHashMap<u32, Stamp>,
    },
    /// None: others may have older ones.
    Nothing,
}

/// Later than any event.
pub const ALL: Stamp = Stamp(u64::MAX);

impl Polled {
    /// Polls chunks in use, which threads go on to write to. It `began` before any of them was read.
    pub fn living(pool: &Pool, chunks: impl Iterator<Item = ChunkIndex>, began: Stamp) -> Self {
        let (mut held, mut words) = (FxHashMap::default(), Vec::new());
        let find = |chunk| {
            // Both before the published words: what is said there is complete if a thread has handed the chunk over or
            // let go of what it held.
            let is_complete = pool.is_sealed(chunk);
            let held_from = pool.descriptor(chunk).held.load(Acquire);
            let found = Found::in_chunk(pool, chunk, is_complete, &mut words);
            if !is_complete && held_from != 0 {
                let earliest = held.entry(found.author.image).or_insert(Stamp(held_from));
                *earliest = Stamp(held_from).min(*earliest);
            }
            found
        };
        let found = in_order(chunks.map(find).collect());
        Self { found, known: Known::Before { began, held } }
    }

    /// Polls chunks in use that their threads have left for good.
    pub fn left(pool: &Pool, chunks: impl Iterator<Item = ChunkIndex>, known: Known) -> Self {
        let mut words = Vec::new();
        let found = in_order(chunks.map(|chunk| Found::in_chunk(pool, chunk, true, &mut words)).collect());
        Self { found, known }
    }

    /// Whether threads may have taken chunks meanwhile that were not found, because they were still free when it was
    /// their turn to be polled.
    pub const fn may_lack(&self) -> bool {
        matches!(self.known, Known::Before { .. })
    }

    /// The events of an image that are older than this are known.
    pub fn known_before(&self, image: u32) -> Stamp {
        match &self.known {
            Known::All => ALL,
            Known::Before { began, held } => held.get(&image).map_or(*began, |&held| held.min(*began)),
            Known::Nothing => Stamp(0),
        }
    }

    /// Likewise, those of all images. All events are known of those that have `ended`.
    pub fn all_known_before(&self, ended: impl Fn(u32) -> bool) -> Stamp {
        match &self.known {
            Known::All => ALL,
            Known::Before { began, held } => {
                let held = held.iter().filter(|&(&image, _)| !ended(image)).map(|(_, &held)| held);
                held.min().map_or(*began, |held| held.min(*began))
            }
            Known::Nothing => Stamp(0),
        }
    }
}

fn in_order(mut found: Vec<Found>) -> Vec<Found> {
    let thread = |found: &Found| (found.author.image, found.author.thread);
    found.sort_by_key(|found| (thread(found), found.sequence));
    // Whatever stamps damage makes up, a thread's chunks stay in order.
    for of_thread in found.chunk_by_mut(|a, b| thread(a) == thread(b)) {
        let mut begins = Stamp(0);
        for found in of_thread {
            begins = begins.max(found.begins);
            found.begins = begins;
        }
    }
    found.sort_by_key(|found| (found.author.image, found.begins));
    found
}

/// The stamp of a chunk's first event, which mostly is near its beginning. `words` is room to read it in.
fn first_stamp(pool: &Pool, chunk: ChunkIndex, published: usize, words: &mut Vec<u64>) -> Option<u64> {
    const BEGINNING: usize = 32;
    for count in [published.min(BEGINNING), published] {
        words.clear();
        pool.copy_words(chunk, count, words);
        let first = Records::new(words).map_while(Result::ok).find_map(|record| record.stamp());
        if first.is_some() || count == published {
            return first;
        }
    }
    None
}
