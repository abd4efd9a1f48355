//! OfCLibrary native frames that run a program rather than being part of it, known by their place in stacks:
//!
//! - functions of the C library that start a process or a thread, outermost wherever they occur: most machines have no
//!   debugging information of it;
//! - code that CPython makes at run time, always called by CPython itself: its just-in-time compiler's, and the
//!   trampolines of `-X perf_jit`. Other compilers' code is called by libraries of theirs.
//!
//! What has ever allocated anything itself is none of them.

use memprof_capture::file::{Frame, Tables};
use memprof_channel::ids::{FrameId, StackId};

/// What is known of a frame by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It starts a process or a thread: its name says so.
    Starts,
    /// It is the C library's, and has no name.
    OfCLibrary,
    /// It is code that was made at run time, and has no name.
    Made,
    /// CPython runs it: a function of its own, or Python's.
    OfPython,
    /// None of this.
    Other,
}

/// By frame: whether it is nameless and runs the program. `known` is by frame, too.
pub(crate) fn runtime_frames(tables: &Tables, known: &[Known]) -> Vec<bool> {
    if !known.iter().any(|known| matches!(known, Known::OfCLibrary | Known::Made)) {
        return vec![false; known.len()];
    }
    let of = |frame: FrameId| known.get(frame.index()).copied().unwrap_or(Known::Other);
    let mut found: Vec<Evidence> = vec![Evidence::default(); known.len()];
    // By stack: whether the next frame is the first one, or follows only such as start something.
    let mut begins = vec![false; tables.stacks.len() + 1];
    begins[StackId::EMPTY.index()] = true;
    for (index, node) in (1..).zip(&tables.stacks) {
        let Some(node) = node else { continue };
        let is_first = begins[node.parent.index()];
        let of_frame = of(node.frame);
        begins[index] = match tables.frame(node.frame) {
            Some(Frame::ThreadStart) => true,
            _ => is_first && matches!(of_frame, Known::Starts | Known::OfCLibrary),
        };
        let Some(evidence) = found.get_mut(node.frame.index()) else { continue };
        match (of_frame, tables.stack(node.parent)) {
            (Known::OfCLibrary, _) => evidence.add(is_first),
            (Known::Made, Some(caller)) => evidence.add(of(caller.frame) == Known::OfPython),
            _ => {}
        }
    }
    for site in tables.sites.iter().flatten() {
        if let Some(innermost) = tables.stack(site.stack)
            && let Some(evidence) = found.get_mut(innermost.frame.index())
        {
            evidence.add(false);
        }
    }
    found.into_iter().map(|evidence| evidence.is_there && !evidence.is_refuted).collect()
}

/// Whether a frame is where one of its kind would be, in all stacks that were examined.
#[derive(Clone, Copy, Default)]
struct Evidence {
    is_there: bool,
    is_refuted: bool,
}

impl Evidence {
    const fn add(&mut self, holds: bool) {
        self.is_there |= holds;
        self.is_refuted |= !holds;
    }
}

/// What a frame's number means in these tables.
pub(crate) fn known_frames(tables: &Tables, of: impl Fn(FrameId) -> Known) -> Vec<Known> {
    (0..tables.frames.len()).map(|index| of(FrameId::from_index(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::Known::{Made, OfCLibrary, OfPython, Other, Starts};
    use super::*;
    use memprof_capture::file::{NativeFrame, Site, StackNode};
    use memprof_channel::allocator::Allocator;

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
        // _start, __libc_start_main, nameless, main, qsort's, a comparison; the start of a thread, two nameless, the
        // thread's.
        let known = [Starts, Starts, OfCLibrary, Other, OfCLibrary, Other, Other, OfCLibrary, OfCLibrary, Other];
        let main: &[u32] = &[0, 1, 2, 3, 4, 5];
        let thread: &[u32] = &[0, 1, 2, 3, 6, 7, 8, 9];
        let found = runtime_frames(&tables(10, &[6], &[main, thread, &[7, 8, 9]]), &known);
        let numbers: Vec<usize> = (0..10).filter(|&frame| found[frame]).collect();
        assert_eq!(numbers, [2, 7, 8]);
    }

    #[test]
    fn what_allocates_itself_is_shown() {
        let known = [OfCLibrary, OfCLibrary, OfCLibrary];
        assert_eq!(runtime_frames(&tables(3, &[], &[&[0, 1], &[0, 2, 1]]), &known), [true, false, true]);
        assert_eq!(runtime_frames(&tables(3, &[], &[&[0, 1], &[2, 1, 0]]), &known), [false, false, true]);
    }

    #[test]
    fn what_python_calls_of_made_code_is_python_s() {
        // The interpreter, a function of Python's, a trampoline; a library's function, code that it has made, and such
        // that allocates.
        let known = [OfPython, OfPython, Made, Other, Made, Made];
        let stacks: [&[u32]; 3] = [&[0, 1, 2, 0, 1, 2, 0, 3], &[0, 1, 3, 4, 0], &[0, 1, 5]];
        assert_eq!(runtime_frames(&tables(6, &[], &stacks), &known), [false, false, true, false, false, false]);
        // Where a stack was cut short nothing is known of the caller.
        let cut: [&[u32]; 2] = [&[2, 0, 3], &[4, 0, 3]];
        let found = runtime_frames(&tables(6, &[], &[&cut[..], &[&[0, 2, 0]]].concat()), &known);
        assert_eq!(found, [false, false, true, false, false, false]);
        // Called by a library as well.
        assert!(!runtime_frames(&tables(6, &[], &[&[0, 2, 0], &[3, 2, 0]]), &known)[2]);
    }

    #[test]
    fn damage_does_not_mislead() {
        let mut damaged = tables(2, &[], &[&[0, 1]]);
        // A frame that there is not.
        damaged.stacks[1] = Some(StackNode { parent: StackId(1), frame: FrameId(9) });
        assert_eq!(runtime_frames(&damaged, &[OfCLibrary, OfCLibrary]), [true, false]);
        // Lost callers.
        damaged.stacks[0] = None;
        assert_eq!(runtime_frames(&damaged, &[OfCLibrary, OfCLibrary]), [false, false]);
        damaged.stacks[1] = None;
        assert_eq!(runtime_frames(&damaged, &[OfCLibrary, OfCLibrary]), [false, false]);
    }
}
