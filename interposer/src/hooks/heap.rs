//! `malloc` and its family.
//!
//! Not here: `reallocarray`, which glibc implements by a call of `realloc` that reaches ours; `operator new`, which
//! calls `malloc`; `malloc_usable_size`, which changes nothing.

use core::ffi::{c_int, c_void};
use core::ptr;

use memprof_channel::allocator::Allocator;

use super::call::{Call, about_to_free};
use super::list::hooks;
use crate::platform::symbols::{self, early};

/// Calls a real function; while symbols are being looked up, `early` instead.
macro_rules! real_or {
    ($early:expr, $real:expr) => {
        if symbols::may_allocate() { $real } else { $early }
    };
}

/// Makes a call of a function that returns a block: the size that was asked for, the allocator, the call, and what
/// serves while the real functions are being looked up.
macro_rules! allocate {
    ($size:expr, $allocator:ident, $name:ident($($argument:ident),*), $early:expr) => {
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
    };
}

hooks! {
    /// `malloc`
    calls fn malloc(size: usize) -> *mut c_void {
        allocate!(size, Malloc, malloc(size), early::allocate(size))
    }

    /// `calloc`. The product cannot overflow where the real function returned a block.
    calls fn calloc(count: usize, size: usize) -> *mut c_void {
        let product = count.wrapping_mul(size);
        allocate!(product, Calloc, calloc(count, size), early_product(count, size))
    }

    /// `realloc`
    calls fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe { reallocate(old, size, || real::realloc(old, size)) }
    }

    /// `free`
    calls fn free(block: *mut c_void) {
        // SAFETY: the program's own call, passed on as it came.
        release(block, || unsafe { real::free(block) });
    }

    /// `posix_memalign`
    calls fn posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
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

    /// `aligned_alloc`
    calls fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        allocate!(size, AlignedAlloc, aligned_alloc(alignment, size), early_aligned(alignment, size))
    }

    /// `memalign`
    calls fn memalign(alignment: usize, size: usize) -> *mut c_void {
        allocate!(size, Memalign, memalign(alignment, size), early_aligned(alignment, size))
    }

    /// `valloc`
    calls fn valloc(size: usize) -> *mut c_void {
        allocate!(size, Valloc, valloc(size), ptr::null_mut())
    }

    /// `pvalloc`
    calls fn pvalloc(size: usize) -> *mut c_void {
        allocate!(size, Pvalloc, pvalloc(size), ptr::null_mut())
    }

    /// `cfree`, which old programs still call
    plain fn cfree(block: *mut c_void) {
        // SAFETY: the same contract.
        unsafe { free(block) }
    }

    /// `free_sized` of C23
    plain fn free_sized(block: *mut c_void, _size: usize) {
        // SAFETY: C23 defines it as `free` with a hint.
        unsafe { free(block) }
    }

    /// `free_aligned_sized` of C23
    plain fn free_aligned_sized(block: *mut c_void, _alignment: usize, _size: usize) {
        // SAFETY: C23 defines it as `free` with hints.
        unsafe { free(block) }
    }

    // The C library's own names for its functions. Programs call them that have a `malloc` of their own.

    /// `malloc` of the C library
    calls fn __libc_malloc(size: usize) -> *mut c_void {
        allocate!(size, Malloc, __libc_malloc(size), early::allocate(size))
    }

    /// `calloc` of the C library
    calls fn __libc_calloc(count: usize, size: usize) -> *mut c_void {
        let product = count.wrapping_mul(size);
        allocate!(product, Calloc, __libc_calloc(count, size), early_product(count, size))
    }

    /// `realloc` of the C library
    calls fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe { reallocate(old, size, || real::__libc_realloc(old, size)) }
    }

    /// `free` of the C library
    calls fn __libc_free(block: *mut c_void) {
        // SAFETY: the program's own call, passed on as it came.
        release(block, || unsafe { real::__libc_free(block) });
    }

    /// `memalign` of the C library
    calls fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void {
        allocate!(size, Memalign, __libc_memalign(alignment, size), early_aligned(alignment, size))
    }

    /// `valloc` of the C library
    calls fn __libc_valloc(size: usize) -> *mut c_void {
        allocate!(size, Valloc, __libc_valloc(size), ptr::null_mut())
    }

    /// `pvalloc` of the C library
    calls fn __libc_pvalloc(size: usize) -> *mut c_void {
        allocate!(size, Pvalloc, __libc_pvalloc(size), ptr::null_mut())
    }
}

/// The early arena aligns to 16 bytes. What asks for more while symbols are being looked up gets nothing: no known C
/// library does.
fn early_aligned(alignment: usize, size: usize) -> *mut c_void {
    if alignment <= 16 { early::allocate(size) } else { ptr::null_mut() }
}

/// What serves as `calloc` then.
fn early_product(count: usize, size: usize) -> *mut c_void {
    count.checked_mul(size).map_or(ptr::null_mut(), early::allocate)
}

/// Makes a call of `free` by any name.
#[inline(always)]
fn release(block: *mut c_void, real: impl Fn()) {
    if block.is_null() || early::owns(block) {
        return;
    }
    about_to_free(block);
    Call::make(
        || {
            if symbols::resolve() {
                real();
            }
        },
        |call| {
            call.frees(block);
            real();
        },
    );
}

/// Makes a call of `realloc` by any name.
///
/// # Safety
/// `real` is that call, of a block that the program has.
#[inline(always)]
unsafe fn reallocate(old: *mut c_void, size: usize, real: impl Fn() -> *mut c_void) -> *mut c_void {
    if early::owns(old) {
        // SAFETY: the line above says so, and that the block begins there says the caller.
        return unsafe { leave_early_arena(old, size) };
    }
    Call::make(
        || if symbols::resolve() { real() } else { early::allocate(size) },
        |call| {
            let before = call.before_release();
            let new = real();
            if !new.is_null() {
                call.reallocated(before, old, new, size, Allocator::Realloc);
            } else if size == 0 && !old.is_null() {
                // glibc frees the block and returns null. A failure for want of memory leaves it, but never has size 0.
                call.freed(before, old);
            }
            new
        },
    )
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
