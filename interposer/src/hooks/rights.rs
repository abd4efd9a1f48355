//! `prctl`, by which a program gives up rights that recording needs: then recording ends, and not the program. It names threads,
//! too.
//!
//! Filters (seccomp(2)) are not looked into. What hooks need while nothing is new is what every program with threads needs: see
//! docs/soundness.md.

use core::ffi::{c_int, c_ulong};

use memprof_capture::early_stop::EarlyStop;

use super::call::Call;
use crate::platform::real;
use crate::session;
use crate::stop::Stop;

/// `prctl`. What its caller did not set is passed on unread.
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
    // In strict mode, the processor's clock is forbidden, too.
    let is_strict = option == libc::PR_SET_SECCOMP && a == c_ulong::from(libc::SECCOMP_MODE_STRICT);
    let forbids_clock = option == libc::PR_SET_TSC && a == libc::PR_TSC_SIGSEGV as c_ulong;
    if is_strict || forbids_clock {
        session::stop(Stop(EarlyStop::Forbidden));
    }
    if !real::resolve() {
        return -1;
    }
    // SAFETY: the program's own call, passed on as it came.
    let result = unsafe { real::prctl(option, a, b, c, d) };
    if option == libc::PR_SET_NAME && result == 0 {
        Call::make(|| (), Call::renamed);
    }
    result
}
