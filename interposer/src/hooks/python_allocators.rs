//! Python's own allocators: `PyMem_RawMalloc`, `PyMem_Malloc`, `PyObject_Malloc` and their families.
//!
//! CPython lets an application put its own functions before those of each domain (`PyMem_SetAllocator`,
//! Doc/c-api/memory.rst). That works before Python is initialised, so that every block is seen from the first one on.
//! What these functions call in turn (`malloc` for large blocks, `mmap` for arenas) is part of the same call, and not
//! recorded a second time.
//!
//! While Python starts it may choose other allocators (`PYTHONMALLOC`, `-X dev`), which replaces ours: until it is
//! initialised, each call of the C library's allocator checks whether that has happened. From 3.13 on, a Python that
//! has ended and begins again has its own ones again at first. That it has ended is seen when it deallocates what the
//! first domain has allocated.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

use memprof_channel::allocator::Allocator;

use super::call::Call;
use crate::python::allocator_functions::{AllocatorFunctions, Functions};

/// The functions that ours are put before. Python may keep ours and put them back later, so none of these is ever
/// changed.
struct Originals {
    slots: UnsafeCell<[MaybeUninit<Functions>; MOST]>,
    used: AtomicUsize,
}

/// Three domains, set up once or twice; each time that Python replaces them for a while may take another.
const MOST: usize = 32;
/// The domain of `PyMem_RawMalloc`.
const FIRST_DOMAIN: usize = 0;

// SAFETY: a slot is written once, by the one thread that has claimed it, before its address is given to Python.
unsafe impl Sync for Originals {}

static ORIGINALS: Originals =
    Originals { slots: UnsafeCell::new([const { MaybeUninit::uninit() }; MOST]), used: AtomicUsize::new(0) };
static INTERPRETER: AtomicPtr<AllocatorFunctions> = AtomicPtr::new(core::ptr::null_mut());
static UNSETTLED: AtomicBool = AtomicBool::new(false);
/// Whether Python has ended, and not begun again.
static ENDED: AtomicBool = AtomicBool::new(false);
static CHECKING: AtomicBool = AtomicBool::new(false);

/// Puts our functions before those of all domains, and keeps them there while Python starts.
pub fn record(functions: &'static AllocatorFunctions) {
    INTERPRETER.store(core::ptr::from_ref(functions).cast_mut(), Release);
    let present = functions.present();
    functions.remember_first_name(&present);
    put_before(functions, present);
    UNSETTLED.store(true, Release);
}

/// The interpreter has been unloaded.
pub fn stop_recording() {
    UNSETTLED.store(false, Release);
    INTERPRETER.store(core::ptr::null_mut(), Release);
}

/// Whether there is an interpreter whose allocators are recorded.
pub fn are_recorded() -> bool {
    !INTERPRETER.load(Acquire).is_null()
}

impl Originals {
    /// A slot that holds these. Only one caller at a time asks for one.
    fn slot_with(&self, functions: Functions) -> Option<*mut Functions> {
        let used = self.used.load(Acquire);
        let slot = |number: usize| self.slots.get().cast::<Functions>().wrapping_add(number);
        // SAFETY: slots below their number have been written, and are not any more.
        if let Some(known) = (0..used).map(slot).find(|&slot| are_same(unsafe { &*slot }, &functions)) {
            return Some(known);
        }
        if used == MOST {
            return None;
        }
        // SAFETY: the slot is within the array, this call's alone, and not read before its number is raised.
        unsafe { slot(used).write(functions) };
        self.used.store(used + 1, Release);
        Some(slot(used))
    }
}

fn are_same(one: &Functions, other: &Functions) -> bool {
    let addresses = |functions: &Functions| {
        let Functions { context, malloc, calloc, realloc, free } = *functions;
        [context as usize, malloc as usize, calloc as usize, realloc as usize, free as usize]
    };
    addresses(one) == addresses(other)
}

fn are_ours(functions: &Functions) -> bool {
    functions.malloc as usize == malloc as *const () as usize
}

/// Puts our functions before these, where they are not ours already.
fn put_before(functions: &AllocatorFunctions, present: [Functions; 3]) {
    for (domain, present) in present.into_iter().enumerate().filter(|(_, present)| !are_ours(present)) {
        let Some(original) = ORIGINALS.slot_with(present) else { return };
        let free = if domain == FIRST_DOMAIN { free_raw } else { free };
        // SAFETY: our functions do what the original ones do, whose slot lives for ever.
        unsafe { functions.set(domain, Functions { context: original.cast(), malloc, calloc, realloc, free }) };
    }
}

/// Whether Python may still replace its allocators.
#[inline]
pub fn is_unsettled() -> bool {
    UNSETTLED.load(Relaxed)
}

/// Bytes that the debug hooks put before a block, and in all (Objects/obmalloc.c, `_PyMem_DebugRawAlloc`: two words
/// before it, one after it).
const DEBUG_BEFORE: usize = 16;
const DEBUG_EXTRA: usize = 24;

/// Checks whether Python has replaced its allocators. If so, the C library's block at hand may be on its way through
/// the new ones: returns the block and its size as Python will know them.
#[cold]
pub fn settle(block: usize, size: usize, is_python_s: bool) -> (usize, usize) {
    // Once it has ended, its library may be about to go: nothing of it is called, but where it calls itself.
    if ENDED.load(Acquire) && !is_python_s || CHECKING.swap(true, AcqRel) {
        return (block, size);
    }
    // SAFETY: `record` stored a reference that lives forever.
    let Some(functions) = (unsafe { INTERPRETER.load(Acquire).as_ref() }) else {
        CHECKING.store(false, Release);
        return (block, size);
    };
    let present = functions.present();
    // Python also replaces the functions of the first domain alone, for moments.
    let chosen = if present.iter().any(are_ours) { None } else { functions.remember_name() };
    put_before(functions, present);
    if functions.is_initialized() {
        UNSETTLED.store(false, Release);
        ENDED.store(false, Release);
    }
    CHECKING.store(false, Release);
    let is_debug = chosen.is_some_and(|name| name.to_bytes().ends_with(b"_debug"));
    if is_debug && is_python_s && size >= DEBUG_EXTRA {
        return (block + DEBUG_BEFORE, size - DEBUG_EXTRA);
    }
    (block, size)
}

/// The functions that a context represents.
///
/// # Safety
/// `context` is one that [`put_before`] gave to Python.
#[inline]
unsafe fn original(context: *mut c_void) -> &'static Functions {
    // SAFETY: it is the address of a slot that was written.
    unsafe { &*context.cast::<Functions>() }
}

unsafe extern "C" fn malloc(context: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: Python's own call, passed on as it came.
    unsafe {
        let real = original(context);
        Call::make(
            || (real.malloc)(real.context, size),
            |call| {
                let block = (real.malloc)(real.context, size);
                call.allocated(block, size, Allocator::PymallocMalloc);
                block
            },
        )
    }
}

unsafe extern "C" fn calloc(context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    // SAFETY: Python's own call, passed on as it came.
    unsafe {
        let real = original(context);
        Call::make(
            || (real.calloc)(real.context, count, size),
            |call| {
                let block = (real.calloc)(real.context, count, size);
                // The product cannot overflow where there is a block.
                call.allocated(block, count.wrapping_mul(size), Allocator::PymallocCalloc);
                block
            },
        )
    }
}

unsafe extern "C" fn realloc(context: *mut c_void, old: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: Python's own call, passed on as it came.
    unsafe {
        let real = original(context);
        Call::make(
            || (real.realloc)(real.context, old, size),
            |call| {
                let before = call.before_release();
                let new = (real.realloc)(real.context, old, size);
                if new.is_null() {
                    // The old block stays: Python's functions never free by a size of zero.
                    return new;
                }
                call.reallocated(before, old, new, size, Allocator::PymallocRealloc);
                new
            },
        )
    }
}

unsafe extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    // SAFETY: Python's own call, passed on as it came.
    unsafe {
        let real = original(context);
        if block.is_null() {
            return (real.free)(real.context, block);
        }
        Call::make(
            || (real.free)(real.context, block),
            |call| {
                call.frees(block);
                (real.free)(real.context, block);
            },
        )
    }
}

/// That of the first domain.
unsafe extern "C" fn free_raw(context: *mut c_void, block: *mut c_void) {
    // SAFETY: Python's own call, passed on as it came.
    unsafe { free(context, block) };
    // SAFETY: `record` stored a reference that lives for ever, before Python had this function.
    let Some(functions) = (unsafe { INTERPRETER.load(Acquire).as_ref() }) else { return };
    // Its last interpreter goes when it has ended. It may begin again, with other allocators.
    if !is_unsettled() && !functions.is_initialized() {
        ENDED.store(true, Release);
        UNSETTLED.store(true, Release);
    }
}
