//! `prctl`, by which a program gives up rights, as it does by `seccomp` ([`system_call`](super::system_call)). If it is
//! those that recording needs, then recording ends, and not the program. `prctl` names threads, too.
//!
//! Filters (seccomp(2)) are not examined: where there is one, what can be left out is left out
//! ([`confinement`]). The other system calls that hooks make, while nothing is new, are those that every program with
//! threads makes: see docs/soundness.md.

use core::ffi::{c_int, c_uint, c_ulong};

use memprof_channel::early_stop::EarlyStop;

use super::call::Call;
use super::list::hooks;
use crate::confinement;
use crate::platform::symbols;
use crate::session;
use crate::stop::Stop;

hooks! {
    /// `prctl`. What its caller did not set is passed on unread.
    calls fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
        before_prctl(option, a, b);
        if !symbols::resolve() {
            return -1;
        }
        // SAFETY: the program's own call, passed on as it came.
        let result = unsafe { real::prctl(option, a, b, c, d) };
        if option == libc::PR_SET_NAME && result == 0 {
            Call::make(|| (), Call::renamed);
        }
        result
    }
}

/// The program is about to call `prctl`, by whatever way.
pub fn before_prctl(option: c_int, a: c_ulong, b: c_ulong) {
    const NO_CLOCK: c_ulong = libc::PR_TSC_SIGSEGV as c_ulong;
    const STRICT: c_ulong = libc::SECCOMP_MODE_STRICT as c_ulong;
    const FILTER: c_ulong = libc::SECCOMP_MODE_FILTER as c_ulong;
    match (option, a) {
        (libc::PR_SET_TSC, NO_CLOCK) | (libc::PR_SET_SECCOMP, STRICT) => end_recording(),
        (libc::PR_SET_SECCOMP, FILTER) => before_filter(b),
        _ => {}
    }
}

/// The program is about to call `seccomp`, which the C library has no function for.
///
/// Libraries call it to see which of its operations the kernel knows, with arguments that it refuses. Such a call is
/// none of these.
pub fn before_seccomp(operation: c_ulong, flags: c_ulong, program: c_ulong) {
    let (operation, flags) = (operation as c_uint, flags as c_uint);
    if operation == libc::SECCOMP_SET_MODE_STRICT && flags == 0 && program == 0 {
        end_recording();
    } else if operation == libc::SECCOMP_SET_MODE_FILTER {
        before_filter(program);
    }
}

/// The program is about to put a filter on itself, if it names one.
fn before_filter(program: c_ulong) {
    if program != 0 {
        confinement::begin();
    }
}

/// The processor's clock will be forbidden, as it is in strict mode.
fn end_recording() {
    session::stop(Stop(EarlyStop::Forbidden));
}
