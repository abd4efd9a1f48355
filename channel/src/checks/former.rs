//! The protocol that the channel had at first. A chunk was taken and owned in two steps (`NAMED` mends that), and
//! sealed chunks were counted after they had been sealed.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use super::protocol::Protocol;
use super::replayed::Replayed;
use crate::atomic::Atomic;
use crate::states::{self, State, Task, Words};

pub struct Former<const NAMED: bool>;

/// Added to an owned chunk's word.
const SEALED: u64 = 1;

/// Where it counted.
fn count(words: &Replayed) -> &impl Atomic<u64> {
    &words.sealed_bits()[0]
}

impl<const NAMED: bool> Protocol for Former<NAMED> {
    const SEALED_ARE_BITS: bool = false;

    fn is_full(words: &Replayed) -> bool {
        count(words).load(Acquire) as u32 >= words.limit()
    }
    fn take_first(words: &Replayed, hints: u64, task: Task) -> Result<u32, u64> {
        if NAMED {
            return states::take_first(words, 0, hints, task);
        }
        let bit = hints & hints.wrapping_neg();
        let hints = Atomic::<u64>::fetch_and(&words.free_bits()[0], !bit, AcqRel);
        if hints & bit == 0 {
            return Err(hints);
        }
        let chunk = bit.trailing_zeros();
        Atomic::<u32>::raise(words.untouched(), chunk + 1, AcqRel);
        Ok(chunk)
    }
    fn own(words: &Replayed, chunk: u32, task: Task) {
        states::own(words, chunk, task, || ());
    }
    fn seal(words: &Replayed, chunk: u32) {
        let word: &dyn Atomic<u64> = words.state_word(chunk);
        // The owner knew what it was.
        word.set(SEALED, Release);
        count(words).add(1, AcqRel);
    }
    fn is_sealed(words: &Replayed, chunk: u32) -> bool {
        Atomic::<u64>::load(words.state_word(chunk), Acquire) & 3 == 3
    }
    fn free(words: &Replayed, chunk: u32) {
        if Atomic::<u64>::swap(words.state_word(chunk), states::FREE, AcqRel) & 3 == 3 {
            count(words).add(u64::MAX, AcqRel);
        }
        Atomic::<u64>::set(&words.free_bits()[0], 1 << chunk, AcqRel);
    }
    fn reclaims_from_the_dead(words: &Replayed) -> bool {
        count(words).load(Acquire) == 0 && states::is_wanted(words)
    }
    fn reclaim(words: &Replayed, chunk: u32, has_gone: impl Fn(Task) -> bool) -> Option<usize> {
        match states::state(words, chunk) {
            State::Owned(task) if has_gone(task) => {
                let published = states::published(words, chunk);
                Self::free(words, chunk);
                return Some(published);
            }
            State::Taken(task) if has_gone(task) => states::release(words, chunk, task),
            State::Free if NAMED => states::offer(words, chunk),
            State::Free | State::Taken(_) | State::Owned(_) => {}
        }
        None
    }
    fn is_own(word: u64, _: bool, task: Task) -> bool {
        // A chunk that has been taken says nothing, unless it is named.
        let taken = if NAMED { State::Taken(task).word() } else { states::FREE };
        word == taken || State::of(word) == State::Owned(task)
    }
}
