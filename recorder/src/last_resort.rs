//! What memprof does when it has no memory left, or has a defect of its own, while a program runs: it lets the
//! program go on unrecorded, waits for its end, and ends as it did. What has been written until then is a capture
//! without an end.
//!
//! Nothing here allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::panic;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr};

use memprof_channel::early_stop::EarlyStop;
use memprof_channel::layout::PoolHeader;

/// The program that is being recorded; 0 while there is none.
static PROGRAM: AtomicI32 = AtomicI32::new(0);
/// The channel's header. It stays as long as there is a program.
static HEADER: AtomicPtr<PoolHeader> = AtomicPtr::new(ptr::null_mut());
/// The exit status that memprof takes over from the program, once that has been waited for.
static STATUS: AtomicI32 = AtomicI32::new(UNKNOWN);
const UNKNOWN: i32 = -1;

/// While it lives, a lack of memory is handled here. So are panics, until [`Self::leave_panics`] is called.
pub struct Armed {
    hooks_panics: bool,
}

impl Armed {
    /// A program runs, whose channel has this header.
    ///
    /// # Safety
    /// The header stays where it is until this is dropped.
    pub unsafe fn new(program: libc::pid_t, header: &PoolHeader) -> Self {
        HEADER.store(ptr::from_ref(header).cast_mut(), Release);
        STATUS.store(UNKNOWN, Release);
        PROGRAM.store(program, Release);
        panic::set_hook(Box::new(|_| {
            go_on(b"memprof: recording ended early because of a defect in memprof; please report it\n");
        }));
        Self { hooks_panics: true }
    }

    /// The channel is empty: whoever panics from now on may catch that.
    pub fn leave_panics(&mut self) {
        if core::mem::take(&mut self.hooks_panics) {
            drop(panic::take_hook());
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        PROGRAM.store(0, Release);
        if !std::thread::panicking() {
            self.leave_panics();
        }
    }
}

/// The program has been waited for, and ended like this: as shells have it, a signal's number counts from 128.
pub fn note_status(status: i32) {
    STATUS.store(status, Release);
}

/// The allocator of the system, which does not end memprof while a program is being recorded.
pub struct Allocator;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { or_go_on(System.alloc(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { or_go_on(System.alloc_zeroed(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { or_go_on(System.realloc(block, layout, size)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(block, layout) };
    }
}

#[inline]
fn or_go_on(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        go_on(b"memprof: recording ended early, since memprof got no more memory; raise the limit (ulimit -v) or free some\n");
    }
    block
}

/// Ends memprof with the program, if there is one that is being recorded.
#[cold]
#[inline(never)]
fn go_on(sentence: &[u8]) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let program = PROGRAM.load(Acquire);
    if program == 0 {
        return;
    }
    if !BEGUN.swap(true, AcqRel) {
        // SAFETY: the header stays as long as there is a program. The write reads what it is given.
        unsafe {
            let header = HEADER.load(Acquire);
            (*header).stopped.store(EarlyStop::RecorderGone as u32, Release);
            (*header).recorder.cut();
            libc::write(libc::STDERR_FILENO, sentence.as_ptr().cast(), sentence.len());
        }
    }
    let status = exit_status(program);
    // SAFETY: ends the process, in whatever state it is.
    unsafe { libc::_exit(status) }
}

/// Waits for the program's end, which another thread may be waiting for, too.
fn exit_status(program: libc::pid_t) -> i32 {
    loop {
        let noted = STATUS.load(Acquire);
        if noted != UNKNOWN {
            return noted;
        }
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the place has the right type; all-zero bytes are a valid siginfo. A failure (another thread has been
        // quicker, and is about to note the status, or a signal has come) is a reason to check again.
        unsafe {
            let id = program.cast_unsigned();
            if libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) == 0 {
                let info = info.assume_init();
                return match info.si_code {
                    libc::CLD_EXITED => info.si_status(),
                    _ => 128 + info.si_status(),
                };
            }
            libc::usleep(1000);
        }
    }
}
