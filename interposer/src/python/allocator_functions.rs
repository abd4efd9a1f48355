//! The interpreter's functions by which an application puts its own allocators before Python's (Doc/c-api/memory.rst).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::symbols::Symbols;

/// `PyMemAllocatorEx` (Include/cpython/pymem.h): the same in all versions that have it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Functions {
    /// Passed to each of them.
    pub context: *mut c_void,
    /// As the C function.
    pub malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    /// As the C function.
    pub calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    /// As the C function.
    pub realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    /// As the C function.
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

const _: () = assert!(size_of::<Functions>() == 40);

/// `PyMemAllocatorDomain`: RAW, MEM and OBJ.
const DOMAINS: [c_int; 3] = [0, 1, 2];

/// The interpreter's functions that have to do with allocators.
#[derive(Clone, Copy)]
pub struct AllocatorFunctions {
    get: unsafe extern "C" fn(c_int, *mut Functions),
    set: unsafe extern "C" fn(c_int, *mut Functions),
    is_initialized: unsafe extern "C" fn() -> c_int,
    name: Option<unsafe extern "C" fn() -> *const c_char>,
    /// Whether `name` may be called before Python begins to start.
    named_early: bool,
}

impl AllocatorFunctions {
    /// Those of an interpreter; nothing where some are missing. They need no layout.
    pub fn of(symbols: &Symbols, named_early: bool) -> Option<Self> {
        let Symbols { get_allocator, set_allocator, is_initialized, allocator_name, .. } = *symbols;
        if [get_allocator, set_allocator, is_initialized].contains(&0) {
            return None;
        }
        // SAFETY: these are the addresses of C functions with these signatures: Include/cpython/pymem.h,
        // Include/pylifecycle.h and Include/internal/pycore_pymem.h.
        unsafe {
            Some(Self {
                get: transmute::<usize, unsafe extern "C" fn(c_int, *mut Functions)>(get_allocator),
                set: transmute::<usize, unsafe extern "C" fn(c_int, *mut Functions)>(set_allocator),
                is_initialized: transmute::<usize, unsafe extern "C" fn() -> c_int>(is_initialized),
                named_early,
                name: (allocator_name != 0)
                    .then(|| transmute::<usize, unsafe extern "C" fn() -> *const c_char>(allocator_name)),
            })
        }
    }

    /// The functions that each domain has now: RAW, MEM and OBJ.
    pub fn present(&self) -> [Functions; 3] {
        DOMAINS.map(|domain| {
            let mut present = MaybeUninit::<Functions>::uninit();
            // SAFETY: fills the structure for a valid domain; allowed at any time.
            unsafe {
                (self.get)(domain, present.as_mut_ptr());
                present.assume_init()
            }
        })
    }

    /// Gives other functions to a domain.
    ///
    /// # Safety
    /// They do what the present ones do, and their context lives for ever.
    pub unsafe fn set(&self, domain: usize, mut functions: Functions) {
        // SAFETY: allowed before Python runs, and the caller vouches for the functions.
        unsafe { (self.set)(DOMAINS[domain], &raw mut functions) };
    }

    /// Whether Python has been initialised.
    pub fn is_initialized(&self) -> bool {
        // SAFETY: it only reads a flag.
        unsafe { (self.is_initialized)() != 0 }
    }

    /// The name of the present functions, if they are Python's own.
    pub fn own_name(&self) -> Option<&'static CStr> {
        // SAFETY: it compares the allocators in use with the known ones, and returns a static name, or null if it does
        // not know them.
        unsafe {
            let name = (self.name?)();
            if name.is_null() { None } else { Some(CStr::from_ptr(name)) }
        }
    }

    /// Notes the name of the functions that are there before Python begins to start: once others are put before its
    /// own, Python does not know it any more.
    pub fn remember_first_name(&self, present: &[Functions; 3]) {
        if self.named_early {
            self.remember_name();
        } else {
            let pools = present[0].malloc as usize != present[2].malloc as usize;
            NAME.store(if pools { c"pymalloc" } else { c"malloc" }.as_ptr().cast_mut(), Release);
        }
    }

    /// Likewise, later. Returns it.
    pub fn remember_name(&self) -> Option<&'static CStr> {
        let name = self.own_name()?;
        NAME.store(name.as_ptr().cast_mut(), Release);
        Some(name)
    }

    /// The name of the allocator that is used by `PyMem_Malloc` and `PyObject_Malloc`.
    pub fn current_name(&self) -> &'static [u8] {
        let remembered = NAME.load(Acquire);
        if !remembered.is_null() {
            // SAFETY: a static C string of the interpreter.
            return unsafe { CStr::from_ptr(remembered) }.to_bytes();
        }
        if self.name.is_none() {
            return b"";
        }
        self.own_name().map_or(b"custom", CStr::to_bytes)
    }
}

static NAME: AtomicPtr<c_char> = AtomicPtr::new(core::ptr::null_mut());
