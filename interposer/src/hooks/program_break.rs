//! `sbrk` and `brk`: the end of the program's data segment.
//!
//! The C library's `malloc` moves it too, by a call of its own that does not come here.

use core::ffi::{c_int, c_void};
use core::ptr;

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::record::Mapped;

use super::call::Call;
use crate::platform::real;

/// What `sbrk` returns when it fails.
const FAILED: *mut c_void = ptr::without_provenance_mut(usize::MAX);

/// Defines hooks for `sbrk` by any name.
macro_rules! hooks {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C function.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            pub unsafe extern "C" fn $name(increment: libc::intptr_t) -> *mut c_void {
                // SAFETY: the program's own call, passed on as it came.
                unsafe {
                    Call::make(
                        || if real::resolve() { real::$name(increment) } else { FAILED },
                        |call| {
                            let before = call.before_release();
                            let old = real::$name(increment);
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
            }
        )*
    };
}

hooks! {
    /// `sbrk`
    sbrk;
    /// `sbrk` by the C library's own name
    __sbrk;
}

/// `brk`
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn brk(end: *mut c_void) -> c_int {
    // SAFETY: the program's own call, passed on as it came. Asking for the present end changes nothing.
    unsafe {
        Call::make(
            || {
                if real::resolve() { real::brk(end) } else { -1 }
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
