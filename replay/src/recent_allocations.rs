//! Which allocations a thread made last: what is freed while it is among them was temporary.

use std::collections::VecDeque;

use memprof_capture::event::AllocationNumber;

/// How many further allocations of its thread a temporary block may outlive, unless somebody asks for another number.
/// With 1, the old buffer of a container that grows is temporary: the new one is allocated before it goes.
pub const TEMPORARY_THRESHOLD: u64 = 1;

/// The last allocations of one thread.
///
/// Numbers grow with time, so the oldest of the last few separates all of them from those before. A mapping, which has
/// none, is entered with the first number that the thread's next block can have.
#[derive(Clone, Debug, Default)]
pub struct RecentAllocations {
    numbers: VecDeque<AllocationNumber>,
    next: AllocationNumber,
}

impl RecentAllocations {
    /// Enters the thread's next allocation; `threshold` others before it stay in memory.
    #[inline]
    pub fn push(&mut self, number: AllocationNumber, threshold: u64) {
        self.next = AllocationNumber(number.0.saturating_add(1));
        self.enter(number, threshold);
    }

    /// Enters a mapping, likewise: it is never temporary, but comes between others that may be.
    pub fn push_mapping(&mut self, threshold: u64) {
        self.enter(self.next, threshold);
    }

    #[inline]
    fn enter(&mut self, number: AllocationNumber, threshold: u64) {
        if self.numbers.len() as u64 > threshold {
            self.numbers.pop_front();
        }
        self.numbers.push_back(number);
    }

    /// Whether an allocation that the thread has made is one of the last: no more than `threshold` followed it.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: AllocationNumber) -> bool {
        self.numbers.front().is_some_and(|&oldest| number >= oldest)
    }

    /// Drops all of them: numbers begin at 0 again.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.next = AllocationNumber(0);
    }
}
