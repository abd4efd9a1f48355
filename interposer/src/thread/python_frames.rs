//! Bringing a thread's Python frames up to date.

use super::ThreadState;
use crate::confinement::unless_confined;
use crate::lock::Recording;
use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::OwnMemory;
use crate::python::detached;
use crate::python::frames::{WithFrames, starts_thread, with_frames};
use crate::python::free_threads::FreeThreads;
use crate::python::interpreter::Interpreter;
use crate::python::sources::{InPlace, Source};
use crate::python::thread_names::push_name;
use crate::python::thread_states::Current;
use crate::session;
use crate::stacks::memo::FrameChain;
use crate::stacks::merged::MergedStack;
use crate::stop::Stop;

/// What a thread's memo of Python's frames depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// How many code objects had been deallocated.
    deallocations: u32,
    /// States that the thread has had.
    states: u32,
}

impl ThreadState {
    /// Brings the Python frames up to date. Returns where the innermost and the outermost control frame are, where
    /// there are such frames.
    #[inline(always)]
    pub(super) fn update_python(
        &mut self,
        interpreter: &'static Interpreter,
        current: Current,
        recording: &mut Recording,
    ) -> Result<Option<(usize, usize)>, Stop> {
        let deallocations = interpreter.codes.deallocations();
        let state = match &interpreter.free {
            None => self.python.read(interpreter, current, recording),
            Some(free) => match self.free.attached(interpreter, free, current) {
                Some(state) => Some(state),
                None => {
                    return self.update_detached(interpreter, free, current, deallocations, recording).map(|()| None);
                }
            },
        };
        let Some(state) = state else {
            self.find_no_frames(interpreter);
            return Ok(None);
        };
        self.distrust_before(deallocations);
        let layout = &interpreter.layout;
        let Self { stack, descriptions, seen_copies, .. } = self;
        with_frames(interpreter, &state, descriptions, seen_copies, Update(stack))?;
        // SAFETY: it is the offset of a pointer.
        let innermost = layout.control_frame.map(|offset| unsafe { state.field::<usize>(offset) });
        let control = innermost.map(|innermost| (innermost, state.state() + layout.control_root));
        if !self.named {
            // SAFETY: its frames are there.
            unsafe { self.find_name(&InPlace, interpreter)? };
        }
        // From here on the frames are not read any more, and the recorder may be waited for.
        drop(state);
        if !self.descriptions.is_empty() {
            // What its frames refer to stays until it goes on.
            self.emit_descriptions(interpreter, recording, || true)?;
        }
        Ok(control)
    }

    /// The memo was right at a moment. If addresses may have another meaning since then, clears it.
    #[inline(always)]
    fn distrust_before(&mut self, deallocations: u32) {
        let now = Some(Moment { deallocations, states: self.free.changes() });
        if now != self.memo_is_of {
            self.memo_is_of = now;
            self.stack.clear_python();
            self.seen_copies.clear();
        }
    }

    #[cold]
    fn find_no_frames(&mut self, interpreter: &Interpreter) {
        if interpreter.is_refused() {
            session::note_refused_interpreter();
        }
        self.stack.clear_python();
        self.descriptions.clear();
    }

    /// Brings the Python frames up to date if the thread has a state and is detached. Not once a filter may forbid what
    /// it takes.
    #[cold]
    #[inline(never)]
    fn update_detached(
        &mut self,
        interpreter: &'static Interpreter,
        free: &'static FreeThreads,
        current: Current,
        deallocations: u32,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let thread = unless_confined(|| self.free.detached(interpreter, free, current)).flatten();
        let is_there = || unless_confined(|| thread.as_ref().is_some_and(|thread| thread.is_there())) == Some(true);
        let mut has_frames = false;
        if let Some(thread) = &thread {
            self.distrust_before(deallocations);
            has_frames = unless_confined(|| {
                if !interpreter.is_trusted_by(thread) {
                    return Ok(false);
                }
                let Self { stack, copied, descriptions, seen_copies, .. } = &mut *self;
                let updated =
                    detached::with_frames(interpreter, thread, copied, descriptions, seen_copies, Update(stack))?;
                updated.map_or(Ok(false), |updated| updated.map(|()| true))
            })
            .unwrap_or(Ok(false))?;
        }
        let was_named = self.named;
        if has_frames && !was_named {
            // SAFETY: through the kernel any address may be read.
            unless_confined(|| unsafe { self.find_name(&OwnMemory::open(), interpreter) }).unwrap_or(Ok(()))?;
        }
        if !has_frames || !is_there() {
            if !was_named {
                (self.named, self.name) = (false, MappedVec::new());
            }
            self.memo_is_of = None;
            self.find_no_frames(interpreter);
            return Ok(());
        }
        if !self.descriptions.is_empty() {
            self.emit_descriptions(interpreter, recording, is_there)?;
        }
        Ok(())
    }

    /// Emits the code objects that were seen; those that are alive then get known.
    #[cold]
    fn emit_descriptions(
        &mut self,
        interpreter: &Interpreter,
        recording: &mut Recording,
        are_alive: impl Fn() -> bool,
    ) -> Result<(), Stop> {
        if !self.descriptions.emit(&interpreter.codes, &mut self.channel, recording, are_alive)? {
            // Of some the deallocation will not be seen.
            self.memo_is_of = None;
        }
        Ok(())
    }

    /// Finds out what Python calls the thread, once it runs Python code. Its frames are up to date.
    ///
    /// # Safety
    /// They may be read in this way.
    #[cold]
    unsafe fn find_name<S: Source>(&mut self, source: &S, interpreter: &Interpreter) -> Result<(), OutOfMemory> {
        let Some(frame) = self.stack.outermost_python() else { return Ok(()) };
        self.named = true;
        // SAFETY: the frame is in the thread's present chain.
        if unsafe { starts_thread(source, &interpreter.layout, frame) } {
            let mut name = MappedVec::new();
            if push_name(&interpreter.layout, frame, &mut name)? {
                self.name = name;
            }
        }
        Ok(())
    }
}

struct Update<'a>(&'a mut MergedStack);

impl WithFrames<Result<(), OutOfMemory>> for Update<'_> {
    #[inline(always)]
    fn call<C: FrameChain<Error = OutOfMemory>>(self, chain: &mut C) -> Result<(), OutOfMemory> {
        self.0.update_python(chain)
    }
}
