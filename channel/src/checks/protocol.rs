//! What a check needs to know of a protocol.

use super::replayed::Replayed;
use crate::states::{self, State, Task};

/// The steps of threads and of the recorder.
pub trait Protocol {
    /// Whether a chunk is sealed by its bit.
    const SEALED_ARE_BITS: bool;
    /// See [`states::is_full`].
    fn is_full(words: &Replayed) -> bool;
    /// See [`states::take_first`].
    fn take_first(words: &Replayed, hints: u64, task: Task) -> Result<u32, u64>;
    /// See [`states::own`].
    fn own(words: &Replayed, chunk: u32, task: Task);
    /// See [`states::seal`].
    fn seal(words: &Replayed, chunk: u32);
    /// See [`states::is_sealed`].
    fn is_sealed(words: &Replayed, chunk: u32) -> bool;
    /// See [`states::free`].
    fn free(words: &Replayed, chunk: u32);
    /// Whether the recorder reclaims what ended threads have left.
    fn reclaims_from_the_dead(words: &Replayed) -> bool;
    /// Releases a chunk if its thread has ended. Returns how many words were published in it, if it was owned.
    fn reclaim(words: &Replayed, chunk: u32, has_gone: impl Fn(Task) -> bool) -> Option<usize>;
    /// Whether a state word says that the chunk is a task's, and not handed over.
    fn is_own(word: u64, is_sealed: bool, task: Task) -> bool;
}

/// The one that is used.
pub struct Present;

impl Protocol for Present {
    const SEALED_ARE_BITS: bool = true;

    fn is_full(words: &Replayed) -> bool {
        states::is_full(words)
    }
    fn take_first(words: &Replayed, hints: u64, task: Task) -> Result<u32, u64> {
        states::take_first(words, 0, hints, task)
    }
    fn own(words: &Replayed, chunk: u32, task: Task) {
        states::own(words, chunk, task, || ());
    }
    fn seal(words: &Replayed, chunk: u32) {
        states::seal(words, chunk);
    }
    fn is_sealed(words: &Replayed, chunk: u32) -> bool {
        states::is_sealed(words, chunk)
    }
    fn free(words: &Replayed, chunk: u32) {
        states::free(words, chunk);
    }
    fn reclaims_from_the_dead(words: &Replayed) -> bool {
        states::waiting(words) == 0 && states::is_wanted(words)
    }
    fn reclaim(words: &Replayed, chunk: u32, has_gone: impl Fn(Task) -> bool) -> Option<usize> {
        match states::state(words, chunk) {
            State::Free => states::offer(words, chunk),
            State::Taken(task) if has_gone(task) => states::release(words, chunk, task),
            State::Owned(task) if has_gone(task) => {
                let published = states::published(words, chunk);
                states::free(words, chunk);
                return Some(published);
            }
            State::Taken(_) | State::Owned(_) => {}
        }
        None
    }
    fn is_own(word: u64, is_sealed: bool, task: Task) -> bool {
        matches!(State::of(word), State::Taken(by) | State::Owned(by) if by == task) && !is_sealed
    }
}

/// The same, where the recorder never sets the hints of free chunks.
pub struct WithoutOffers;

impl Protocol for WithoutOffers {
    const SEALED_ARE_BITS: bool = true;

    fn is_full(words: &Replayed) -> bool {
        Present::is_full(words)
    }
    fn take_first(words: &Replayed, hints: u64, task: Task) -> Result<u32, u64> {
        Present::take_first(words, hints, task)
    }
    fn own(words: &Replayed, chunk: u32, task: Task) {
        Present::own(words, chunk, task);
    }
    fn seal(words: &Replayed, chunk: u32) {
        Present::seal(words, chunk);
    }
    fn is_sealed(words: &Replayed, chunk: u32) -> bool {
        Present::is_sealed(words, chunk)
    }
    fn free(words: &Replayed, chunk: u32) {
        Present::free(words, chunk);
    }
    fn reclaims_from_the_dead(words: &Replayed) -> bool {
        Present::reclaims_from_the_dead(words)
    }
    fn reclaim(words: &Replayed, chunk: u32, has_gone: impl Fn(Task) -> bool) -> Option<usize> {
        if states::state(words, chunk) == State::Free { None } else { Present::reclaim(words, chunk, has_gone) }
    }
    fn is_own(word: u64, is_sealed: bool, task: Task) -> bool {
        Present::is_own(word, is_sealed, task)
    }
}
