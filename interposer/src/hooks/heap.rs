//! `malloc` and its family.
//!
//! Not here: `reallocarray`, which glibc implements by a call of `realloc` that reaches ours; `operator new`, which calls
//! `malloc`; `malloc_usable_size`, which changes nothing.

use core::ffi::{c_int, c_void};
use core::ptr;

use memprof_capture::allocator::Allocator;

use super::call::{Call, about_to_free};
use crate::platform::real::{self, early};

/// Calls a real function; while symbols are being looked up, `early` instead.
macro_rules! real_or {
    ($early:expr, $real:expr) => {
        if real::may_allocate() { $real } else { $early }
    };
}

/// Defines hooks for functions that return a block: name, arguments, the size that was asked for, the allocator, and
/// what serves while the real functions are being looked up.
macro_rules! allocating_hooks {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*), $size:expr, $allocator:ident, $early:expr;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C function.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> *mut c_void {
                // SAFETY: the program's own call, passed on as it came.
                unsafe {
                    Call::make(
                        || real_or!($early, real::$name($($argument),*)),
                        |call| {
                            let block = real::$name($($argument),*);
                            call.allocated(block, $size, Allocator::$allocator);
                            block
                        },
                    )
                }
            }
        )*
    };
}

/// The early arena aligns to 16 bytes. What asks for more while symbols are being looked up gets nothing: no known C
/// library does.
fn early_aligned(alignment: usize, size: usize) -> *mut c_void {
    if alignment <= 16 { early::allocate(size) } else { ptr::null_mut() }
}

allocating_hooks! {
    /// `malloc`
    malloc(size: usize), size, Malloc, early::allocate(size);
    /// `calloc`. The product cannot overflow where the real function returned a block.
    calloc(count: usize, size: usize), count.wrapping_mul(size), Calloc,
        count.checked_mul(size).map_or(ptr::null_mut(), early::allocate);
    /// `aligned_alloc`
    aligned_alloc(alignment: usize, size: usize), size, AlignedAlloc, early_aligned(alignment, size);
    /// `memalign`
    memalign(alignment: usize, size: usize), size, Memalign, early_aligned(alignment, size);
    /// `valloc`
    valloc(size: usize), size, Valloc, ptr::null_mut();
    /// `pvalloc`
    pvalloc(size: usize), size, Pvalloc, ptr::null_mut();

    // The C library's own names for its functions. Programs call them that have a `malloc` of their own.
    /// `malloc` of the C library
    __libc_malloc(size: usize), size, Malloc, early::allocate(size);
    /// `calloc` of the C library
    __libc_calloc(count: usize, size: usize), count.wrapping_mul(size), Calloc,
        count.checked_mul(size).map_or(ptr::null_mut(), early::allocate);
    /// `memalign` of the C library
    __libc_memalign(alignment: usize, size: usize), size, Memalign, early_aligned(alignment, size);
    /// `valloc` of the C library
    __libc_valloc(size: usize), size, Valloc, ptr::null_mut();
    /// `pvalloc` of the C library
    __libc_pvalloc(size: usize), size, Pvalloc, ptr::null_mut();
}

/// `posix_memalign`
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: the program's own call, passed on as it came; after success `out` holds the block.
    unsafe {
        Call::make(
            || real_or!(libc::ENOMEM, real::posix_memalign(out, alignment, size)),
            |call| {
                let status = real::posix_memalign(out, alignment, size);
                if status == 0 {
                    call.allocated(*out, size, Allocator::PosixMemalign);
                }
                status
            },
        )
    }
}

/// Defines hooks for functions that take a block back.
macro_rules! freeing_hooks {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C function.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            pub unsafe extern "C" fn $name(block: *mut c_void) {
                if block.is_null() || early::owns(block) {
                    return;
                }
                about_to_free(block);
                // SAFETY: the program's own call, passed on as it came.
                unsafe {
                    Call::make(
                        || {
                            if real::resolve() {
                                real::$name(block);
                            }
                        },
                        |call| {
                            call.frees(block);
                            real::$name(block);
                        },
                    );
                }
            }
        )*
    };
}

freeing_hooks! {
    /// `free`
    free;
    /// `free` of the C library
    __libc_free;
}

/// Defines hooks for `realloc` by any name.
macro_rules! resizing_hooks {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C function.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            pub unsafe extern "C" fn $name(old: *mut c_void, size: usize) -> *mut c_void {
                // SAFETY: the program's own call, passed on as it came.
                unsafe {
                    if early::owns(old) {
                        return leave_early_arena(old, size);
                    }
                    Call::make(
                        || if real::resolve() { real::$name(old, size) } else { early::allocate(size) },
                        |call| {
                            let before = call.before_release();
                            let new = real::$name(old, size);
                            if !new.is_null() {
                                call.reallocated(before, old, new, size, Allocator::Realloc);
                            } else if size == 0 && !old.is_null() {
                                // glibc frees the block and returns null. A failure for want of memory leaves it, but
                                // never has size 0.
                                call.freed(before, old);
                            }
                            new
                        },
                    )
                }
            }
        )*
    };
}

resizing_hooks! {
    /// `realloc`
    realloc;
    /// `realloc` of the C library
    __libc_realloc;
}

/// Moves a block of the early arena to where the program's other blocks are.
///
/// # Safety
/// `old` is a block of the early arena.
unsafe fn leave_early_arena(old: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the new block has room for what is copied, and the two do not overlap.
    unsafe {
        let new = malloc(size);
        if !new.is_null() {
            ptr::copy_nonoverlapping(old.cast::<u8>(), new.cast::<u8>(), early::size_of(old).min(size));
        }
        new
    }
}

/// `cfree`, which old programs still call
///
/// # Safety
/// As [`free`].
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn cfree(block: *mut c_void) {
    // SAFETY: the same contract.
    unsafe { free(block) }
}

/// `free_sized` of C23
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn free_sized(block: *mut c_void, _size: usize) {
    // SAFETY: C23 defines it as `free` with a hint.
    unsafe { free(block) }
}

/// `free_aligned_sized` of C23
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn free_aligned_sized(block: *mut c_void, _alignment: usize, _size: usize) {
    // SAFETY: C23 defines it as `free` with hints.
    unsafe { free(block) }
}
