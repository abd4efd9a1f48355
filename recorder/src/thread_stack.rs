//! A thread's present stack, as the program tells it, and the stack that the capture has for it.
//!
//! They differ where a stack has more native frames than the recording's limit: then only the outermost and innermost
//! half of them are kept, with a mark between that says how many were left out. Python frames are never left out.

use memprof_capture::channel::record::ChannelFrame;
use memprof_capture::ids::{FrameId, StackId};

use crate::interning::Interning;

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
    /// The stack up to and including this frame; nothing from where the outer half of the limit is used up.
    whole: Option<StackId>,
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
        let parent = self.frames.last().map_or(Some(StackId::EMPTY), |frame| frame.whole);
        let fits = natives <= self.limit.div_ceil(2);
        let whole = parent.filter(|_| fits).map(|parent| interning.stack(parent, id));
        self.frames.push(StackFrame { id, is_native, natives, whole });
    }

    /// The capture's stack.
    pub fn id(&self, interning: &mut Interning) -> StackId {
        let Some(last) = self.frames.last() else { return StackId::EMPTY };
        if let Some(whole) = last.whole {
            return whole;
        }
        let outer = self.frames.partition_point(|frame| frame.whole.is_some());
        let mut stack = outer.checked_sub(1).and_then(|last| self.frames[last].whole).unwrap_or(StackId::EMPTY);
        // Native frames with these numbers, counted from 1, are left out.
        let (after, until) = (self.limit.div_ceil(2), last.natives.saturating_sub(self.limit / 2));
        let mut marked = until <= after;
        for frame in &self.frames[outer..] {
            if frame.is_native && frame.natives > after && frame.natives <= until {
                if !marked {
                    marked = true;
                    let mark = interning.elided(until - after);
                    stack = interning.stack(stack, mark);
                }
                continue;
            }
            stack = interning.stack(stack, frame.id);
        }
        stack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_capture::channel::record::ChannelNativeFrame;
    use memprof_capture::file::Frame;

    fn native(address: u64) -> ChannelFrame {
        ChannelFrame::Native(ChannelNativeFrame { module: None, address, interrupted: false, evaluates: false })
    }

    /// The frames of the stack's row, innermost last: addresses, `-n` for n elided frames, 1000 + code for Python.
    fn shown(frames: &[ChannelFrame], limit: u32) -> Vec<i64> {
        let mut interning = Interning::default();
        let mut stack = ThreadStack::new(limit);
        for &frame in frames {
            stack.push(1, frame, &mut interning);
        }
        let id = stack.id(&mut interning);
        assert_eq!(stack.id(&mut interning), id);
        let rows = interning.take_rows(true);
        let mut shown = Vec::new();
        let mut at = id;
        while at != StackId::EMPTY {
            let node = rows.stacks[at.index() - 1];
            shown.push(match rows.frames[node.frame.index()] {
                Frame::Native(frame) => frame.address.cast_signed(),
                Frame::Elided { frames } => -i64::from(frames),
                Frame::Python { code, .. } => 1000 + i64::from(code.0),
                Frame::ThreadStart => 0,
            });
            at = node.parent;
        }
        shown.reverse();
        shown
    }

    #[test]
    fn the_middle_of_the_native_frames_is_left_out_and_counted() {
        let natives: Vec<_> = (1..=9).map(native).collect();
        assert_eq!(shown(&natives, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shown(&natives, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shown(&natives, 8), [1, 2, 3, 4, -1, 6, 7, 8, 9]);
        assert_eq!(shown(&natives, 3), [1, 2, -6, 9]);
        assert_eq!(shown(&natives, 1), [1, -8]);
        assert_eq!(shown(&[], 3), [] as [i64; 0]);
    }

    #[test]
    fn python_frames_always_stay() {
        let python = |code| ChannelFrame::Python { code, offset: 0 };
        let frames = [native(1), python(0), native(2), python(1), native(3), native(4), python(2), native(5)];
        assert_eq!(shown(&frames, 2), [1, 1000, -3, 1001, 1002, 5]);
        assert_eq!(shown(&frames, 5), [1, 1000, 2, 1001, 3, 4, 1002, 5]);
    }
}
