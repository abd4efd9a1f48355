//! What is to be found in the pool at one moment, by chunks, in the order in which it is best taken.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memprof_capture::channel::layout::load_text;
use memprof_capture::channel::{ChunkIndex, Pool, Records};
use memprof_capture::ids::Stamp;
use rustc_hash::FxHashMap;

/// A chunk as it was found. Its descriptor lies in the program's memory, and may say something else the next time.
pub struct Found {
    /// The chunk.
    pub chunk: ChunkIndex,
    /// Whether nobody writes to it any more.
    pub is_complete: bool,
    /// The thread that fills it.
    pub thread: u32,
    /// Its id in the kernel.
    pub tid: u32,
    /// Its name there, up to the first NUL.
    pub name: [u8; 16],
    /// How many chunks it had filled before.
    pub sequence: u32,
    /// The image of the process.
    pub image: u32,
    /// The process.
    pub pid: u32,
    /// How many words are published.
    words: usize,
    /// None of its events, nor of those of the thread's later chunks, is dated before.
    pub begins: Stamp,
}

impl Found {
    /// Copies the words that were published.
    pub fn copy_words(&self, pool: &Pool, words: &mut Vec<u64>) {
        words.clear();
        pool.copy_words(self.chunk, self.words, words);
    }
}

/// Who has left chunks that nobody has handed over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// They are written to.
    ByNobody,
    /// Their threads, for good.
    ByTheirThreads,
}

/// The chunks of one look.
pub struct Look {
    /// By image, and as they begin; those of one thread in its order.
    pub found: Vec<Found>,
    /// By image, from when on releases are under way.
    pub held: FxHashMap<u32, Stamp>,
    /// Whether threads may have taken chunks meanwhile that were not found, because they were still free when it was
    /// their turn to be looked at.
    pub may_lack: bool,
}

impl Look {
    /// Looks at chunks that are in use.
    pub fn at(pool: &Pool, chunks: impl Iterator<Item = ChunkIndex>, left: Left) -> Self {
        let (mut held, mut words) = (FxHashMap::default(), Vec::new());
        let find = |chunk| {
            let descriptor = pool.descriptor(chunk);
            // Both before the published words: what is said there is complete if a thread has handed the chunk over or
            // let go of what it held.
            let is_complete = pool.is_sealed(chunk) || left == Left::ByTheirThreads;
            let (held_from, image) = (descriptor.held.load(Acquire), descriptor.image.load(Relaxed));
            if !is_complete && held_from != 0 {
                let earliest = held.entry(image).or_insert(Stamp(held_from));
                *earliest = Stamp(held_from).min(*earliest);
            }
            let published = pool.published(chunk);
            let first = first_stamp(pool, chunk, published, &mut words);
            let mut name = [0; 16];
            load_text(&descriptor.name, &mut name);
            Found {
                chunk,
                is_complete,
                thread: descriptor.thread.load(Relaxed),
                tid: descriptor.tid.load(Relaxed),
                name,
                sequence: descriptor.sequence.load(Relaxed),
                image,
                pid: descriptor.pid.load(Relaxed),
                words: published,
                begins: Stamp(first.unwrap_or_default()),
            }
        };
        let mut found: Vec<Found> = chunks.map(find).collect();
        found.sort_by_key(|found| (found.image, found.thread, found.sequence));
        // Whatever dates damage makes up, a thread's chunks stay in order.
        for of_thread in found.chunk_by_mut(|a, b| (a.image, a.thread) == (b.image, b.thread)) {
            let mut begins = Stamp(0);
            for found in of_thread {
                begins = begins.max(found.begins);
                found.begins = begins;
            }
        }
        found.sort_by_key(|found| (found.image, found.begins));
        Self { found, held, may_lack: left == Left::ByNobody }
    }
}

/// The date of a chunk's first event, which mostly stands near its beginning. `words` is room to read it in.
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
