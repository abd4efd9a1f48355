//! Signals while the program runs: memprof survives them, and passes on those that were meant for the program.
//!
//! The terminal signals its whole foreground process group, the program included. What another process sends
//! to memprof's pid reaches memprof alone, although the sender means the program: it is sent on.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::SeqCst};

use memprof_channel::process_stat;

use crate::start::Child;

/// The program to send signals on to; 0 while there is none.
static PROGRAM: AtomicI32 = AtomicI32::new(0);
/// Handlers that are at work.
static AT_WORK: AtomicU32 = AtomicU32::new(0);
/// Whether memprof was asked to end, by a signal that could not be passed on.
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);
/// Whether memprof has been continued after a stop.
static CONTINUED: AtomicBool = AtomicBool::new(false);

/// Signals that would end memprof, other than those that a fault of its own raises. Real-time signals come on top.
const PASSED_ON: &[libc::c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    #[cfg(target_os = "linux")]
    libc::SIGPWR,
];

fn passed_on() -> impl Iterator<Item = libc::c_int> {
    #[cfg(target_os = "linux")]
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    #[cfg(not(target_os = "linux"))]
    let real_time = std::iter::empty();
    PASSED_ON.iter().copied().chain(real_time)
}

/// Passes signals on while it lives; afterwards memprof reacts to them as before.
///
/// Signals that arrive between [`begin`](Self::begin) and [`to`](Self::to) wait until there is a program to send them
/// to.
pub struct Forwarding {
    before: Vec<(libc::c_int, libc::sigaction)>,
    mask_before: libc::sigset_t,
}

impl Forwarding {
    /// From now on memprof survives signals. To be called before the program is started, on the only thread.
    pub fn begin() -> io::Result<Self> {
        let mut forwarding = Self { before: Vec::new(), mask_before: change_mask(libc::SIG_BLOCK) };
        for signal in passed_on() {
            forwarding.catch(signal, pass_on as *const () as libc::sighandler_t)?;
        }
        forwarding.catch(libc::SIGCONT, note_continued as *const () as libc::sighandler_t)?;
        Ok(forwarding)
    }

    fn catch(&mut self, signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
        // SAFETY: an all-zero sigaction is valid; the fields that matter follow.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler;
        // Without SA_RESTART a signal would make unrelated system calls of the recorder fail.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: both point to valid structures; the handlers have the signature that SA_SIGINFO asks for and are
        // async-signal-safe.
        if unsafe { libc::sigaction(signal, &raw const action, before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so it has been written.
        self.before.push((signal, unsafe { before.assume_init() }));
        Ok(())
    }

    /// Names the program that signals are sent on to. To be called on the thread that called [`begin`](Self::begin),
    /// before it starts others.
    pub fn to(&self, child: &Child) {
        PROGRAM.store(child.pid(), SeqCst);
        // Also what memprof was started with blocked: whether it is delivered is for the program's own mask to say.
        change_mask(libc::SIG_UNBLOCK);
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        // The program has ended, or could not be started: what is still on its way is for nobody.
        clear_program();
        for (signal, action) in &self.before {
            // SAFETY: puts back what the same call returned.
            unsafe { libc::sigaction(*signal, action, ptr::null_mut()) };
        }
        // SAFETY: puts back the mask that `begin` found.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask_before, ptr::null_mut()) };
    }
}

/// Blocks or unblocks the signals that are passed on, and returns the mask as it was.
fn change_mask(how: libc::c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigemptyset` makes the set valid before anything reads it; the old mask goes to a place of the right
    // type, which is a valid set (all-zero bytes: the empty one) even if the call should fail.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in passed_on() {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

/// No signal is sent to the program any more when this returns: its pid may now be returned to the system.
pub(crate) fn clear_program() {
    PROGRAM.store(0, SeqCst);
    while AT_WORK.load(SeqCst) != 0 {
        std::hint::spin_loop();
    }
}

/// The signal handler: system calls and atomics only.
extern "C" fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    AT_WORK.fetch_add(1, SeqCst);
    let program = PROGRAM.load(SeqCst);
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo; `si_pid` is there for the codes of signals that
    // processes send, and is a plain number in any case.
    let (code, sender) = unsafe { ((*info).si_code, (*info).si_pid()) };
    // Codes above zero: from the kernel, that is, from the terminal, which has signalled the program too. And when the
    // program itself signals its process group, it has had its share.
    if program != 0 && code <= 0 && sender != program {
        // SAFETY: `errno` is this thread's own; it is put back, since the interrupted code may be about to read it.
        // The pid is still the program's: it is reaped only after `clear_program`.
        unsafe {
            let errno = errno_place();
            let kept = *errno;
            libc::kill(program, signal);
            *errno = kept;
        }
    }
    if program == 0 && [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT].contains(&signal) {
        ASKED_TO_END.store(true, SeqCst);
    }
    AT_WORK.fetch_sub(1, SeqCst);
}

/// Whether a signal came, after the program's end, that would have ended memprof.
pub(crate) fn asked_to_end() -> bool {
    ASKED_TO_END.load(SeqCst)
}

fn errno_place() -> *mut libc::c_int {
    // SAFETY: asks the C library for the place of this thread's errno.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(target_os = "macos")]
        return libc::__error();
    }
}

extern "C" fn note_continued(_signal: libc::c_int, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    CONTINUED.store(true, SeqCst);
}

/// To be called before waiting for the program to end or to be stopped.
pub(crate) fn clear_continued() {
    CONTINUED.store(false, SeqCst);
}

/// Stops memprof as well when the program was stopped alone in the terminal's foreground, so that the shell notices as
/// it would without memprof, and carries on with it.
pub(crate) fn stop_with(program: libc::pid_t) {
    // If both were stopped together, as by Ctrl-Z, memprof is notified of it when both have been continued.
    if CONTINUED.load(SeqCst) || !in_foreground() {
        return;
    }
    // SAFETY: signals this process and, afterwards, its unreaped child.
    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
    // Continued: by the shell, which signals the whole group, or by someone who knows only memprof's pid.
    if is_stopped(program) {
        // SAFETY: as above.
        unsafe { libc::kill(program, libc::SIGCONT) };
    }
}

/// Whether memprof's process group owns its terminal.
fn in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    // SAFETY: asks about a descriptor that is open.
    unsafe { libc::tcgetpgrp(std::os::fd::AsRawFd::as_raw_fd(&terminal)) == libc::getpgrp() }
}

fn is_stopped(pid: libc::pid_t) -> bool {
    // The state follows the name, which is in parentheses and can hold any character.
    std::fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| process_stat::field(&stat, 3) == Some(b"T"))
}
