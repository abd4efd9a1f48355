//! A thread's present stack, as the program emits it, and the stack that the capture has for it.
//!
//! They differ where a stack has more native frames than the recording's limit: then only the outermost and innermost
//! half of them are kept, with a mark that says how many were left out where the last of them was. Python frames are
//! never left out.
//!
//! A recursion has a stack for each of its levels. So that they share their frames, how many are left out changes in
//! steps: in most levels, the stack is that of the level before and one call more.

use std::ops::Range;

use memprof_channel::ids::{FrameId, StackId};
use memprof_channel::record::ChannelFrame;

use crate::interning::Interning;
use crate::interning::stack_runs::RunEnd;
use crate::interning::stacks::{FoundStack, Stacks};

/// A thread's last stack, outermost frame first.
pub struct ThreadStack {
    frames: Vec<StackFrame>,
    /// The most native frames of one stack that are kept.
    limit: u32,
}

struct StackFrame {
    id: FrameId,
    is_native: bool,
    /// Native frames up to and including this one.
    natives: u32,
    /// The stack up to and including this frame, if it was needed.
    whole: Option<Whole>,
    /// The stack up to this frame without the native frames that may be left out, if it was needed.
    bare: Option<StackId>,
}

#[derive(Clone, Copy)]
struct Whole {
    stack: StackId,
    /// The number, counted from 1, of the last native frame that is left out of it; 0 where none is.
    left_out: u32,
}

impl ThreadStack {
    /// An empty stack.
    pub const fn new(limit: u32) -> Self {
        Self { frames: Vec::new(), limit }
    }

    /// Keeps the outermost `keep` frames. False if there are fewer.
    pub fn keep(&mut self, keep: usize) -> bool {
        let possible = keep <= self.frames.len();
        self.frames.truncate(keep);
        possible
    }

    /// Adds a frame.
    pub fn push(&mut self, image: u32, frame: ChannelFrame, interning: &mut Interning) {
        let id = interning.frame(image, frame);
        let is_native = matches!(frame, ChannelFrame::Native(_));
        let natives = self.frames.last().map_or(0, |frame| frame.natives) + u32::from(is_native);
        self.frames.push(StackFrame { id, is_native, natives, whole: None, bare: None });
    }

    /// Stacks have got other numbers: they are to be found again.
    pub fn invalidate_stacks(&mut self) {
        for frame in &mut self.frames {
            (frame.whole, frame.bare) = (None, None);
        }
    }

    /// The innermost frame, if there is one.
    pub fn innermost(&self) -> Option<FrameId> {
        self.frames.last().map(|frame| frame.id)
    }

    /// How many of the outermost native frames are always kept.
    const fn outer(&self) -> u32 {
        self.limit.div_ceil(2)
    }

    /// Of a stack with `natives` native frames, the number of the last one that is left out, counted from 1; 0 where
    /// none is.
    fn last_left_out(&self, natives: u32) -> u32 {
        if natives <= self.limit {
            return 0;
        }
        let step = (self.limit / 2 / 4).max(1);
        let least = natives - self.limit;
        self.outer() + least.next_multiple_of(step)
    }

    /// The capture's stack.
    pub fn id(&mut self, interning: &mut Interning) -> FoundStack {
        let Some(last) = self.frames.last() else { return FoundStack::EMPTY };
        let (left_out, outer, length) = (self.last_left_out(last.natives), self.outer(), self.frames.len());
        if left_out == 0 {
            return self.whole(0..length, 0, FoundStack::EMPTY, &mut interning.stacks);
        }
        let first_left_out = self.frames.partition_point(|frame| frame.natives <= outer);
        let after_last = self.frames.partition_point(|frame| frame.natives < left_out) + 1;
        let mark = interning.elided(left_out - outer);
        let stacks = &mut interning.stacks;
        let stack = self.whole(0..first_left_out, 0, FoundStack::EMPTY, stacks);
        let stack = self.bare(first_left_out..after_last, stack, stacks);
        let stack = stacks.stack(stack, mark);
        self.whole(after_last..length, left_out, stack, stacks)
    }

    /// The stack up to the last of these frames, which follow `stack`.
    fn whole(&mut self, range: Range<usize>, left_out: u32, stack: FoundStack, stacks: &mut Stacks) -> FoundStack {
        let known = |frame: &StackFrame| frame.whole.filter(|whole| whole.left_out == left_out);
        let frames = &mut self.frames[range];
        let unknown = frames.iter().rposition(|frame| known(frame).is_some()).map_or(0, |last| last + 1);
        let mut stack = unknown
            .checked_sub(1)
            .and_then(|last| known(&frames[last]))
            .map_or(stack, |whole| FoundStack::known(whole.stack));
        let fresh = &mut frames[unknown..];
        let whole = |stack| Some(Whole { stack, left_out });
        let run = stacks.run(&stack, fresh.iter().map(|frame| frame.id));
        if let Some(end) = run.and_then(|run| stacks.end_of(run)) {
            // Of the frames before, the stacks are found when they are needed.
            fresh.iter_mut().rev().zip(end.stacks()).for_each(|(frame, stack)| frame.whole = whole(stack));
            return FoundStack::known(end.last());
        }
        let mut new = 0;
        for frame in fresh {
            stack = stacks.stack(stack, frame.id);
            new += u32::from(stack.is_new);
            frame.whole = whole(stack.id);
        }
        if let Some(run) = run {
            stacks.remember(run, RunEnd::new(stack.id, new));
        }
        stack
    }

    /// The stack up to the last of these frames, which follow `stack`, without the native ones among them.
    fn bare(&mut self, range: Range<usize>, stack: FoundStack, stacks: &mut Stacks) -> FoundStack {
        let frames = &mut self.frames[range];
        let unknown = frames.iter().rposition(|frame| frame.bare.is_some()).map_or(0, |last| last + 1);
        let mut stack = unknown.checked_sub(1).and_then(|last| frames[last].bare).map_or(stack, FoundStack::known);
        for frame in &mut frames[unknown..] {
            if !frame.is_native {
                stack = stacks.stack(stack, frame.id);
            }
            frame.bare = Some(stack.id);
        }
        stack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_capture::file::{Frame, StackNode};
    use memprof_channel::record::ChannelNativeFrame;
    use proptest::prelude::*;

    fn native(address: u64) -> ChannelFrame {
        ChannelFrame::Native(ChannelNativeFrame { module: None, address, interrupted: false, evaluates: false })
    }

    /// All rows so far.
    struct Rows {
        interning: Interning,
        stacks: Vec<StackNode>,
        frames: Vec<Frame>,
    }

    impl Default for Rows {
        fn default() -> Self {
            Self::with(Interning::without_repetition())
        }
    }

    impl Rows {
        fn with(interning: Interning) -> Self {
            Self { interning, stacks: Vec::new(), frames: Vec::new() }
        }

        /// The stack, and the frames of its row, innermost last: addresses, `-n` for n elided frames, 1000 + offset for
        /// Python.
        fn shown(&mut self, stack: &mut ThreadStack) -> (StackId, Vec<i64>) {
            let id = stack.id(&mut self.interning).id;
            let rows = self.interning.take_rows(true);
            self.stacks.extend(rows.stacks);
            self.frames.extend(rows.frames);
            let mut shown = Vec::new();
            let mut at = id;
            while at != StackId::EMPTY {
                let node = self.stacks[at.index() - 1];
                shown.push(match self.frames[node.frame.index()] {
                    Frame::Native(frame) => frame.address.cast_signed(),
                    Frame::Elided { frames } => -i64::from(frames),
                    Frame::Python { offset, .. } => 1000 + i64::from(offset),
                    Frame::ThreadStart | Frame::ElidedCallers => 0,
                });
                at = node.parent;
            }
            shown.reverse();
            (id, shown)
        }
    }

    fn shown_of(frames: &[ChannelFrame], limit: u32) -> Vec<i64> {
        let (mut rows, mut stack) = (Rows::default(), ThreadStack::new(limit));
        for &frame in frames {
            stack.push(1, frame, &mut rows.interning);
        }
        let shown = rows.shown(&mut stack);
        assert_eq!(rows.shown(&mut stack), shown);
        shown.1
    }

    /// The same, frame by frame.
    fn naive(frames: &[ChannelFrame], limit: u32) -> Vec<i64> {
        let is_native = |frame: &&ChannelFrame| matches!(frame, ChannelFrame::Native(_));
        let left_out = ThreadStack::new(limit).last_left_out(frames.iter().filter(is_native).count() as u32);
        let (mut natives, mut shown) = (0, Vec::new());
        for frame in frames {
            match frame {
                ChannelFrame::Native(frame) => {
                    natives += 1;
                    if natives <= limit.div_ceil(2) || natives > left_out {
                        shown.push(frame.address.cast_signed());
                    } else if natives == left_out {
                        shown.push(-i64::from(left_out - limit.div_ceil(2)));
                    }
                }
                ChannelFrame::Python { offset, .. } => shown.push(1000 + i64::from(*offset)),
                ChannelFrame::ThreadStart => shown.push(0),
            }
        }
        shown
    }

    proptest! {
        #[test]
        fn it_is_always_what_the_frames_say(
            limit in 2..20_u32,
            changes in prop::collection::vec((0..40_usize, prop::collection::vec((any::<bool>(), 1..4_u32), 0..12)), 1..20),
        ) {
            let (mut rows, mut stack, mut frames) = (Rows::default(), ThreadStack::new(limit), Vec::new());
            for (gone, fresh) in changes {
                frames.truncate(frames.len().saturating_sub(gone));
                stack.keep(frames.len());
                for (is_native, number) in fresh {
                    let python = ChannelFrame::Python { code: 0, offset: number };
                    frames.push(if is_native { native(number.into()) } else { python });
                    stack.push(1, frames[frames.len() - 1], &mut rows.interning);
                }
                let (id, shown) = rows.shown(&mut stack);
                prop_assert_eq!(&shown, &naive(&frames, limit));
                let known = rows.stacks.len();
                prop_assert_eq!(rows.shown(&mut stack), (id, shown));
                prop_assert_eq!(rows.stacks.len(), known);
            }
        }
    }

    #[test]
    fn of_native_frames_as_many_are_kept_as_there_may_be() {
        for limit in 2..200 {
            for natives in 0..1000 {
                let stack = ThreadStack::new(limit);
                let left_out = stack.last_left_out(natives).saturating_sub(stack.outer());
                assert!(natives - left_out <= limit);
                assert!(natives <= limit || natives - left_out > limit - limit.div_ceil(8).max(1), "{limit} {natives}");
            }
        }
    }

    #[test]
    fn a_run_that_comes_again_is_found_when_its_stacks_are_evicted() {
        let mut rows = Rows::with(Interning::bounded_to(1 << 9, 1 << 6));
        let mut stack = ThreadStack::new(100);
        let mut shown = |base: u64| {
            stack.keep(0);
            (0..20).for_each(|frame| stack.push(1, native(base + frame), &mut rows.interning));
            let (id, frames) = rows.shown(&mut stack);
            if base.is_multiple_of(4) {
                // What is above a part of it.
                stack.keep(17);
                stack.push(1, native(5), &mut rows.interning);
                let above = rows.shown(&mut stack).1;
                assert_eq!(above[..17], frames[..17]);
            }
            (id, frames)
        };
        let [first, again] = [0, 1].map(|_| (0..40).map(|base| shown(base * 101)).collect::<Vec<_>>());
        assert!(first.iter().zip(&again).all(|(first, again)| first.1 == again.1));
        let known = first.iter().zip(&again).filter(|(first, again)| first.0 == again.0).count();
        assert!(known > 35, "{known}");
    }

    #[test]
    fn a_recursion_costs_what_its_calls_cost() {
        let (mut rows, mut stack) = (Rows::default(), ThreadStack::new(1024));
        for level in 0..20_000 {
            stack.push(1, native(5), &mut rows.interning);
            stack.push(1, native(7 + level % 3), &mut rows.interning);
            stack.push(1, ChannelFrame::Python { code: 1, offset: 0 }, &mut rows.interning);
            stack.id(&mut rows.interning);
        }
        let stacks = rows.interning.take_rows(true).stacks.len();
        assert!(stacks < 20_000 * 3 * 8, "{stacks}");
    }

    #[test]
    fn the_middle_of_the_native_frames_is_left_out_and_counted() {
        let natives: Vec<_> = (1..=9).map(native).collect();
        assert_eq!(shown_of(&natives, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shown_of(&natives, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shown_of(&natives, 8), [1, 2, 3, 4, -1, 6, 7, 8, 9]);
        assert_eq!(shown_of(&natives, 3), [1, 2, -6, 9]);
        assert_eq!(shown_of(&natives, 1), [1, -8]);
        assert_eq!(shown_of(&[], 3), [] as [i64; 0]);
    }

    #[test]
    fn python_frames_always_stay() {
        let python = |offset| ChannelFrame::Python { code: 0, offset };
        let frames = [native(1), python(0), native(2), python(1), native(3), native(4), python(2), native(5)];
        assert_eq!(shown_of(&frames, 2), [1, 1000, 1001, -3, 1002, 5]);
        assert_eq!(shown_of(&frames, 5), [1, 1000, 2, 1001, 3, 4, 1002, 5]);
    }
}
