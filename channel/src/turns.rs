//! Who makes events at present: what lets threads stamp their events without reading the clock for each.
//!
//! Reading the clock such that it orders events between threads costs more than all the rest of an event. But most
//! programs have one thread, or threads that take turns, such as Python's. So a word of the pool says whose turn it is.
//! A thread that finds itself there gives its event the stamp of the one before. Another one reads the clock, and takes
//! the turn.
//!
//! **Why stamps order events.** Let an event of thread A, a release of some memory say, come before one of thread B
//! that gets the memory; then A made its event known before B stamped its own. If B finds that it has the turn, it has
//! taken it after A read the word, or A would have had to take it. So B's stamp, read when it took the turn, is later
//! than A's, which is that of A's turn. If B does not find itself, it reads the clock, and its stamp is later than A's
//! in any case. The turn is taken by an exchange that fails if anybody has taken it since the clock was read; otherwise
//! A could read the clock first, B after it, and A could take the turn last. So the word also counts its changes: it is
//! never twice the same.
//!
//! **The recorder's part.** It changes the word at the beginning of each poll. So a stamp is never older than the last
//! poll, even after the program has slept, and an event that is stamped before a poll began depends on nothing that was
//! published after it.
//!
//! **Crowds.** Threads that really run at the same time would do nothing but take turns from each other. When a turn
//! lasts too short, nobody has it, and each reads the clock for each event, up to the recorder's next poll.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};

use crate::atomic::Atomic;
use crate::clock::ClockKind;
use crate::ids::Stamp;

/// The pool's word: who has the turn, and how often it has changed. On a cache line of its own, which every
/// event reads.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct TurnWord<A = AtomicU64>(A);

/// What turns are stamped by.
pub trait Clock {
    /// See [`ClockKind::now_between`].
    fn now_between(&self) -> Stamp;
}

impl Clock for ClockKind {
    #[inline]
    fn now_between(&self) -> Stamp {
        Self::now_between(*self)
    }
}

/// The bits that say who. Those above them count the changes: more than a program can make in its life.
const WHO: u64 = CHANGE - 1;
/// A change.
const CHANGE: u64 = 1 << 24;
/// Nobody has the turn. Threads are numbered from 1 here.
const NOBODY: u64 = 0;
/// Several threads, until the recorder's next poll.
const CROWD: u64 = WHO;
/// What a thread keeps in mind when it has not got the turn. A word like this is never made: nobody is called so.
const NO_TURN: u64 = WHO - 1;
/// A turn that was shorter than this, in stamp units of some 10 ns, was too short.
const SHORT_TURN: u64 = 512;

impl<A: Atomic<u64>> TurnWord<A> {
    /// The word of a pool in which nobody has made an event, if it is 0.
    #[cfg(all(test, loom))]
    pub(crate) const fn of(word: A) -> Self {
        Self(word)
    }

    /// The recorder begins to poll for new events: all that are stamped from now on have stamps later than this moment.
    pub fn poll(&self) {
        let mut word = self.0.load(Acquire);
        loop {
            let who = if word & WHO == CROWD { NOBODY } else { word & WHO };
            match self.0.compare_exchange(word, changed(word, who), SeqCst, Acquire) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
    }
}

/// The word that follows another one.
const fn changed(word: u64, who: u64) -> u64 {
    (word & !WHO).wrapping_add(CHANGE) | who
}

/// A thread's view of the turns: what stamps its events.
#[derive(Debug)]
pub struct Stamper<C = ClockKind> {
    clock: C,
    /// The thread's number, from 1; nobody for one that has too high a number.
    me: u64,
    /// What the word was when this thread took its last turn.
    turn: u64,
    /// The stamp of that turn.
    stamp: Stamp,
    /// Whether the word is none of its business any more.
    alone: bool,
}

impl<C: Clock> Stamper<C> {
    /// For a thread that has made no event.
    #[must_use]
    pub const fn new(clock: C, thread: u32) -> Self {
        let number = thread as u64 + 1;
        // A thread with a higher number never keeps the turn, but ends others'.
        let me = if number < NO_TURN { number } else { NOBODY };
        Self { clock, me, turn: NO_TURN, stamp: Stamp(0), alone: false }
    }

    /// The stamp of an event that happens now: of an allocation after the block was got, of a release before the memory
    /// is released.
    #[inline]
    pub fn stamp<A: Atomic<u64>>(&mut self, word: &TurnWord<A>) -> Stamp {
        let turn = word.0.load(Acquire);
        if turn == self.turn { self.stamp } else { self.read_clock(word, turn) }
    }

    /// Reads the clock for the next event, whoever has the turn.
    pub const fn drop_turn(&mut self) {
        self.turn = NO_TURN;
    }

    /// Stamps by the clock alone from now on, and leaves the word as it is. May interrupt [`Self::stamp()`].
    pub(crate) fn go_alone(&mut self) {
        // SAFETY: a field of its own.
        unsafe { (&raw mut self.alone).write_volatile(true) };
        self.turn = NO_TURN;
    }

    #[cold]
    #[inline(never)]
    fn read_clock<A: Atomic<u64>>(&mut self, word: &TurnWord<A>, mut turn: u64) -> Stamp {
        loop {
            let who = turn & WHO;
            let now = self.clock.now_between();
            // SAFETY: a field of its own.
            let alone = unsafe { (&raw const self.alone).read_volatile() };
            let after = if alone {
                turn
            } else if who == CROWD {
                // The clock was read while nobody could take the turn, if that is still so.
                word.0.load(Acquire)
            } else {
                let is_taken = who != NOBODY && who != self.me;
                let is_crowd = is_taken && now.0.wrapping_sub(self.stamp.0) < SHORT_TURN;
                let next = changed(turn, if is_crowd { CROWD } else { self.me });
                let taken = word.0.compare_exchange(turn, next, AcqRel, Acquire);
                if taken.is_ok() {
                    self.turn = if is_crowd || self.me == NOBODY { NO_TURN } else { next };
                }
                taken.unwrap_or_else(|after| after)
            };
            if after == turn {
                self.stamp = now;
                return now;
            }
            turn = after;
        }
    }
}
