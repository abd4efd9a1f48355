//! What a call records of mappings.

use core::ffi::c_void;

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::record::Mapped;
use memprof_capture::ids::{Address, Stamp};

use super::{Call, OtherStack, OwnStack, Place};
use crate::thread::Caller;

impl Call {
    /// Records that the call, made by `allocator`, has just mapped a range. What that shows is found out where the record is
    /// made: there is stack for it.
    #[inline(always)]
    pub fn mapped(
        &mut self,
        start: *const c_void,
        length: usize,
        allocator: Allocator,
        shows: impl FnOnce() -> Mapped,
    ) {
        if self.is_short() {
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

    /// Records that what a range showed is shown by another one since the moment `before`; with a length of 0 by both.
    #[inline(always)]
    pub fn moved(
        &mut self,
        before: Stamp,
        old: (*const c_void, usize),
        new: (*const c_void, usize),
        allocator: Allocator,
    ) {
        if self.is_short() {
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

    /// Records that a range was unmapped after the moment `before`.
    pub fn unmapped(&mut self, before: Stamp, start: *const c_void, length: usize) {
        let at = Address(start as u64);
        self.record(|state, _, recording| state.unmap(before, at, length as u64, recording));
    }
}
