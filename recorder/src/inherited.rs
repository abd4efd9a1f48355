//! What memprof itself was started with: signal dispositions, signal mask, closed standard descriptors, and
//! [limits](own_limits).
//!
//! Rust's runtime changes some of it before `main` (it ignores SIGPIPE and opens `/dev/null` in place of a closed
//! stdin, stdout or stderr), and memprof catches signals while it records. The program must start with what memprof was
//! given, so it is noted before the runtime begins.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::own_limits;

/// Signals are numbered 1 to this.
const LAST_SIGNAL: libc::c_int = 64;

static NOTED: AtomicBool = AtomicBool::new(false);
/// Bit n-1: signal n was ignored.
static IGNORED: AtomicU64 = AtomicU64::new(0);
/// Bit n-1: signal n was blocked.
static BLOCKED: AtomicU64 = AtomicU64::new(0);
/// Bit n: descriptor n was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static NOTE_AT_START: extern "C" fn() = note;

/// Runs before Rust's runtime: only system calls and stores.
extern "C" fn note() {
    let (mut ignored, mut blocked, mut closed) = (0u64, 0u64, 0u8);
    for signal in 1..=LAST_SIGNAL {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only asks; the old one goes to a place of the right type.
        let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
        // SAFETY: all-zero bytes are a valid sigaction, and the call can only have overwritten them with one.
        let action = unsafe { action.assume_init() };
        if asked == 0 && action.sa_sigaction == libc::SIG_IGN {
            ignored |= 1 << (signal - 1);
        }
    }
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: a null new set only asks; the old one goes to a place of the right type, which is then a valid set
    // (all-zero bytes are the empty one).
    let mask = unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), mask.as_mut_ptr());
        mask.assume_init()
    };
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: `mask` is a valid set.
        if unsafe { libc::sigismember(&raw const mask, signal) } == 1 {
            blocked |= 1 << (signal - 1);
        }
    }
    for descriptor in 0..3 {
        // SAFETY: asks for the flags of a descriptor that may not exist.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
            closed |= 1 << descriptor;
        }
    }
    IGNORED.store(ignored, Relaxed);
    BLOCKED.store(blocked, Relaxed);
    CLOSED.store(closed, Relaxed);
    NOTED.store(true, Relaxed);
}

/// Whether memprof was started with this signal ignored (`nohup`), and should go on ignoring it.
#[must_use]
pub fn is_ignored(signal: libc::c_int) -> bool {
    IGNORED.load(Relaxed) >> (signal - 1) & 1 == 1
}

/// In a freshly forked child, with all signals blocked: restores what memprof inherited. The mask comes last, so that a
/// signal sent meanwhile finds the program's own disposition.
///
/// Async-signal-safe.
pub fn restore_in_child() {
    own_limits::restore_in_child();
    if !NOTED.load(Relaxed) {
        return;
    }
    let (ignored, blocked, closed) = (IGNORED.load(Relaxed), BLOCKED.load(Relaxed), CLOSED.load(Relaxed));
    for signal in 1..=LAST_SIGNAL {
        let was_ignored = ignored >> (signal - 1) & 1 == 1;
        // SAFETY: an all-zero sigaction is valid: the default disposition, no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = if was_ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: `action` is valid. Signals that cannot be set (SIGKILL, SIGSTOP, the C library's own) are refused,
        // and nobody has changed those.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
    for descriptor in 0..3 {
        if closed >> descriptor & 1 == 1 {
            // SAFETY: it was closed when memprof started; what is there now is the runtime's /dev/null, which this
            // child does not use.
            unsafe { libc::close(descriptor) };
        }
    }
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigemptyset` makes the set valid before anything reads it; the signal numbers are in range.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        for signal in 1..=LAST_SIGNAL {
            if blocked >> (signal - 1) & 1 == 1 {
                libc::sigaddset(mask.as_mut_ptr(), signal);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, mask.as_ptr(), ptr::null_mut());
    }
}
