//! Compares every stack with what another unwinder finds: libunwind's `unw_backtrace`. For tests and for doubts; a
//! program under it is slow.
//!
//! `MEMPROF_CHECK_STACKS` names the library.

use core::ffi::{CStr, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use memprof_channel::layout::PoolHeader;

use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::say;
use crate::platform::tls;
use crate::stacks::native::NativeMemo;

const VARIABLE: &CStr = c"MEMPROF_CHECK_STACKS";

/// `int unw_backtrace(void **buffer, int size)`, as in libc's `backtrace`.
type Backtrace = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;

static BACKTRACE: AtomicUsize = AtomicUsize::new(0);

/// Loads the other unwinder, if the environment asks for it.
pub fn prepare() {
    // SAFETY: the names are C strings; nobody changes the environment while the first allocation is made.
    #[expect(clippy::disallowed_methods, reason = "once, at the start, and only where somebody asks for it")]
    let found = unsafe {
        let library = libc::getenv(VARIABLE.as_ptr());
        if library.is_null() {
            return;
        }
        let library = libc::dlopen(library, libc::RTLD_NOW | libc::RTLD_LOCAL);
        if library.is_null() { core::ptr::null_mut() } else { libc::dlsym(library, c"unw_backtrace".as_ptr()) }
    };
    if found.is_null() {
        say("memprof: MEMPROF_CHECK_STACKS names no library with unw_backtrace: stacks are not compared\n");
    }
    BACKTRACE.store(found as usize, Release);
}

/// A thread's room for the other unwinder's stacks.
pub struct StackChecker {
    backtrace: Backtrace,
    addresses: MappedVec<usize>,
}

/// Deeper stacks are compared as far as this.
const MOST_ADDRESSES: usize = 1 << 15;

impl StackChecker {
    /// Where stacks are to be compared.
    pub fn wanted() -> Result<Option<Self>, OutOfMemory> {
        let address = BACKTRACE.load(Acquire);
        if address == 0 {
            return Ok(None);
        }
        // SAFETY: `prepare` stored the address of a function of this type.
        let backtrace = unsafe { transmute::<usize, Backtrace>(address) };
        Ok(Some(Self { backtrace, addresses: MappedVec::zeroed(MOST_ADDRESSES)? }))
    }

    /// Compares the stack, which is up to date, and counts.
    #[cold]
    pub fn check(&mut self, stack: &NativeMemo, header: &PoolHeader) {
        let addresses = self.addresses.as_mut_ptr().cast();
        // What it allocates is not the program's.
        // SAFETY: the array has room for as many addresses as the function is given.
        let found = tls::apart_from_program(|| unsafe { (self.backtrace)(addresses, MOST_ADDRESSES as c_int) });
        let found = &self.addresses[..usize::try_from(found).unwrap_or(0)];
        header.checked.fetch_add(1, Relaxed);
        if !Self::is_same(found, stack) {
            header.differing.fetch_add(1, Relaxed);
        }
    }

    /// The other unwinder's stack begins with frames of this library. It may end with a zero.
    fn is_same(found: &[usize], stack: &NativeMemo) -> bool {
        let found = found.strip_suffix(&[0]).unwrap_or(found);
        let Some(last) = stack.len().checked_sub(1) else { return false };
        let innermost = stack.frame(last).address.get();
        let Some(first) = found.iter().position(|&address| address == innermost) else { return false };
        let theirs = &found[first..];
        let compared = theirs.len().min(stack.len());
        let whole = theirs.len() == stack.len() || found.len() == MOST_ADDRESSES;
        whole && (0..compared).all(|depth| theirs[depth] == stack.frame(last - depth).address.get())
    }
}
