//! What a call records of mappings.

use core::ffi::c_void;

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{Address, Stamp};
use memprof_channel::record::Mapped;

use super::{Call, OtherStack, OwnStack, Place};
use crate::internal_mappings;
use crate::lock::Recording;
use crate::platform::tls;
use crate::room;
use crate::thread::Caller;
use crate::unwind::modules::{has_interpreter, is_in_interpreter};

impl Call {
    /// Whether the stack may have too little room for a record. Handlers call these functions, on stacks of their own:
    /// when a page is touched for the first time, say.
    #[inline(always)]
    fn is_short_in_handlers(&self) -> bool {
        room::is_short_in_handlers(tls::block(), self.hook.sp)
    }

    /// Whether Python's own code makes the call.
    #[cold]
    #[inline(never)]
    pub fn is_interpreter_s(&self) -> bool {
        if !has_interpreter() || self.interrupts || self.is_short_in_handlers() {
            return false;
        }
        // SAFETY: the real function runs, as far as others see, and nothing else of this thread has the right.
        let recording = &mut unsafe { Recording::begin() };
        is_in_interpreter(self.caller(recording))
    }

    /// Records that the call, made by `allocator`, has just mapped a range. What that shows is found out where the
    /// record is made: there is stack for it.
    #[inline(always)]
    pub fn mapped(
        &mut self,
        start: *const c_void,
        length: usize,
        allocator: Allocator,
        shows: impl FnOnce() -> Mapped,
    ) {
        if self.is_short_in_handlers() {
            self.mapped_in::<OtherStack>(start, length, allocator, shows);
        } else {
            self.mapped_in::<OwnStack>(start, length, allocator, shows);
        }
    }

    #[inline(never)]
    fn mapped_in<P: Place>(
        &mut self,
        start: *const c_void,
        length: usize,
        allocator: Allocator,
        shows: impl FnOnce() -> Mapped,
    ) {
        let made = &(self.python(), Address(start as u64), length as u64, allocator);
        self.record_in::<P>(move |state, hook, recording| {
            let &(python, at, size, by) = made;
            state.map(&Caller { hook, python }, at, size, by, shows(), recording)
        });
    }

    /// Records that who may touch a range has changed.
    #[inline(always)]
    pub fn protected(&mut self, start: *const c_void, length: usize, allocator: Allocator) {
        if self.is_short_in_handlers() {
            self.protected_in::<OtherStack>(start, length, allocator);
        } else {
            self.protected_in::<OwnStack>(start, length, allocator);
        }
    }

    #[inline(never)]
    fn protected_in<P: Place>(&mut self, start: *const c_void, length: usize, allocator: Allocator) {
        let made = &(self.python(), Address(start as u64), length as u64, allocator);
        self.record_in::<P>(move |state, hook, recording| {
            let &(python, at, size, by) = made;
            state.protect(&Caller { hook, python }, at, size, by, recording)
        });
    }

    /// Records that what a range showed is shown by another one since the moment `before`; with a length of 0 by both.
    #[inline(always)]
    pub fn moved(
        &mut self,
        before: Stamp,
        old: (*const c_void, usize),
        new: (*const c_void, usize),
        allocator: Allocator,
    ) {
        if self.is_short_in_handlers() {
            self.moved_in::<OtherStack>(before, old, new, allocator);
        } else {
            self.moved_in::<OwnStack>(before, old, new, allocator);
        }
    }

    #[inline(never)]
    fn moved_in<P: Place>(
        &mut self,
        before: Stamp,
        (old, old_length): (*const c_void, usize),
        (start, length): (*const c_void, usize),
        by: Allocator,
    ) {
        // Python is asked before the record: nothing comes between its two events.
        let (old, new) = ((Address(old as u64), old_length as u64), (Address(start as u64), length as u64));
        let made = &(self.python(), before, old, new, by);
        self.record_in::<P>(move |state, hook, recording| {
            let &(python, before, old, new, by) = made;
            state.remap(&Caller { hook, python }, before, old, new, by, recording)
        });
    }

    /// The moment before a function is called that may unmap something: see [`Self::before_release`].
    #[inline(never)]
    pub fn before_unmapping(&mut self) -> Stamp {
        if self.is_short_in_handlers() { self.before_unmapping_with_room() } else { self.before_release() }
    }

    #[cold]
    #[inline(never)]
    fn before_unmapping_with_room(&mut self) -> Stamp {
        let mut before = Stamp(0);
        self.record_in::<OtherStack>(|state, _, recording| {
            before = state.hold(recording)?;
            Ok(())
        });
        self.holds = true;
        before
    }

    /// Records that a range was unmapped after the moment `before`.
    pub fn unmapped(&mut self, before: Stamp, start: *const c_void, length: usize) {
        if self.is_short_in_handlers() {
            self.unmapped_in::<OtherStack>(before, start, length);
        } else {
            self.unmapped_in::<OwnStack>(before, start, length);
        }
    }

    #[inline(never)]
    fn unmapped_in<P: Place>(&mut self, before: Stamp, start: *const c_void, length: usize) {
        let at = Address(start as u64);
        self.record_in::<P>(|state, _, recording| state.unmap(before, at, length as u64, recording));
    }

    /// The call has mapped a range, or is about to unmap it: no allocator has it for itself any more. Whether one had
    /// all of it, so that its end is not to be recorded.
    pub fn takes_internal(&mut self, start: *const c_void, length: usize) -> bool {
        if !internal_mappings::are_any() {
            false
        } else if self.is_short_in_handlers() {
            self.takes_internal_in::<OtherStack>(start, length)
        } else {
            self.takes_internal_in::<OwnStack>(start, length)
        }
    }

    #[inline(never)]
    fn takes_internal_in<P: Place>(&mut self, start: *const c_void, length: usize) -> bool {
        let mut internal = false;
        self.record_in::<P>(|_, _, recording| {
            internal = internal_mappings::remove(start.addr(), length, recording);
            Ok(())
        });
        internal
    }
}
