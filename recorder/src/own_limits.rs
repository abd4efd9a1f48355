//! The limits on resources (`ulimit`, setrlimit(2)) that memprof was started with. They are meant for the program,
//! which starts with them. memprof needs more descriptors and address space than a small program: it lifts its own
//! limits as far as it may.

use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// A resource, as setrlimit(2) names it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

/// The limits that memprof lifts for itself.
const LIFTED: [Resource; 3] = [libc::RLIMIT_NOFILE, libc::RLIMIT_AS, libc::RLIMIT_DATA];
/// What they were.
static GIVEN: OnceLock<[libc::rlimit; LIFTED.len()]> = OnceLock::new();

/// A limit; no limit where the system does not say.
fn limit(resource: Resource) -> libc::rlimit {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: the call fills the structure if it succeeds.
    unsafe {
        match libc::getrlimit(resource, limit.as_mut_ptr()) {
            0 => limit.assume_init(),
            _ => libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY },
        }
    }
}

fn set(resource: Resource, limit: &libc::rlimit) -> bool {
    // SAFETY: reads the structure.
    unsafe { libc::setrlimit(resource, limit) == 0 }
}

/// Raises a limit as far as this user may.
fn raise(resource: Resource, given: libc::rlimit) {
    let most = if resource == libc::RLIMIT_NOFILE { given.rlim_max.max(1 << 10) } else { libc::RLIM_INFINITY };
    // Only an administrator may go beyond the hard limit.
    if !set(resource, &libc::rlimit { rlim_cur: most, rlim_max: most.max(given.rlim_max) }) {
        set(resource, &libc::rlimit { rlim_cur: given.rlim_max, ..given });
    }
}

/// Lifts them from now on. To be called once, before there are other threads.
pub fn lift() {
    let given = GIVEN.get_or_init(|| LIFTED.map(limit));
    for (resource, given) in LIFTED.into_iter().zip(given) {
        raise(resource, *given);
    }
}

/// In a freshly forked child: the program gets what memprof was given.
///
/// Async-signal-safe.
pub fn restore_in_child() {
    if let Some(given) = GIVEN.get() {
        for (resource, given) in LIFTED.into_iter().zip(given) {
            set(resource, given);
        }
    }
}

/// The program's address space, in bytes; nothing if it may be as large as it wants.
#[must_use]
pub fn address_space() -> Option<u64> {
    let given = GIVEN.get().and_then(|given| LIFTED.iter().position(|&it| it == libc::RLIMIT_AS).map(|at| given[at]));
    finite(given.unwrap_or_else(|| limit(libc::RLIMIT_AS)).rlim_cur)
}

/// How large a file may be, in bytes, that memprof makes with [`without_file_size_limit`]; nothing if there is no
/// limit.
#[must_use]
pub fn file_size() -> Option<u64> {
    without_file_size_limit(|| finite(limit(libc::RLIMIT_FSIZE).rlim_cur))
}

fn finite(limit: libc::rlim_t) -> Option<u64> {
    (limit != libc::RLIM_INFINITY).then_some(limit)
}

/// Does something without the limit on the size of files, which also holds for files in memory: something that is no
/// output of the program, and that the limit was not meant for. It is back in place afterwards, for the capture and for
/// the program. Where it cannot be lifted, `work` says what is wrong.
///
/// What exceeds the limit gets SIGXFSZ, which memprof ignores from its start: see [`survive_file_size_signal`].
pub fn without_file_size_limit<T>(work: impl FnOnce() -> T) -> T {
    let given = limit(libc::RLIMIT_FSIZE);
    raise(libc::RLIMIT_FSIZE, given);
    let result = work();
    set(libc::RLIMIT_FSIZE, &given);
    result
}

/// From now on a file that becomes too large is an error to report, not the end of memprof. Programs that it starts
/// react as they would without it ([`inherited`](crate::inherited)).
pub fn survive_file_size_signal() {
    // SAFETY: ignores a signal; no handler is involved.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Whether the system refuses something since a limit is reached, or there is no more of it: not for a reason that lies
/// in what was asked for.
#[must_use]
pub fn is_want_of_resources(error: &io::Error) -> bool {
    let numbers = [libc::EMFILE, libc::ENFILE, libc::EFBIG, libc::ENOMEM, libc::EAGAIN];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}
