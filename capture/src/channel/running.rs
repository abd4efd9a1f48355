//! Whether the recorder is still there, for a thread that waits for it.

use core::ffi::CStr;

use crate::kept_errno::KeptErrno;
use crate::quiet_file::QuietFile;

/// Whether the process still runs. One that has ended stays visible until its parent takes note of it, and will never
/// drain anything.
pub(super) fn process_runs(pid: u32) -> bool {
    let _errno = KeptErrno::new();
    // SAFETY: signal 0 sends nothing.
    let gone = unsafe { libc::kill(pid as libc::pid_t, 0) != 0 && *libc::__errno_location() == libc::ESRCH };
    !gone && !matches!(process_state(pid), Some(b'Z' | b'X'))
}

/// The letter after the name in `/proc/PID/stat` (proc(5)); nothing where it cannot be read. Without allocating.
fn process_state(pid: u32) -> Option<u8> {
    let (mut path, mut digits, mut number) = ([0; 32], [0; 10], pid);
    let mut first = digits.len();
    while first == digits.len() || number > 0 {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let parts: [&[u8]; 3] = [b"/proc/", &digits[first..], b"/stat"];
    for (to, from) in path.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
        *to = *from;
    }
    let mut text = [0; 128];
    // The rest of the path's array is NUL.
    let length = QuietFile::open(CStr::from_bytes_until_nul(&path).ok()?)?.read(&mut text)?;
    // The name, in brackets, may hold brackets itself, but nothing after it does.
    let name_end = text[..length].iter().rposition(|&byte| byte == b')')?;
    text[..length].get(name_end + 2).copied()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test program is nobody's that is recorded")]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no processes")]
    fn a_process_runs_until_it_has_ended_even_if_nobody_takes_note() {
        assert!(process_runs(std::process::id()));
        assert!(!process_runs(1 << 23), "a pid above the largest that Linux allows");
        // SAFETY: the child only exits.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(0),
                child => child,
            }
        };
        let mut info = core::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: waits for our child and leaves it a zombie; then reaps it.
        unsafe {
            libc::waitid(libc::P_PID, child.cast_unsigned(), info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT);
            assert!(!process_runs(child.cast_unsigned()));
            libc::waitpid(child, core::ptr::null_mut(), 0);
        }
    }
}
