//! Whether the program has put a filter on itself (seccomp(2)). A filter may end it for any system call that it does
//! not make itself. So from then on, no system call is made that a recording can do without.
//!
//! Children that are forked inherit the filter, and this knowledge. A program that is executed begins without the
//! knowledge: a filter that was there before lets it start, for which its loader reads the files of libraries as we do.

use core::hint::spin_loop;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicU32};

use crate::platform::memory::doze;

/// Whether filters are there, and who is just asking the system something.
///
/// A filter can be put on all threads at once. Whoever asks says so, and checks *after* that whether there is a filter.
/// Whoever makes one says so, and waits *after* that for who asks. So one of the two sees the other.
struct Confinement {
    has_begun: AtomicBool,
    asking: AtomicU32,
}

/// Of this process.
static OF_PROCESS: Confinement = Confinement::none();

/// The program is about to put a filter on itself.
pub fn begin() {
    OF_PROCESS.begin();
}

/// Asks the system something, unless that may be forbidden.
#[inline(always)]
pub fn unless_confined<R>(ask: impl FnOnce() -> R) -> Option<R> {
    OF_PROCESS.unless_begun(ask)
}

impl Confinement {
    /// Rounds of waiting: first without yielding the processor, then with it, which takes at least some 50
    /// microseconds. There is an end because somebody may never be done asking: a handler has left it by a jump, or it
    /// was a thread that this forked process does not have.
    const ROUNDS: (u32, u32) = (100, 1000);

    const fn none() -> Self {
        Self { has_begun: AtomicBool::new(false), asking: AtomicU32::new(0) }
    }

    /// Returns when nobody asks any more.
    fn begin(&self) {
        let (quick, mut slow) = Self::ROUNDS;
        if self.has_begun.swap(true, SeqCst) {
            // The filter that is there already may forbid to yield the processor.
            slow = 0;
        }
        for round in 0..quick + slow {
            if self.asking.load(SeqCst) == 0 {
                return;
            }
            if round < quick { spin_loop() } else { doze() }
        }
    }

    #[inline(always)]
    fn unless_begun<R>(&self, ask: impl FnOnce() -> R) -> Option<R> {
        self.asking.fetch_add(1, SeqCst);
        let answer = (!self.has_begun.load(SeqCst)).then(ask);
        self.asking.fetch_sub(1, SeqCst);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nobody_asks_once_it_has_begun() {
        let (confinement, is_confined) = (Confinement::none(), AtomicBool::new(false));
        let (rounds, asked) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_confined.load(SeqCst) {
                        confinement.unless_begun(|| {
                            thread::yield_now();
                            assert!(!is_confined.load(SeqCst));
                            asked.fetch_add(1, SeqCst);
                        });
                        rounds.fetch_add(1, SeqCst);
                    }
                    assert_eq!(confinement.unless_begun(|| ()), None);
                });
            }
            while rounds.load(SeqCst) < 1000 {
                thread::yield_now();
            }
            confinement.begin();
            is_confined.store(true, SeqCst);
        });
        assert!(asked.load(SeqCst) >= 1000);
    }

    #[test]
    fn who_is_never_done_is_not_waited_for() {
        let confinement = Confinement::none();
        confinement.asking.store(1, SeqCst);
        confinement.begin();
        assert_eq!(confinement.unless_begun(|| ()), None);
    }
}
