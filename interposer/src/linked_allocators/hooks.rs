//! What is called in place of an allocator's functions.
//!
//! One hook serves all functions that do the same kind of thing. Where its arguments are, which allocator it is and how
//! to call the original comes as a sixth argument: the code in front of the hook adds it. The functions have at most
//! five, all of them integers or pointers, so that passing on five registers passes on everything; what the caller did
//! not set is passed on unread.
//!
//! An allocator calls its own functions, and `mmap`: the guard of [`Call`] keeps these from being recorded once more.

use core::ffi::c_void;
use core::mem::transmute;

use memprof_channel::allocator::Allocator;

use super::functions::{Role, Size};
use crate::hooks::call::{Call, about_to_free};
use crate::platform::tls;

/// What a hook is given about the function that it is put in front of.
#[derive(Clone, Copy)]
pub struct Hooked {
    /// The code that does what the function did before.
    pub original: usize,
    /// Where the function is.
    pub function: usize,
    /// What it does.
    pub role: Role,
    /// The name that reports have for its allocator.
    pub allocator: Allocator,
}

/// A hook.
pub type Hook = unsafe extern "C" fn(usize, usize, usize, usize, usize, &Hooked) -> usize;

impl Role {
    /// The hook for functions that do this.
    pub fn hook(self) -> Hook {
        match self {
            Self::Allocates(_) => allocate,
            Self::CopiesText => copy_text,
            Self::AllocatesInto => allocate_into,
            Self::Frees { .. } => free,
            Self::Reallocates { .. } => reallocate,
            Self::Resizes => resize,
            Self::Expands => expand,
            Self::Internal => call_internal,
        }
    }
}

impl Hooked {
    /// Calls the original.
    ///
    /// # Safety
    /// As it says.
    #[inline]
    pub unsafe fn original(&self, arguments: [usize; 5]) -> usize {
        // SAFETY: the code was written to be called like this.
        let original: unsafe extern "C" fn(usize, usize, usize, usize, usize) -> usize =
            unsafe { transmute(self.original) };
        let [a, b, c, d, e] = arguments;
        // SAFETY: the caller keeps the function's contract.
        unsafe { original(a, b, c, d, e) }
    }
}

const fn at(address: usize) -> *const c_void {
    address as *const c_void
}

unsafe extern "C" fn allocate(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    let arguments = [a, b, c, d, e];
    // SAFETY: the program's own call, passed on as it came.
    unsafe {
        Call::make(
            || hooked.original(arguments),
            |call| {
                let block = hooked.original(arguments);
                if let Role::Allocates(size) = hooked.role {
                    call.allocated(at(block), size.among(&arguments), hooked.allocator);
                }
                block
            },
        )
    }
}

unsafe extern "C" fn copy_text(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    // SAFETY: the program's own call, passed on as it came; the copy is a C string.
    unsafe {
        Call::make(
            || hooked.original([a, b, c, d, e]),
            |call| {
                let text = hooked.original([a, b, c, d, e]);
                if text != 0 {
                    call.allocated(at(text), libc::strlen(at(text).cast()) + 1, hooked.allocator);
                }
                text
            },
        )
    }
}

unsafe extern "C" fn allocate_into(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    // SAFETY: the program's own call, passed on as it came; after success the block is where the first argument says.
    unsafe {
        Call::make(
            || hooked.original([a, b, c, d, e]),
            |call| {
                let status = hooked.original([a, b, c, d, e]);
                // An `int`: the upper half of the register means nothing.
                if status as u32 == 0 {
                    call.allocated(*(a as *const *const c_void), c, hooked.allocator);
                }
                status
            },
        )
    }
}

unsafe extern "C" fn free(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    let arguments = [a, b, c, d, e];
    // SAFETY: the program's own call, passed on as it came.
    unsafe {
        let Role::Frees { block } = hooked.role else { return hooked.original(arguments) };
        let block = arguments[usize::from(block)];
        if block == 0 {
            return hooked.original(arguments);
        }
        about_to_free(at(block));
        Call::make(
            || hooked.original(arguments),
            |call| {
                call.frees(at(block));
                hooked.original(arguments)
            },
        )
    }
}

unsafe extern "C" fn reallocate(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    let arguments = [a, b, c, d, e];
    // SAFETY: the program's own call, passed on as it came.
    unsafe {
        let Role::Reallocates { block, size, frees_on_failure } = hooked.role else {
            return hooked.original(arguments);
        };
        let (old, size) = (arguments[usize::from(block)], size.among(&arguments));
        Call::make(
            || hooked.original(arguments),
            |call| {
                let before = call.before_release();
                let new = hooked.original(arguments);
                if new != 0 {
                    call.reallocated(before, at(old), at(new), size, hooked.allocator);
                } else if old != 0 && (size == 0 || frees_on_failure) {
                    call.freed(before, at(old));
                }
                new
            },
        )
    }
}

unsafe extern "C" fn resize(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    let (block, size, more) = (a, b, c);
    // SAFETY: the program's own call, passed on as it came.
    unsafe {
        Call::make(
            || hooked.original([a, b, c, d, e]),
            |call| {
                let reached = hooked.original([a, b, c, d, e]);
                if reached >= size {
                    call.resized(at(block), reached.min(size.saturating_add(more)), hooked.allocator);
                }
                reached
            },
        )
    }
}

unsafe extern "C" fn expand(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    // SAFETY: the program's own call, passed on as it came.
    unsafe {
        Call::make(
            || hooked.original([a, b, c, d, e]),
            |call| {
                let block = hooked.original([a, b, c, d, e]);
                if block != 0 {
                    call.resized(at(block), Size::Of(1).among(&[a, b, c, d, e]), hooked.allocator);
                }
                block
            },
        )
    }
}

unsafe extern "C" fn call_internal(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    // SAFETY: the program's own call, passed on as it came.
    tls::apart_from_program(|| unsafe { hooked.original([a, b, c, d, e]) })
}
