//! Functions of the C library that start a process or a thread, and that nobody names: most machines have no debugging
//! information of it. They are known by their place: outermost, wherever they occur.

use memprof_capture::file::{Frame, Tables};
use memprof_capture::ids::{FrameId, StackId};

/// What is known of a frame by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It starts a process or a thread: its name says so.
    Starts,
    /// It is the C library's, and has no name.
    Nameless,
    /// None of this.
    Other,
}

/// By frame: whether it is nameless and starts a process or a thread. `known` is by frame, too.
///
/// That is so if nothing stands before it, in all stacks that it is part of, but other such frames, up to the beginning of the
/// stack or of the thread; and if it has never allocated anything itself.
pub(crate) fn start_frames(tables: &Tables, known: &[Known]) -> Vec<bool> {
    let mut starts: Vec<bool> = known.iter().map(|&known| known == Known::Nameless).collect();
    if !starts.contains(&true) {
        return starts;
    }
    // By stack: whether the next frame is the first one, or follows such frames only.
    let mut begins = vec![false; tables.stacks.len() + 1];
    begins[StackId::EMPTY.index()] = true;
    for (index, node) in (1..).zip(&tables.stacks) {
        let Some(node) = node else { continue };
        // Damage may name a caller that does not come before.
        let is_first = node.parent.index() < index && begins[node.parent.index()];
        let of_frame = known.get(node.frame.index()).copied().unwrap_or(Known::Other);
        begins[index] = match tables.frame(node.frame) {
            Some(Frame::ThreadStart) => true,
            _ => is_first && of_frame != Known::Other,
        };
        if !is_first && let Some(starts) = starts.get_mut(node.frame.index()) {
            *starts = false;
        }
    }
    for site in tables.sites.iter().flatten() {
        if let Some(innermost) = tables.stack(site.stack)
            && let Some(starts) = starts.get_mut(innermost.frame.index())
        {
            *starts = false;
        }
    }
    starts
}

/// What a frame's number stands for in these tables.
pub(crate) fn known_frames(tables: &Tables, of: impl Fn(FrameId) -> Known) -> Vec<Known> {
    (0..tables.frames.len()).map(|index| of(FrameId::from_index(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::Known::{Nameless, Other, Starts};
    use super::*;
    use memprof_capture::allocator::Allocator;
    use memprof_capture::file::{NativeFrame, Site, StackNode};

    /// Tables with these stacks, each of which allocates, and `threads` for frames that are the start of a thread.
    fn tables(frames: usize, threads: &[usize], stacks: &[&[u32]]) -> Tables {
        let native = |address| NativeFrame { module: None, address, interrupted: false, evaluates: false };
        let frame = |index: usize| match threads.contains(&index) {
            true => Frame::ThreadStart,
            false => Frame::Native(native(index as u64)),
        };
        let mut tables = Tables { frames: (0..frames).map(|index| Some(frame(index))).collect(), ..Tables::default() };
        for stack in stacks {
            let mut parent = StackId::EMPTY;
            for &frame in *stack {
                tables.stacks.push(Some(StackNode { parent, frame: FrameId(frame) }));
                parent = StackId::from_index(tables.stacks.len());
            }
            tables.sites.push(Some(Site::new(parent, Allocator::Malloc)));
        }
        tables
    }

    #[test]
    fn frames_that_are_always_outermost_start_something() {
        // _start, __libc_start_main, nameless, main, qsort's, a comparison; the start of a thread, two nameless, the thread's.
        let known = [Starts, Starts, Nameless, Other, Nameless, Other, Other, Nameless, Nameless, Other];
        let main: &[u32] = &[0, 1, 2, 3, 4, 5];
        let thread: &[u32] = &[0, 1, 2, 3, 6, 7, 8, 9];
        let found = start_frames(&tables(10, &[6], &[main, thread, &[7, 8, 9]]), &known);
        let numbers: Vec<usize> = (0..10).filter(|&frame| found[frame]).collect();
        assert_eq!(numbers, [2, 7, 8]);
    }

    #[test]
    fn what_allocates_itself_is_shown() {
        let known = [Nameless, Nameless, Nameless];
        assert_eq!(start_frames(&tables(3, &[], &[&[0, 1], &[0, 2, 1]]), &known), [true, false, true]);
        assert_eq!(start_frames(&tables(3, &[], &[&[0, 1], &[2, 1, 0]]), &known), [false, false, true]);
    }

    #[test]
    fn damage_does_not_mislead() {
        let mut damaged = tables(2, &[], &[&[0, 1]]);
        damaged.stacks[1] = Some(StackNode { parent: StackId(7), frame: FrameId(9) });
        assert_eq!(start_frames(&damaged, &[Nameless, Nameless]), [true, true]);
        damaged.stacks[0] = None;
        start_frames(&damaged, &[Nameless, Nameless]);
    }
}
