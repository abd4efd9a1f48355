//! The limit on the size of files (`ulimit -f`), which also holds for files in memory.

/// Does something with the limit out of the way: something that is no output of the program, and that the limit was not
/// meant for. It is back in place afterwards, for the capture and for the program. A hard limit stays: then `work` says
/// what is wrong.
///
/// What exceeds the limit gets SIGXFSZ, which memprof ignores from its start: see [`survive_signal`].
pub fn lifted<T>(work: impl FnOnce() -> T) -> T {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } != 0 {
        return work();
    }
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const raised) };
    let result = work();
    // SAFETY: reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    result
}

/// From now on a file that becomes too large is an error to report, not the end of memprof. Programs that it starts
/// react as they would without it ([`inherited`](crate::inherited)).
pub fn survive_signal() {
    // SAFETY: ignores a signal; no handler is involved.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}
