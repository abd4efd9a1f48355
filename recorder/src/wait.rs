//! Waits for the program's end.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

pub use memprof_capture::file::facts::Exit;
use memprof_channel::process_stat;

use crate::last_resort;
use crate::signals;
use crate::start::Child;

/// How the program ended and what the kernel counted for it and the children that it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// Processor time, user and system.
    pub cpu: Duration,
    /// The part of it that its children used, as far as it waited for them.
    pub children_cpu: Duration,
    /// The largest resident set, if the kernel counted that of the program alone.
    pub peak_rss_bytes: Option<u64>,
}

/// Blocks until the program has ended, and reaps it.
pub fn wait(child: Child) -> io::Result<Ended> {
    let pid = child.pid();
    loop {
        signals::clear_continued();
        if ended(pid)? {
            break;
        }
        signals::stop_with(pid);
    }
    // Still a zombie, so the pid is still its own: the last moment at which a signal can be sent on.
    signals::clear_program();
    let children = ChildrenTimes::of(pid).unwrap_or_default();
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both places have the right type; all-zero bytes are a valid rusage.
    while unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: it was valid from the start (all zero) and has been filled in.
    let usage = unsafe { usage.assume_init() };
    last_resort::note_status(exit_of(status).as_shells_have_it());
    Ok(Ended {
        exit: exit_of(status),
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        children_cpu: children.cpu,
        peak_rss_bytes: u64::try_from(usage.ru_maxrss)
            .ok()
            .filter(|_| children.faults == 0)
            .map(|count| count * MAXRSS_UNIT),
    })
}

/// What the kernel counts of the children that a process has waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ChildrenTimes {
    /// Minor page faults. Each process has some: without any, there was no child, and `ru_maxrss` is the program's own.
    faults: u64,
    cpu: Duration,
}

impl ChildrenTimes {
    fn of(pid: libc::pid_t) -> Option<Self> {
        // SAFETY: asks for a constant.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?, u32::try_from(ticks).ok().filter(|&it| it > 0)?)
    }

    /// From `cminflt`, `cutime` and `cstime`, the times in `ticks` ticks a second.
    fn parse(stat: &[u8], ticks: u32) -> Option<Self> {
        let number = |field| process_stat::number::<u64>(stat, field);
        let used = u32::try_from(number(16)? + number(17)?).unwrap_or(u32::MAX);
        Some(Self { faults: number(11)?, cpu: Duration::from_secs(1) * used / ticks })
    }
}

/// What `ru_maxrss` counts in.
const MAXRSS_UNIT: u64 = if cfg!(target_os = "macos") { 1 } else { 1024 };

/// Blocks until the program has ended (then it stays a zombie), or was stopped.
fn ended(pid: libc::pid_t) -> io::Result<bool> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = pid.cast_unsigned();
        // SAFETY: the place has the right type; all-zero bytes are a valid siginfo.
        let (result, info) = unsafe {
            let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
            (libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags), info.assume_init())
        };
        if result == 0 {
            if info.si_code != libc::CLD_STOPPED {
                return Ok(true);
            }
            // Take note of the stop, or the next call reports it again.
            let mut taken = MaybeUninit::<libc::siginfo_t>::zeroed();
            // SAFETY: as above.
            unsafe { libc::waitid(libc::P_PID, id, taken.as_mut_ptr(), libc::WSTOPPED | libc::WNOHANG) };
            return Ok(false);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn exit_of(status: libc::c_int) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Status(libc::WEXITSTATUS(status))
    }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Program;
    use crate::start::{Environment, start};

    fn run(script: &str) -> Ended {
        let program = Program {
            executable: "/bin/sh".into(),
            argv: ["sh", "-c", script].iter().map(Into::into).collect(),
            is_python: false,
        };
        let none = Environment { interposer: "".into(), channel: "".into() };
        wait(start(&program, &none, || Ok(())).unwrap()).unwrap()
    }

    #[test]
    fn an_exit_status_or_a_signal() {
        assert_eq!(run("exit 7").exit, Exit::Status(7));
        assert_eq!(run("kill -KILL $$").exit, Exit::Signal(9));
    }

    #[test]
    fn the_resident_set_is_the_program_s_alone() {
        assert!(run("exit 0").peak_rss_bytes.is_some_and(|bytes| bytes > 100 << 10));
        assert_eq!(run("/bin/true; exit 0").peak_rss_bytes, None);
    }

    #[test]
    fn what_children_used_is_reported() {
        let stat = b"7 (a) b) S 1 2 3 4 5 6 100 8 9 10 11 12 250 50 15";
        let known = ChildrenTimes { faults: 8, cpu: Duration::from_secs(3) };
        assert_eq!(ChildrenTimes::parse(stat, 100), Some(known));
        assert_eq!(ChildrenTimes::parse(b"7 (a", 100), None);
        let ended = run("/bin/sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done'; exit 0");
        assert!(
            ended.children_cpu > Duration::ZERO && ended.children_cpu <= ended.cpu + Duration::from_millis(10),
            "{ended:?}"
        );
    }
}
