//! One hooked call, from its entry to its return.

mod mappings;

use core::ptr::{self, NonNull};

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{Address, Stamp};

use super::{interruptions, left_calls, python_allocators};
use crate::births::{end_of_stack, take_origin};
use crate::lock::Recording;
use crate::memory::MappedVec;
use crate::platform::tls::{self, Activity, Block, Doing};
use crate::python::interpreter::{self, Interpreter};
use crate::python::thread_states::{self, Current};
use crate::python_start;
use crate::room;
use crate::session::{self, Session};
use crate::stacks::native::NativeChain;
use crate::start;
use crate::stop::Stop;
use crate::thread::{Caller, Level, ThreadState};
use crate::thread_end::watch_thread;
use crate::unwind::frame::{FrameState, Step};
use crate::unwind::modules::is_in_interpreter;
use crate::unwind::stack_region::StackRegion;
use crate::unwind::unwinder::Unwinder;

/// A call of the program that is to be recorded. While it exists, hooks that are called further down pass through.
///
/// It lies in the frame of every hook, so it is small: what can be found at once elsewhere is not kept.
pub struct Call {
    /// The thread's own. Nobody else uses it as long as the thread does not do the program's business. Null if it was
    /// lost.
    state: *mut ThreadState,
    /// The hook that was called, from which its caller is found.
    hook: FrameState,
    /// Whether the recorder waits for a release that this call may make.
    holds: bool,
    /// Whether a signal handler makes it in the middle of a record.
    interrupts: bool,
}

impl Call {
    /// Makes a call: `recorded`, unless it should just pass through: recording is off, or it comes from within another
    /// hook.
    ///
    /// Always part of the hook itself, whose frame is there until the call is over. The call stays where it is made:
    /// handed over, it would be read in larger pieces than it was written in, and the processor would wait for the
    /// writes, which costs as much as the rest of the beginning.
    #[inline(always)]
    pub fn make<R>(passes: impl FnOnce() -> R, recorded: impl FnOnce(&mut Self) -> R) -> R {
        let hook = FrameState::here();
        match Self::begin(hook.sp) {
            Some((state, interrupts)) => recorded(&mut Self { state, hook, holds: false, interrupts }),
            None => passes(),
        }
    }

    /// A call in which nothing happens but what begins and ends it.
    #[inline(always)]
    pub fn make_nothing() {
        Self::make(|| (), |_| ());
    }

    /// Begins a call in the hook with this stack pointer.
    #[inline(always)]
    fn begin(hook: usize) -> Option<(*mut ThreadState, bool)> {
        let block = tls::block();
        let session = match session::active() {
            Some(session) => session,
            None => Self::start(block, hook)?,
        };
        while !block.begin_from_program(Activity::in_hook(Doing::Real, hook)) {
            // Another hook is at work, or was and has been left.
            if !left_calls::clear(block, hook) {
                let state = Self::begin_within(block, hook)?;
                return Some((state.as_ptr(), true));
            }
        }
        let mut state = ThreadState::of(block);
        if state.is_null() {
            state = first_call(block, session, hook)?.as_ptr();
        }
        Some((state, false))
    }

    /// Recording begins with this call, unless another hook is at work, or it does not begin at all.
    #[cold]
    fn start(block: Block, hook: usize) -> Option<&'static Session> {
        let is_program_s = block.doing() == Doing::Program || left_calls::clear(block, hook);
        if is_program_s { start::start() } else { None }
    }

    /// The state for a call that is made from within another hook, if it is one that a signal handler makes in the
    /// middle of a record.
    #[cold]
    fn begin_within(block: Block, hook: usize) -> Option<NonNull<ThreadState>> {
        if block.doing() != Doing::Recording {
            return None;
        }
        // In a forked child, the record is its parent's, and nothing is recorded before it is over.
        let state = interruptions::begin(block, session::active()?, hook);
        if state.is_none() {
            session::count_skipped();
        }
        state
    }

    /// The moment before a function is called that may deallocate memory. Whether it did is known, and recorded, only
    /// afterwards.
    #[inline]
    pub fn before_release(&mut self) -> Stamp {
        let mut before = Stamp(0);
        self.record(|state, _, recording| {
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
            if let Some(state) = unsafe { self.state.as_mut() } {
                state.let_go();
            }
        }
    }

    /// The present stack as that of the creator of a new thread, without frames where native stacks are not recorded;
    /// nothing for a thread that Python is seen to start.
    pub fn thread_origin(&mut self) -> Option<MappedVec<u64>> {
        if !session::known()?.native_stacks {
            return Some(MappedVec::new());
        }
        let (python, mut origin) = (self.python(), None);
        self.record(|state, hook, recording| {
            origin = state.as_origin(&Caller { hook, python }, recording)?;
            Ok(())
        });
        origin
    }

    /// The program has given the thread another name. What a handler records in the middle of a record is listed under
    /// a name of its own, which stays.
    pub fn renamed(&mut self) {
        if !self.interrupts {
            self.record(|state, _, recording| state.renamed(recording));
        }
    }

    /// What Python says of who calls. In the middle of a record, where its frames may just be read, they are not read
    /// once more.
    #[inline]
    fn python(&mut self) -> Option<(&'static Interpreter, Current)> {
        match interpreter::present() {
            _ if self.interrupts => None,
            Some(interpreter) if interpreter.has_own_current => self.ask(interpreter),
            Some(interpreter) => Some((interpreter, interpreter.current_state())),
            None => None,
        }
    }

    /// Asks the interpreter which thread state is current. To answer that, the loader may allocate. As seen from
    /// outside, it is the program that asks: what is allocated is recorded, without Python's frames.
    #[inline]
    fn ask(&mut self, interpreter: &'static Interpreter) -> Option<(&'static Interpreter, Current)> {
        let block = tls::block();
        let (sp, asking) = (self.hook.sp, block.asking_sp());
        // One asks further out. (If a handler has jumped away from it, this is so until the thread calls from further
        // out.)
        if asking > sp {
            return None;
        }
        block.set_asking_sp(sp);
        block.begin(Activity::PROGRAM);
        let current = interpreter.current_state();
        while !block.begin_from_program(Activity::in_hook(Doing::Real, sp)) {
            left_calls::clear_above(block);
        }
        if ThreadState::of(block) != self.state {
            // A record was left that was made with it, and there may be another one since then.
            let other = NonNull::new(ThreadState::of(block)).or_else(|| first_call(block, session::known()?, sp));
            self.state = other.map_or(ptr::null_mut(), NonNull::as_ptr);
        }
        block.set_asking_sp(0);
        Some((interpreter, current))
    }

    #[inline(always)]
    fn record(&mut self, write: impl FnOnce(&mut ThreadState, &FrameState, &mut Recording) -> Result<(), Stop>) {
        if self.is_short() { self.record_with_room(write) } else { self.record_in::<OwnStack>(write) }
    }

    /// Not part of the hook, whose frame stays on the stack while the real function runs.
    #[cold]
    #[inline(never)]
    fn record_with_room(
        &mut self,
        write: impl FnOnce(&mut ThreadState, &FrameState, &mut Recording) -> Result<(), Stop>,
    ) {
        self.record_in::<OtherStack>(write);
    }

    /// Makes a record in a place.
    #[inline(always)]
    fn record_in<P: Place>(
        &mut self,
        write: impl FnOnce(&mut ThreadState, &FrameState, &mut Recording) -> Result<(), Stop>,
    ) {
        // SAFETY: see the field.
        let Some(state) = (unsafe { self.state.as_mut() }) else { return };
        let block = tls::block();
        block.begin(Activity::in_hook(Doing::Recording, self.hook.sp));
        // SAFETY: the line above says what the thread does, which ends below.
        let recording = &mut unsafe { Recording::begin() };
        if let Err(reason) = P::run(state, |state| write(state, &self.hook, recording)) {
            session::stop(reason);
        }
        block.begin(Activity::in_hook(Doing::Real, self.hook.sp));
    }

    /// Whether the thread's own stack may have too little room for a record.
    #[inline(always)]
    fn is_short(&self) -> bool {
        room::is_short(tls::block(), self.hook.sp)
    }

    /// Records that the call, made by `allocator`, has just allocated a block.
    #[inline(always)]
    pub fn allocated(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        // The hook decides where: what it calls takes much of a stack that is about to end.
        if self.is_short() {
            self.allocated_in::<OtherStack>(block, size, allocator);
        } else {
            self.allocated_in::<OwnStack>(block, size, allocator);
        }
    }

    #[inline(never)]
    fn allocated_in<P: Place>(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        if !block.is_null() {
            let (mut block, mut size) = (block as usize, size);
            if (python_allocators::is_unsettled() || python_start::is_expected()) && !self.interrupts {
                (block, size) = self.settle_python(block, size);
            }
            let python = self.python();
            // One reference goes along to the other stack, instead of one for each.
            let made = &(python, Address(block as u64), size as u64, allocator);
            self.record_in::<P>(move |state, hook, recording| {
                let &(python, at, size, by) = made;
                state.allocation(&Caller { hook, python }, at, size, by, recording)
            });
        }
    }

    /// Python is about to start, and may have chosen other allocators since the last call; or it has been loaded, and
    /// this may be its first call.
    #[cold]
    fn settle_python(&self, block: usize, size: usize) -> (usize, usize) {
        // SAFETY: the real function runs, as far as others see, and nothing else of this thread has the right.
        let recording = &mut unsafe { Recording::begin() };
        let caller = self.caller(recording);
        if python_start::is_expected() {
            python_start::note_call_from(caller, recording);
        }
        if !python_allocators::is_unsettled() {
            return (block, size);
        }
        python_allocators::settle(block, size, is_in_interpreter(caller))
    }

    /// The address that the hook was called from, or 0.
    fn caller(&self, recording: &mut Recording) -> usize {
        match Unwinder::of_this_thread().walk(recording).caller(self.hook) {
            Step::Caller { frame, .. } => frame.address.lookup(),
            Step::End | Step::Lost => 0,
        }
    }

    /// Records that `allocator` has left a block where it was, and changed its size.
    #[inline]
    pub fn resized(&mut self, block: *const core::ffi::c_void, size: usize, allocator: Allocator) {
        let (at, python) = (Address(block as u64), self.python());
        self.record(|state, hook, recording| {
            state.resize(&Caller { hook, python }, at, size as u64, allocator, recording)
        });
    }

    /// Records that `allocator` has turned the block `old`, if there was one, into `new`, in a call that began at
    /// `before`.
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

    /// Records that a block is about to be deallocated.
    #[inline]
    pub fn frees(&mut self, block: *const core::ffi::c_void) {
        let at = Address(block as u64);
        self.record(|state, _, recording| state.free(at, recording));
    }

    /// Records that a block was deallocated after the moment `before`.
    #[inline]
    pub fn freed(&mut self, before: Stamp, block: *const core::ffi::c_void) {
        let at = Address(block as u64);
        self.record(|state, _, recording| state.freed(before, at, recording));
    }
}

/// Where a record is made.
trait Place {
    fn run<R>(state: &mut ThreadState, act: impl FnOnce(&mut ThreadState) -> R) -> R;
}

/// On the stack that the thread runs on.
struct OwnStack;

impl Place for OwnStack {
    #[inline(always)]
    fn run<R>(state: &mut ThreadState, act: impl FnOnce(&mut ThreadState) -> R) -> R {
        act(state)
    }
}

/// On a spare one: see [`room`].
struct OtherStack;

impl Place for OtherStack {
    #[inline(always)]
    fn run<R>(state: &mut ThreadState, act: impl FnOnce(&mut ThreadState) -> R) -> R {
        state.with_room(act)
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
        let block = tls::block();
        if ThreadState::of(block) != self.state {
            left_calls::leave_levels_above(block, self.state);
        }
        if self.interrupts {
            interruptions::end(block);
            return;
        }
        if block.has_ended() {
            end_again(block);
        }
        block.begin(Activity::PROGRAM);
    }
}

/// Gives the thread a state, in the hook with this stack pointer. Nothing, and recording ends, if there is no memory
/// for it.
#[cold]
fn first_call(block: Block, session: &'static Session, hook: usize) -> Option<NonNull<ThreadState>> {
    // Where the stack ends is found now, so that handlers that interrupt records know it. To ask for it takes as much
    // of the stack as a record.
    if end_of_stack(block).is_some_and(|end| room::is_near(hook, end)) || room::is_short_in_handlers(block, hook) {
        room::with_room(&mut None, StackRegion::of_this_thread);
    } else {
        let _ = StackRegion::of_this_thread();
    }
    // SAFETY: a hook is at work, and this is the only right of this thread.
    let recording = &mut unsafe { Recording::begin() };
    match ThreadState::create(session, Level::Program, take_origin(block), hook, recording) {
        Ok(state) => {
            ThreadState::replace(block, state.as_ptr());
            if !block.has_ended() {
                watch_thread(session, state);
            }
            Some(state)
        }
        Err(reason) => {
            session::stop(reason);
            block.begin(Activity::PROGRAM);
            None
        }
    }
}

/// The thread's state was released before, but the C library's own clean-up still calls us. What it got for this call
/// is released at once, since nothing says which call is the last.
#[cold]
fn end_again(block: Block) {
    if let Some(state) = NonNull::new(ThreadState::replace(block, ptr::null_mut())) {
        // SAFETY: the state is this thread's own, and the block has it no more.
        unsafe { ThreadState::destroy(state) };
    }
}

/// The program is about to deallocate a block, whether or not that is recorded: what lies in it may be something that a
/// thread reads to find its stack.
#[inline(always)]
pub fn about_to_free(block: *const core::ffi::c_void) {
    if thread_states::is_block(block as usize) && session::active().is_some() {
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
