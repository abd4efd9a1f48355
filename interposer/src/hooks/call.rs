//! One hooked call, from its entry to its return.

use core::sync::atomic::Ordering::Relaxed;

use memprof_capture::allocator::Allocator;
use memprof_capture::ids::{Address, Stamp};

use super::left_calls;
use super::threads::take_origin;
use crate::memory::MappedVec;
use crate::platform::tls::{self, Doing, ThreadBlock};
use crate::python::allocators;
use crate::session::{self, Session};
use crate::stacks::native::NativeChain;
use crate::thread::{Stop, ThreadState};
use crate::unwind::frame::{FrameState, Step};
use crate::unwind::modules::is_in_interpreter;
use crate::unwind::stack_region::StackRegion;
use crate::unwind::unwinder::Unwinder;

/// A call of the program that is to be recorded. While it exists, hooks that are called further down pass through.
pub struct Call {
    block: *mut ThreadBlock,
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
        // SAFETY: the block is this thread's own.
        let doing = unsafe { (*block).doing };
        // SAFETY: as above; the hook is the one that is being called.
        if doing != Doing::Program && !unsafe { left_calls::clear(block, hook.sp) } {
            if doing == Doing::Recording {
                count_skipped();
            }
            return None;
        }
        let session = match session::active() {
            Some(session) => session,
            None => session::start()?,
        };
        // SAFETY: as above.
        unsafe {
            (*block).doing = Doing::Real;
            (*block).hook_sp = hook.sp;
            let mut state = (*block).state;
            if state.is_null() {
                state = first_call(block, session)?;
            }
            Some(Self { block, state, session, hook, holds: false })
        }
    }

    /// The moment before a function is called that may give memory back, where that is known, and recorded, only after it.
    #[inline]
    pub fn before_release(&mut self) -> Stamp {
        let mut before = Stamp(0);
        self.record(|state| {
            before = state.hold()?;
            Ok(())
        });
        self.holds = true;
        before
    }

    /// That release has been recorded, or there was none.
    #[inline]
    fn let_go(&mut self) {
        if core::mem::take(&mut self.holds) {
            // SAFETY: the state is this thread's own, and nobody else uses it while `doing` says what it does.
            unsafe { (*self.state).let_go() };
        }
    }

    /// The present stack as that of the creator of a new thread; nothing for a thread that Python starts, or where native
    /// stacks are not recorded.
    pub fn thread_origin(&mut self) -> Option<MappedVec<u64>> {
        if !self.session.native_stacks {
            return None;
        }
        let (hook, mut origin) = (self.hook, None);
        self.record(|state| {
            origin = state.as_origin(&hook)?;
            Ok(())
        });
        origin
    }

    #[inline]
    fn record(&mut self, write: impl FnOnce(&mut ThreadState) -> Result<(), Stop>) {
        // SAFETY: block and state are this thread's own, and `doing` keeps others from using the state meanwhile.
        unsafe {
            (*self.block).doing = Doing::Recording;
            if let Err(reason) = write(&mut *self.state) {
                session::stop(reason);
            }
            (*self.block).doing = Doing::Real;
        }
    }

    /// Records that the call, made by `allocator`, has just handed out a block.
    #[inline]
    pub fn allocated(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        if !block.is_null() {
            let (mut block, mut size) = (block as usize, size);
            if allocators::is_unsettled() {
                (block, size) = self.settle_python(block, size);
            }
            let (at, hook) = (Address(block as u64), self.hook);
            self.record(|state| state.allocation(&hook, at, size as u64, allocator));
        }
    }

    /// Python is about to start, and may have chosen other allocators since the last call.
    #[cold]
    fn settle_python(&self, block: usize, size: usize) -> (usize, usize) {
        let is_python_s = match Unwinder::of_this_thread().caller(self.hook) {
            Step::Caller { frame, .. } => is_in_interpreter(frame.address.lookup()),
            Step::End | Step::Lost => false,
        };
        allocators::settle(block, size, is_python_s)
    }

    /// Records that `allocator` has left a block where it was, and changed its size.
    #[inline]
    pub fn resized(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        let (at, hook) = (Address(block as u64), self.hook);
        self.record(|state| state.resize(&hook, at, size as u64, allocator));
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
        self.record(|state| state.free(at));
    }

    /// Records that a block was given back after the moment `before`.
    #[inline]
    pub fn freed(&mut self, before: Stamp, block: *const core::ffi::c_void) {
        let at = Address(block as u64);
        self.record(|state| state.freed(before, at));
    }

    /// Records that the call, made by `allocator`, has just mapped a range.
    pub fn mapped(&mut self, start: *const core::ffi::c_void, length: usize, allocator: Allocator) {
        let (at, hook) = (Address(start as u64), self.hook);
        self.record(|state| state.map(&hook, at, length as u64, allocator));
    }

    /// Records that a range was unmapped after the moment `before`.
    pub fn unmapped(&mut self, before: Stamp, start: *const core::ffi::c_void, length: usize) {
        let at = Address(start as u64);
        self.record(|state| state.unmap(before, at, length as u64));
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
        // SAFETY: the block is this thread's own.
        unsafe {
            if (*self.block).ended {
                end_again(self.block);
            }
            (*self.block).hook_sp = 0;
            (*self.block).doing = Doing::Program;
        }
    }
}

/// Gives the thread a state. Nothing, and recording ends, if there is no memory for it.
#[cold]
fn first_call(block: *mut ThreadBlock, session: &'static Session) -> Option<*mut ThreadState> {
    // SAFETY: the block is this thread's own; its birth is used up here.
    let origin = unsafe { take_origin(core::mem::replace(&mut (*block).birth, core::ptr::null_mut())) };
    let created = ThreadState::create(session, origin);
    // SAFETY: the block is this thread's own.
    unsafe {
        match created {
            Ok(state) => {
                (*block).state = state;
                (*block).stack = StackRegion::of_this_thread();
                if !(*block).ended {
                    session::watch_thread(session, state);
                }
                Some(state)
            }
            Err(reason) => {
                session::stop(reason);
                (*block).doing = Doing::Program;
                None
            }
        }
    }
}

/// The thread's state was given back before, but the C library's own clean-up still calls us: what it got for this call
/// goes back at once, since nothing tells when the last call comes.
#[cold]
fn end_again(block: *mut ThreadBlock) {
    // SAFETY: block and state are this thread's own.
    unsafe {
        let state = core::mem::replace(&mut (*block).state, core::ptr::null_mut());
        if !state.is_null() {
            ThreadState::destroy(state);
        }
    }
}

/// Counts an event that is not recorded.
#[cold]
pub fn count_skipped() {
    if let Some(session) = session::active() {
        session.pool.header().skipped.fetch_add(1, Relaxed);
    }
}
