//! Stacks that a thread may run on beside its own.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use memprof_channel::kept_errno::KeptErrno;

use super::memory::{forbid, map, unmap};

/// Whether the thread runs on the stack that it has set aside for signal handlers, which may lie within its own one.
/// Where that may not be asked for, it counts as true.
pub fn is_on_signal_stack() -> bool {
    signal_stack().is_none_or(|stack| stack.ss_flags & libc::SS_ONSTACK != 0)
}

/// Where the stack ends that the thread has set aside for signal handlers, if it is known to run on that.
#[inline(always)]
pub fn end_of_signal_stack() -> Option<usize> {
    signal_stack().filter(|stack| stack.ss_flags & libc::SS_ONSTACK != 0).map(|stack| stack.ss_sp.addr())
}

/// Nothing where a filter forbids to ask.
#[inline(always)]
fn signal_stack() -> Option<libc::stack_t> {
    let _errno = KeptErrno::new();
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: only asks; the structure is filled by the call, and is valid all zero.
    unsafe { (libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) == 0).then(|| stack.assume_init()) }
}

/// As long as it exists, no handler begins in this thread.
pub struct SignalsHeldBack {
    /// Those that were held back before.
    before: u64,
}

impl SignalsHeldBack {
    /// Holds all of them back. Nothing where a filter forbids that.
    #[inline(always)]
    pub fn begin() -> Option<Self> {
        set_signal_mask(u64::MAX).map(|before| Self { before })
    }
}

impl Drop for SignalsHeldBack {
    #[inline(always)]
    fn drop(&mut self) {
        set_signal_mask(self.before);
    }
}

/// Sets the thread's signal mask, as the kernel has it: a bit for each of 64 signals. Returns what it was, if it could
/// be set.
#[inline(always)]
fn set_signal_mask(mask: u64) -> Option<u64> {
    let _errno = KeptErrno::new();
    let mut before = 0_u64;
    // SAFETY: both are of the size that is named; the C library's own sets are larger, and leave out signals that it
    // needs.
    let status = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, size_of::<u64>())
    };
    (status == 0).then_some(before)
}

/// A stack of our own. The page at its end is not to be touched.
pub struct SpareStack(NonNull<u8>);

impl SpareStack {
    const PAGE: usize = 4096;
    /// Signal handlers of the program may run on it too.
    const BYTES: usize = 64 << 10;

    /// Maps one. Nothing if there is no memory for it.
    #[inline(always)]
    pub fn map() -> Option<Self> {
        let start = map(Self::BYTES)?;
        // SAFETY: the page is part of the fresh mapping.
        unsafe { forbid(start, Self::PAGE) };
        Some(Self(start))
    }

    /// Calls a function on it, and comes back.
    #[inline(always)]
    pub fn run<R>(&mut self, function: impl FnOnce() -> R) -> R {
        let mut result = MaybeUninit::uninit();
        let mut wanted = Some(|| {
            result.write(function());
        });
        // SAFETY: the end of the mapping is aligned to a page, and nobody else runs on it, as it is borrowed
        // exclusively. The function is called once, with what it expects, and its result is there afterwards.
        unsafe {
            call_on(self.0.as_ptr().add(Self::BYTES), run_wanted_of(&wanted), (&raw mut wanted).cast());
            result.assume_init()
        }
    }
}

impl Drop for SpareStack {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nobody runs on it, or `run` would have borrowed it.
        unsafe { unmap(self.0, Self::BYTES) };
    }
}

type Run = unsafe extern "C" fn(*mut c_void);

const fn run_wanted_of<F: FnOnce()>(_: &Option<F>) -> Run {
    run_wanted::<F>
}

/// # Safety
/// `wanted` is an `Option<F>`, which nobody else uses now.
unsafe extern "C" fn run_wanted<F: FnOnce()>(wanted: *mut c_void) {
    // SAFETY: the caller vouches for it.
    if let Some(function) = unsafe { (*wanted.cast::<Option<F>>()).take() } {
        function();
    }
}

/// Calls `function(argument)` on the stack that ends at `top`.
///
/// # Safety
/// `top` is a multiple of 16 and the end of writable memory that nobody uses and that is large enough.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn call_on(top: *mut u8, function: Run, argument: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    );
}

/// As above, for AArch64.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn call_on(top: *mut u8, function: Run, argument: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa sp, 0",
        "ret",
        ".cfi_endproc",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;
    use core::sync::atomic::Ordering::SeqCst;

    #[inline(never)]
    fn here() -> usize {
        let local = 0_u8;
        (&raw const local).addr()
    }

    #[test]
    fn what_runs_on_a_spare_stack_has_its_frames_there() {
        let mut spare = SpareStack::map().unwrap();
        let range = spare.0.addr().get()..spare.0.addr().get() + SpareStack::BYTES;
        let (mut calls, outside) = (0, here());
        for _ in 0..3 {
            let inside = spare.run(|| {
                calls += 1;
                here()
            });
            assert!(range.contains(&inside) && !range.contains(&outside), "{inside:x} {range:x?}");
        }
        assert_eq!(calls, 3);
        assert_eq!(here(), outside, "the thread is back where it was");
    }

    #[test]
    fn signals_that_are_held_back_come_later() {
        static CAME: AtomicU32 = AtomicU32::new(0);
        extern "C" fn note(_: libc::c_int) {
            CAME.fetch_add(1, SeqCst);
        }
        // SAFETY: the handler only counts; no other test of this process uses this signal.
        unsafe { libc::signal(libc::SIGURG, note as *const () as usize) };
        let raise = || {
            // SAFETY: it has a handler.
            unsafe { libc::raise(libc::SIGURG) };
            CAME.load(SeqCst)
        };
        assert_eq!(raise(), 1);
        let outer = SignalsHeldBack::begin();
        assert_eq!(raise(), 1);
        drop(SignalsHeldBack::begin());
        assert_eq!(raise(), 1, "those were held back before");
        drop(outer);
        assert_eq!(CAME.load(SeqCst), 2);
        assert_eq!(raise(), 3);
    }

    #[test]
    fn large_results_come_back_whole() {
        let mut spare = SpareStack::map().unwrap();
        let text = String::from("from outside");
        let (made, numbers) = spare.run(|| (text.clone() + ", and back", [7_u64; 1000]));
        assert_eq!((made.as_str(), numbers), ("from outside, and back", [7; 1000]));
    }
}
