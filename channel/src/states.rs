//! Which states a chunk goes through, and by which steps: all that threads and the recorder do to each other in the
//! pool.
//!
//! | state | its word | in `sealed` | whose |
//! |---|---|---|---|
//! | free | [`FREE`] | no | anybody may take it |
//! | taken | taken, by a [`Task`] | no | the task's, which has not said yet what it is for |
//! | owned | owned, by a task | no | the task's, which writes to it |
//! | sealed | owned, by a task | yes | the recorder's |
//!
//! **Each step is one atomic operation on one word**, so that whoever is killed leaves a chunk in one of these states,
//! with the name of the task whose it is. There is nothing to count: how many chunks wait for the recorder is the
//! number of bits in `sealed`. When a task has gone, the recorder reclaims what was its own ([`release`], [`free`]),
//! which is why a chunk is *taken* by the very operation that says by whom.
//!
//! **The bits of `free` are hints**, which make the lowest free chunk quick to find. A thread clears a bit, and then
//! tries to take the chunk. That works only if it is free, so a bit too many does no harm. Bits are missing where
//! threads were killed between the two, and nowhere else: when a chunk becomes free its bit is set afterwards, and who
//! clears it tries to take the chunk afterwards. The recorder sets them again when chunks are wanted ([`offer`]).
//!
//! **Who wants chunks** says so whenever it looks for one again ([`want`]), and the recorder takes note and clears it
//! ([`is_wanted`]), so that nothing is left of those that were killed while they waited. Nobody sleeps without an end:
//! a wake that was lost with its thread costs some milliseconds.
//!
//! A thread of a forked process that goes on in the middle of these steps would be two threads with one name. It must
//! not touch the pool: see [`ChunkWriter::abandon`](crate::ChunkWriter::abandon).

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::atomic::Atomic;
use crate::layout::CHUNK_WORDS;

/// The words that the protocol works on.
pub trait Words {
    /// Words of 32 bits.
    type U32: Atomic<u32>;
    /// Words of 64 bits.
    type U64: Atomic<u64>;

    /// How many chunks there are.
    fn chunks(&self) -> u32;
    /// How many of them may be sealed before threads wait for the recorder.
    fn limit(&self) -> u32;
    /// Chunks from this one on have never been taken.
    fn untouched(&self) -> &Self::U32;
    /// Whether a thread has found no free chunk.
    fn wanted(&self) -> &Self::U32;
    /// Changes whenever a chunk becomes free.
    fn space(&self) -> &Self::U32;
    /// A bit for each chunk that may be free.
    fn free_bits(&self) -> &[Self::U64];
    /// A bit for each chunk that is sealed.
    fn sealed_bits(&self) -> &[Self::U64];
    /// A chunk's word.
    fn state_word(&self, chunk: u32) -> &Self::U64;
    /// How many of a chunk's words are published.
    fn published_word(&self, chunk: u32) -> &Self::U32;
    /// The stamp of a release that is under way.
    fn held_word(&self, chunk: u32) -> &Self::U64;
}

/// The word of a free chunk.
pub const FREE: u64 = 0;
const TAKEN: u64 = 1;
const OWNED: u64 = 2;
const KIND: u64 = 3;
const NUMBER: u32 = u32::MAX >> 1;

/// A thread of a process image: who fills chunks. No two that live at the same time are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Which image of which process, numbered by the pool.
    pub image: u32,
    /// The thread's id in the kernel.
    pub tid: u32,
}

impl Task {
    const fn word(self, kind: u64) -> u64 {
        kind | ((self.image & NUMBER) as u64) << 2 | ((self.tid & NUMBER) as u64) << 33
    }
}

/// What a chunk's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody's.
    Free,
    /// The task's, which may have been killed before it could say what for.
    Taken(Task),
    /// The task's, or once it is sealed the recorder's.
    Owned(Task),
}

impl State {
    /// The state that this word represents. Words that no thread has written mean nothing, and count as free.
    #[must_use]
    pub const fn of(word: u64) -> Self {
        let task = Task { image: (word >> 2) as u32 & NUMBER, tid: (word >> 33) as u32 };
        match word & KIND {
            TAKEN => Self::Taken(task),
            OWNED => Self::Owned(task),
            _ => Self::Free,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> u64 {
        match self {
            Self::Free => FREE,
            Self::Taken(task) => task.word(TAKEN),
            Self::Owned(task) => task.word(OWNED),
        }
    }
}

/// A chunk's word in a row of bits, and its bit there.
const fn place(chunk: u32) -> (usize, u64) {
    (chunk as usize / 64, 1 << (chunk % 64))
}

/// How many words of bits there are for `chunks` chunks.
const fn words_for(chunks: u32) -> usize {
    (chunks as usize).div_ceil(64)
}

/// How many chunks have ever been taken: all others are free.
#[inline]
pub fn touched<W: Words>(words: &W) -> u32 {
    words.untouched().load(Acquire).min(words.chunks())
}

/// How many chunks wait for the recorder.
pub fn waiting<W: Words>(words: &W) -> u32 {
    words.sealed_bits()[..words_for(touched(words))].iter().map(|bits| bits.load(Acquire).count_ones()).sum()
}

/// Whether threads have to wait for the recorder, because too many chunks wait for it.
pub fn is_full<W: Words>(words: &W) -> bool {
    waiting(words) >= words.limit()
}

/// Takes a free chunk for a task, unless the pool is full or there is none. The lowest is preferred.
pub fn try_take<W: Words>(words: &W, task: Task) -> Option<u32> {
    if is_full(words) {
        return None;
    }
    (0..words_for(words.chunks())).find_map(|index| {
        let mut hints = words.free_bits()[index].load(Relaxed);
        while hints != 0 {
            match take_first(words, index, hints, task) {
                Ok(chunk) => return Some(chunk),
                Err(others) => hints = others,
            }
        }
        None
    })
}

/// Takes the first of these chunks, which are bits of a word of hints.
///
/// # Errors
/// With the hints that are left in this word, if somebody else has taken it.
pub fn take_first<W: Words>(words: &W, index: usize, hints: u64, task: Task) -> Result<u32, u64> {
    let bit = hints & hints.wrapping_neg();
    let chunk = index as u32 * 64 + bit.trailing_zeros();
    if chunk < words.chunks() && words.untouched().load(Relaxed) <= chunk {
        // First of all: once it is taken, the recorder must find it.
        words.untouched().raise(chunk + 1, AcqRel);
    }
    let hints = words.free_bits()[index].fetch_and(!bit, AcqRel);
    let taken = State::Taken(task).word();
    if hints & bit != 0
        && chunk < words.chunks()
        && words.state_word(chunk).compare_exchange(FREE, taken, AcqRel, Relaxed).is_ok()
    {
        return Ok(chunk);
    }
    Err(hints & !bit)
}

/// Makes a chunk that a task has taken its own: empty, and visible to the recorder. `say` writes down what it is for.
pub fn own<W: Words>(words: &W, chunk: u32, task: Task, say: impl FnOnce()) {
    words.published_word(chunk).store(0, Relaxed);
    words.held_word(chunk).store(0, Relaxed);
    say();
    words.state_word(chunk).store(State::Owned(task).word(), Release);
}

/// Publishes the first `count` words of a chunk, which its owner has written. They are never written again before the
/// chunk is free.
#[inline(always)]
pub fn publish<W: Words>(words: &W, chunk: u32, count: u32) {
    words.published_word(chunk).store(count, Release);
}

/// How many words of a chunk are published: they can be read.
#[inline]
pub fn published<W: Words>(words: &W, chunk: u32) -> usize {
    (words.published_word(chunk).load(Acquire) as usize).min(CHUNK_WORDS)
}

/// Says that a release is under way whose stamp is `stamp`; 0: there is none any more.
#[inline(always)]
pub fn hold<W: Words>(words: &W, chunk: u32, stamp: u64) {
    words.held_word(chunk).store(stamp, Release);
}

/// Hands a chunk of one's own to the recorder.
pub fn seal<W: Words>(words: &W, chunk: u32) {
    let (index, bit) = place(chunk);
    words.sealed_bits()[index].set(bit, AcqRel);
}

/// Whether a chunk holds records, complete or not.
#[inline]
pub fn is_in_use<W: Words>(words: &W, chunk: u32) -> bool {
    matches!(state(words, chunk), State::Owned(_))
}

/// Whether a chunk is sealed; if so, everything that its thread wrote to it is visible.
#[inline]
pub fn is_sealed<W: Words>(words: &W, chunk: u32) -> bool {
    let (index, bit) = place(chunk);
    words.sealed_bits()[index].load(Acquire) & bit != 0 && is_in_use(words, chunk)
}

/// A chunk's state.
#[inline]
pub fn state<W: Words>(words: &W, chunk: u32) -> State {
    State::of(words.state_word(chunk).load(Acquire))
}

/// For the recorder: makes a chunk free that is sealed, or whose owner has gone.
pub fn free<W: Words>(words: &W, chunk: u32) {
    let (index, bit) = place(chunk);
    // In this order: as soon as it is free, another thread may take and seal it.
    words.sealed_bits()[index].fetch_and(!bit, AcqRel);
    words.state_word(chunk).store(FREE, Release);
    words.free_bits()[index].set(bit, AcqRel);
    words.space().add(1, AcqRel);
}

/// For the recorder: makes a chunk free that a task has taken, and has not made its own before it has gone.
pub fn release<W: Words>(words: &W, chunk: u32, gone: Task) {
    let taken = State::Taken(gone).word();
    if words.state_word(chunk).compare_exchange(taken, FREE, AcqRel, Relaxed).is_ok() {
        let (index, bit) = place(chunk);
        words.free_bits()[index].set(bit, AcqRel);
        words.space().add(1, AcqRel);
    }
}

/// For the recorder: sets the hint of a chunk that is free.
pub fn offer<W: Words>(words: &W, chunk: u32) {
    let (index, bit) = place(chunk);
    if words.state_word(chunk).load(Acquire) == FREE && words.free_bits()[index].load(Relaxed) & bit == 0 {
        words.free_bits()[index].set(bit, AcqRel);
        words.space().add(1, AcqRel);
    }
}

/// Says that a thread has found no free chunk.
pub fn want<W: Words>(words: &W) {
    words.wanted().store(1, Release);
}

/// For the recorder: whether a thread has found no free chunk since this was asked the last time.
pub fn is_wanted<W: Words>(words: &W) -> bool {
    words.wanted().load(Relaxed) != 0 && words.wanted().swap(0, AcqRel) != 0
}
