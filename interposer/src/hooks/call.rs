//! One hooked call, from its entry to its return.

use memprof_capture::allocator::Allocator;
use memprof_capture::ids::{Address, Stamp};

use super::{left_calls, python_allocators};
use crate::births::take_origin;
use crate::lock::Recording;
use crate::memory::MappedVec;
use crate::platform::tls::{self, Block, Doing};
use crate::python::interpreter::{self, Interpreter};
use crate::python::thread_states::{self, Current};
use crate::python_start;
use crate::session::{self, Session};
use crate::stacks::native::NativeChain;
use crate::start;
use crate::stop::Stop;
use crate::thread::{Caller, ThreadState};
use crate::thread_end::watch_thread;
use crate::unwind::frame::{FrameState, Step};
use crate::unwind::modules::is_in_interpreter;
use crate::unwind::stack_region::StackRegion;
use crate::unwind::unwinder::Unwinder;

/// A call of the program that is to be recorded. While it exists, hooks that are called further down pass through.
pub struct Call {
    block: Block,
    /// The thread's own. Nobody else uses it as long as the thread does not do the program's business.
    state: *mut ThreadState,
    session: &'static Session,
    /// The hook that was called, from which its caller is found.
    hook: FrameState,
    /// Whether the recorder waits for a release that this call may make.
    holds: bool,
}

impl Call {
    /// Starts a call, unless it should just pass through: recording is off, or it comes from within another hook.
    ///
    /// Always part of the hook itself, whose frame is there until the call is over.
    #[inline(always)]
    pub fn begin() -> Option<Self> {
        let hook = FrameState::here();
        Self::begin_in(hook)
    }

    #[inline]
    fn begin_in(hook: FrameState) -> Option<Self> {
        let block = tls::block();
        let doing = block.doing();
        if doing != Doing::Program && !left_calls::clear(block, hook.sp) {
            if doing == Doing::Recording {
                session::count_skipped();
            }
            return None;
        }
        let session = match session::active() {
            Some(session) => session,
            None => start::start()?,
        };
        block.begin(Doing::Real);
        block.set_hook_sp(hook.sp);
        let mut state = ThreadState::of(block);
        if state.is_null() {
            state = first_call(block, session)?;
        }
        Some(Self { block, state, session, hook, holds: false })
    }

    /// The moment before a function is called that may give memory back, where that is known, and recorded, only after it.
    #[inline]
    pub fn before_release(&mut self) -> Stamp {
        let mut before = Stamp(0);
        self.record(|state, recording| {
            before = state.hold(recording)?;
            Ok(())
        });
        self.holds = true;
        before
    }

    /// That release has been recorded, or there was none.
    #[inline]
    fn let_go(&mut self) {
        if core::mem::take(&mut self.holds) {
            // SAFETY: see the field.
            unsafe { (*self.state).let_go() };
        }
    }

    /// The present stack as that of the creator of a new thread; nothing for a thread that Python starts, or where native
    /// stacks are not recorded.
    pub fn thread_origin(&mut self) -> Option<MappedVec<u64>> {
        if !self.session.native_stacks {
            return None;
        }
        let (caller, mut origin) = (self.caller(), None);
        self.record(|state, recording| {
            origin = state.as_origin(&caller, recording)?;
            Ok(())
        });
        origin
    }

    /// Who calls.
    #[inline]
    fn caller(&self) -> Caller {
        let python = match interpreter::present() {
            Some(interpreter) if interpreter.has_own_current => self.ask(interpreter),
            Some(interpreter) => Some((interpreter, interpreter.current_state())),
            None => None,
        };
        Caller { hook: self.hook, python }
    }

    /// Asks the interpreter which thread state is current. To answer that the loader may allocate. As far as can be seen
    /// from outside it is the program that asks: what is allocated is recorded, without Python's frames.
    #[inline]
    fn ask(&self, interpreter: &'static Interpreter) -> Option<(&'static Interpreter, Current)> {
        let (sp, asking) = (self.hook.sp, self.block.asking_sp());
        // One asks further out. (If a handler has jumped away from it, this is so until the thread calls from further out.)
        if asking > sp {
            return None;
        }
        self.block.set_asking_sp(sp);
        self.block.begin(Doing::Program);
        let current = interpreter.current_state();
        self.block.begin(Doing::Real);
        self.block.set_hook_sp(sp);
        self.block.set_asking_sp(0);
        Some((interpreter, current))
    }

    #[inline]
    fn record(&mut self, write: impl FnOnce(&mut ThreadState, &mut Recording) -> Result<(), Stop>) {
        self.block.begin(Doing::Recording);
        // SAFETY: the line above says what the thread does, which ends below. For the state see the field.
        let written = unsafe { write(&mut *self.state, &mut Recording::begin()) };
        if let Err(reason) = written {
            session::stop(reason);
        }
        self.block.begin(Doing::Real);
    }

    /// Records that the call, made by `allocator`, has just handed out a block.
    #[inline]
    pub fn allocated(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        if !block.is_null() {
            let (mut block, mut size) = (block as usize, size);
            if python_allocators::is_unsettled() || python_start::is_expected() {
                (block, size) = self.settle_python(block, size);
            }
            let (at, caller) = (Address(block as u64), self.caller());
            self.record(|state, recording| state.allocation(&caller, at, size as u64, allocator, recording));
        }
    }

    /// Python is about to start, and may have chosen other allocators since the last call; or it has been loaded, and this
    /// may be its first call.
    #[cold]
    fn settle_python(&self, block: usize, size: usize) -> (usize, usize) {
        // SAFETY: the real function runs, as far as others see, and nothing else of this thread has the right.
        let recording = &mut unsafe { Recording::begin() };
        let caller = match Unwinder::of_this_thread().walk(recording).caller(self.hook) {
            Step::Caller { frame, .. } => frame.address.lookup(),
            Step::End | Step::Lost => 0,
        };
        if python_start::is_expected() {
            python_start::note_call_from(caller, recording);
        }
        if !python_allocators::is_unsettled() {
            return (block, size);
        }
        python_allocators::settle(block, size, is_in_interpreter(caller))
    }

    /// Records that `allocator` has left a block where it was, and changed its size.
    #[inline]
    pub fn resized(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        let (at, caller) = (Address(block as u64), self.caller());
        self.record(|state, recording| state.resize(&caller, at, size as u64, allocator, recording));
    }

    /// Records that `allocator` has turned the block `old`, if there was one, into `new`, in a call that began at `before`.
    #[inline]
    pub fn reallocated(
        &mut self,
        before: Stamp,
        old: *const core::ffi::c_void,
        new: *const core::ffi::c_void,
        size: usize,
        allocator: Allocator,
    ) {
        if new == old {
            self.resized(new, size, allocator);
        } else {
            if !old.is_null() {
                self.freed(before, old);
            }
            self.let_go();
            self.allocated(new, size, allocator);
        }
    }

    /// Records that a block is about to be given back.
    #[inline]
    pub fn frees(&mut self, block: *const core::ffi::c_void) {
        let at = Address(block as u64);
        self.record(|state, recording| state.free(at, recording));
    }

    /// Records that a block was given back after the moment `before`.
    #[inline]
    pub fn freed(&mut self, before: Stamp, block: *const core::ffi::c_void) {
        let at = Address(block as u64);
        self.record(|state, recording| state.freed(before, at, recording));
    }

    /// Records that the call, made by `allocator`, has just mapped a range.
    pub fn mapped(&mut self, start: *const core::ffi::c_void, length: usize, allocator: Allocator) {
        let (at, caller) = (Address(start as u64), self.caller());
        self.record(|state, recording| state.map(&caller, at, length as u64, allocator, recording));
    }

    /// Records that a range was unmapped after the moment `before`.
    pub fn unmapped(&mut self, before: Stamp, start: *const core::ffi::c_void, length: usize) {
        let at = Address(start as u64);
        self.record(|state, recording| state.unmap(before, at, length as u64, recording));
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
        if self.block.has_ended() {
            end_again(self.block);
        }
        self.block.set_hook_sp(0);
        self.block.begin(Doing::Program);
    }
}

/// Gives the thread a state. Nothing, and recording ends, if there is no memory for it.
#[cold]
fn first_call(block: Block, session: &'static Session) -> Option<*mut ThreadState> {
    // SAFETY: a hook is at work, and this is the only right of this thread.
    let created = ThreadState::create(session, take_origin(block), &mut unsafe { Recording::begin() });
    match created {
        Ok(state) => {
            ThreadState::replace(block, state);
            block.set_stack(StackRegion::of_this_thread().bounds());
            if !block.has_ended() {
                watch_thread(session, state);
            }
            Some(state)
        }
        Err(reason) => {
            session::stop(reason);
            block.begin(Doing::Program);
            None
        }
    }
}

/// The thread's state was given back before, but the C library's own clean-up still calls us: what it got for this call
/// goes back at once, since nothing tells when the last call comes.
#[cold]
fn end_again(block: Block) {
    let state = ThreadState::replace(block, core::ptr::null_mut());
    if !state.is_null() {
        // SAFETY: the state is this thread's own, and the block has it no more.
        unsafe { ThreadState::destroy(state) };
    }
}

/// The program is about to give back a block, whether or not that is recorded: what lies in it may be something that a
/// thread reads to find its stack.
#[inline(always)]
pub fn about_to_free(block: *const core::ffi::c_void) {
    if session::active().is_some() {
        thread_states::release_block(block as usize);
    }
}

/// Likewise with a range of addresses.
#[inline]
pub fn about_to_unmap(start: *const core::ffi::c_void, length: usize) {
    if session::active().is_some() {
        thread_states::release_range(start.addr()..start.addr().saturating_add(length));
    }
}
