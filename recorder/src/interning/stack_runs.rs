//! Runs of frames that have come before, and the stacks that they lead to.
//!
//! A program with many stacks comes back to most of them by many frames at once: down another branch of its calls. To
//! look for the stack of each frame takes, for each, a wait for memory and a place in a table; and the table of stacks
//! is bounded. If it has evicted one of them, all that follow get other rows. A run takes one place, and one wait.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use memprof_channel::ids::{FrameId, StackId};

use super::fingerprint::Fingerprint;

/// The frames that follow a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run(Fingerprint);

impl Run {
    /// Fewer frames than this are found as fast one by one.
    const LEAST_FRAMES: usize = 4;

    /// Of these frames above `callers`, unless they are too few.
    pub fn of(callers: StackId, frames: impl ExactSizeIterator<Item = FrameId> + Clone) -> Option<Self> {
        (frames.len() >= Self::LEAST_FRAMES).then(|| Self(Fingerprint::of(&Frames { callers, frames })))
    }
}

struct Frames<I> {
    callers: StackId,
    frames: I,
}

impl<I: Iterator<Item = FrameId> + Clone> Hash for Frames<I> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.callers.hash(state);
        self.frames.clone().for_each(|frame| frame.hash(state));
    }
}

/// The stacks of the last frames of a run: their numbers are side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    last: StackId,
    count: NonZeroU32,
}

impl RunEnd {
    /// The last `new` stacks up to `last`, which were new: they got their numbers one after the other. Without a new
    /// one, `last` alone.
    pub fn new(last: StackId, new: u32) -> Self {
        Self { last, count: NonZeroU32::new(new).unwrap_or(NonZeroU32::MIN) }
    }

    /// The stack of the whole run.
    pub const fn last(self) -> StackId {
        self.last
    }

    /// The stacks, the innermost first.
    pub fn stacks(self) -> impl Iterator<Item = StackId> {
        (0..self.count.get()).map(move |above| StackId(self.last.0 - above))
    }
}

/// A table of runs, of a bounded size. It grows from a small one.
pub struct StackRuns {
    /// What was used last is first in its set, and is evicted last.
    sets: Vec<[Option<(Run, RunEnd)>; WAYS]>,
    taken: usize,
    most_sets: usize,
}

const WAYS: usize = 4;
const FIRST_SETS: usize = 1 << 6;

impl StackRuns {
    /// Remembers at most `runs` runs, a power of two; a few if it is smaller than a set.
    pub fn at_most(runs: usize) -> Self {
        let most_sets = (runs / WAYS).max(1);
        Self { sets: vec![[None; WAYS]; FIRST_SETS.min(most_sets)], taken: 0, most_sets }
    }

    fn set_of(&mut self, Run(fingerprint): Run) -> &mut [Option<(Run, RunEnd)>; WAYS] {
        let last = self.sets.len() - 1;
        &mut self.sets[fingerprint.bits() & last]
    }

    /// Where a run ends, if that is remembered.
    pub fn get(&mut self, run: Run) -> Option<RunEnd> {
        let set = self.set_of(run);
        let place = set.iter().position(|known| known.is_some_and(|(known, _)| known == run))?;
        set[..=place].rotate_right(1);
        set[0].map(|(_, end)| end)
    }

    /// Remembers where a run ends that is not remembered.
    pub fn insert(&mut self, run: Run, end: RunEnd) {
        if self.sets.len() < self.most_sets && self.taken * 2 >= self.sets.len() * WAYS {
            self.grow();
        }
        self.put(run, end);
    }

    /// In front of its set.
    fn put(&mut self, run: Run, end: RunEnd) {
        let set = self.set_of(run);
        set.rotate_right(1);
        let evicted = set[0].replace((run, end));
        self.taken += usize::from(evicted.is_none());
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![[None; WAYS]; self.sets.len() * 2];
        let before = std::mem::replace(&mut self.sets, larger);
        self.taken = 0;
        // From the end of each set on, so that what was used last is in front again.
        for &(run, end) in before.iter().flat_map(|set| set.iter().rev()).flatten() {
            self.put(run, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn run(number: u32) -> Run {
        Run::of(StackId(number), (0..4).map(FrameId)).expect("enough frames")
    }

    proptest! {
        /// What is remembered is right, and something is remembered of what came last.
        #[test]
        fn an_end_is_that_of_its_run(most in 0..10_u32, numbers in prop::collection::vec(0..500_u32, 1..2000)) {
            let (mut runs, mut all) = (StackRuns::at_most(1 << most), HashMap::new());
            for (step, &number) in (1..).zip(&numbers) {
                let run = run(number);
                match runs.get(run) {
                    Some(end) => prop_assert_eq!(Some(&end), all.get(&number)),
                    None => {
                        let end = RunEnd::new(StackId(1000 + step), step % 5);
                        runs.insert(run, end);
                        all.insert(number, end);
                    }
                }
                prop_assert_eq!(runs.get(run), all.get(&number).copied());
                let taken = runs.sets.iter().flatten().flatten().count();
                prop_assert_eq!(runs.taken, taken);
                prop_assert!(taken <= (1 << most).max(WAYS));
            }
        }
    }

    #[test]
    fn most_are_remembered_that_there_is_room_for() {
        let mut runs = StackRuns::at_most(1 << 12);
        (0..1000).for_each(|number| runs.insert(run(number), RunEnd::new(StackId(number + 1), 1)));
        let known = (0..1000).filter(|&number| runs.get(run(number)).is_some()).count();
        assert!(known > 900, "{known}");
    }

    #[test]
    fn runs_differ_by_each_of_their_frames_and_by_their_callers() {
        let of = |callers: u32, frames: &[u32]| Run::of(StackId(callers), frames.iter().copied().map(FrameId));
        assert_eq!(of(1, &[1, 2, 3, 4]), of(1, &[1, 2, 3, 4]));
        assert_ne!(of(1, &[1, 2, 3, 4]), of(2, &[1, 2, 3, 4]));
        assert_ne!(of(1, &[1, 2, 3, 4]), of(1, &[1, 2, 4, 3]));
        assert_ne!(of(1, &[1, 2, 3, 4]), of(1, &[1, 2, 3, 4, 4]));
        assert_eq!(of(1, &[1, 2, 3]), None);
    }

    #[test]
    fn the_stacks_at_the_end_have_numbers_side_by_side() {
        let stacks = |new| RunEnd::new(StackId(9), new).stacks().map(|stack| stack.0).collect::<Vec<_>>();
        assert_eq!(stacks(0), [9]);
        assert_eq!(stacks(3), [9, 8, 7]);
    }
}
