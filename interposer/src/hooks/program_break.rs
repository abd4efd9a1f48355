//! `sbrk` and `brk`: the end of the program's data segment.
//!
//! The C library's `malloc` moves it too, by a call of its own that does not come here.

use core::ffi::{c_int, c_void};
use core::ptr;

use memprof_channel::allocator::Allocator;
use memprof_channel::record::Mapped;

use super::call::Call;
use super::list::hooks;
use crate::platform::symbols;

/// What `sbrk` returns when it fails.
const FAILED: *mut c_void = ptr::without_provenance_mut(usize::MAX);

hooks! {
    /// `sbrk`
    calls fn sbrk(increment: libc::intptr_t) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe { move_end(increment, || real::sbrk(increment)) }
    }

    /// `sbrk` by the C library's own name
    calls fn __sbrk(increment: libc::intptr_t) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe { move_end(increment, || real::__sbrk(increment)) }
    }

    /// `brk`
    calls fn brk(end: *mut c_void) -> c_int {
        // SAFETY: the program's own call, passed on as it came. Asking for the present end changes nothing.
        unsafe {
            Call::make(
                || {
                    if symbols::resolve() { real::brk(end) } else { -1 }
                },
                |call| {
                    let old = real::sbrk(0);
                    let before = call.before_release();
                    let status = real::brk(end);
                    if status == 0 && old != FAILED {
                        if end > old {
                            call.mapped(old, end.addr() - old.addr(), Allocator::Sbrk, || Mapped::Memory);
                        } else if end < old {
                            call.unmapped(before, end, old.addr() - end.addr());
                        }
                    }
                    status
                },
            )
        }
    }
}

/// Makes a call of `sbrk` by any name.
///
/// # Safety
/// `real` is that call, with this increment.
#[inline(always)]
unsafe fn move_end(increment: libc::intptr_t, real: impl Fn() -> *mut c_void) -> *mut c_void {
    Call::make(
        || if symbols::resolve() { real() } else { FAILED },
        |call| {
            let before = call.before_release();
            let old = real();
            if old == FAILED {
                return old;
            }
            let change = increment.unsigned_abs();
            if increment > 0 {
                call.mapped(old, change, Allocator::Sbrk, || Mapped::Memory);
            } else if increment < 0 {
                call.unmapped(before, old.wrapping_byte_sub(change), change);
            }
            old
        },
    )
}
