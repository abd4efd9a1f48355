//! Signals and job control: what is sent to memprof reaches the program, once, and memprof outlives it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::support::command::memprof;

/// Says `ready`, collects the signals that come, ends half a second after the first.
const COLLECTOR: &str = "
import signal, sys, time
got = []
def note(signal, frame):
    got.append(signal)
for number in map(int, sys.argv[1:]):
    signal.signal(number, note)
print('ready', flush=True)
give_up = time.monotonic() + 20
while not got and time.monotonic() < give_up:
    time.sleep(0.01)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    time.sleep(0.01)
print(*got, flush=True)
sys.exit(5)
";

/// Without a terminal: cargo's own must not be stopped.
fn detached(command: &mut Command) -> &mut Command {
    // SAFETY: only a system call.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    }
}

fn send(pid: i32, signal: i32) {
    // SAFETY: the process is a child that has not been reaped.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn read_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// The first child of a process.
fn child_of(pid: i32) -> i32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{pid} has no child"))
}

fn collector(directory: &Path, signals: &[i32]) -> Command {
    let mut command = memprof(directory);
    command.args(["run", "-q", "--python", "python3", "-c", COLLECTOR]);
    command.args(signals.iter().map(ToString::to_string)).stdout(Stdio::piped());
    detached(&mut command);
    command
}

#[test]
fn signals_for_memprof_reach_the_program_once() {
    let directory = tempdir().unwrap();
    let signals = [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
    for signal in signals.into_iter().chain([libc::SIGRTMIN() + 1]) {
        let mut child = collector(directory.path(), &[signal]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(read_line(&mut stdout), "ready");
        send(pid(&child), signal);
        assert_eq!(read_line(&mut stdout), signal.to_string());
        assert_eq!(child.wait().unwrap().code(), Some(5));
    }
}

#[test]
fn a_signal_that_ends_the_program_is_its_exit_status() {
    let directory = tempdir().unwrap();
    let mut child = collector(directory.path(), &[]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(read_line(&mut stdout), "ready");
    send(pid(&child), libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(128 + libc::SIGTERM));
}

#[test]
fn a_program_that_signals_its_group_is_signalled_once() {
    let directory = tempdir().unwrap();
    let code = COLLECTOR.replace("print('ready', flush=True)", "import os; os.kill(0, signal.SIGUSR1)");
    let mut command = memprof(directory.path());
    detached(command.args(["run", "-q", "-c", &code, &libc::SIGUSR1.to_string()]));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", libc::SIGUSR1));
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn a_signal_that_was_blocked_and_pending_waits_for_the_program_to_take_it() {
    let directory = tempdir().unwrap();
    let code = COLLECTOR
        .replace("print('ready', flush=True)", "time.sleep(0.1); signal.pthread_sigmask(signal.SIG_SETMASK, [])");
    let mut command = memprof(directory.path());
    command.args(["run", "-q", "-c", &code, &libc::SIGUSR1.to_string()]);
    // SAFETY: an all-zero set is valid, and only system calls are made.
    unsafe {
        command.pre_exec(|| {
            let mut mask = std::mem::zeroed();
            libc::sigemptyset(&raw mut mask);
            libc::sigaddset(&raw mut mask, libc::SIGUSR1);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
            libc::kill(libc::getpid(), libc::SIGUSR1);
            Ok(())
        });
    }
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", libc::SIGUSR1));
}

#[test]
fn a_stop_is_not_an_end() {
    let directory = tempdir().unwrap();
    let script = "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 3";
    let mut command = memprof(directory.path());
    detached(command.args(["run", "-q", "--", "sh", "-c", script]));
    assert_eq!(command.status().unwrap().code(), Some(3));
}

/// A shell with job control on a terminal of its own, running this script.
struct Terminal {
    keys: File,
    shown: String,
    shell: Child,
}

impl Terminal {
    fn open(directory: &Path, script: &str) -> Self {
        let (mut keyboard, mut screen) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: makes two descriptors; the name, settings and size are left out.
        let opened = unsafe { libc::openpty(&raw mut keyboard, &raw mut screen, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0, "{}", io::Error::last_os_error());
        // SAFETY: other tests' shells must not keep this terminal open; both descriptors were just made.
        unsafe {
            libc::fcntl(keyboard, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(screen, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        // SAFETY: both descriptors were just made and belong to nobody else.
        let (keyboard, screen) = unsafe { (File::from_raw_fd(keyboard), OwnedFd::from_raw_fd(screen)) };
        let stream = || Stdio::from(screen.try_clone().unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-mc", script]).current_dir(directory).env("MEMPROF", env!("CARGO_BIN_EXE_memprof"));
        shell.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: only system calls.
        unsafe {
            shell.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let shell = shell.spawn().unwrap();
        Self { keys: keyboard, shown: String::new(), shell }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Waits until this is shown, after what was waited for before.
    fn expect(&mut self, text: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(place) = self.shown.find(text) {
                self.shown.drain(..place + text.len());
                return;
            }
            let mut ready = libc::pollfd { fd: self.keys.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry, alive.
            unsafe { libc::poll(&raw mut ready, 1, 100) };
            let mut some = [0; 4096];
            let read = if ready.revents == 0 { Ok(0) } else { self.keys.read(&mut some) };
            // The terminal is gone when nothing has it open any more.
            let is_over = read.is_err() || Instant::now() > limit;
            assert!(!is_over, "{text:?} is not shown, but {:?}", self.shown);
            self.shown += &String::from_utf8_lossy(&some[..read.unwrap()]);
        }
    }

    fn finish(mut self) -> Option<i32> {
        self.shell.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The shell of a failed test; what it runs ends with its terminal.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn wait_until_stopped(pid: i32) {
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        if stat.rsplit(") ").next().unwrap().starts_with('T') {
            return;
        }
        assert!(Instant::now() < limit, "{stat}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn control_c_is_the_program_s() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("collector.py"), COLLECTOR).unwrap();
    let mut terminal = Terminal::open(directory.path(), r#""$MEMPROF" run -q collector.py 2; echo status $?"#);
    terminal.expect("ready");
    terminal.press(b"\x03");
    terminal.expect("2\r\n");
    terminal.expect("status 5\r\n");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn control_z_stops_both_and_the_shell_continues_them() {
    let directory = tempdir().unwrap();
    let program = "print('ready', flush=True); print('read', input(), flush=True); raise SystemExit(6)";
    fs::write(directory.path().join("asks.py"), program).unwrap();
    let script = r#""$MEMPROF" run -q asks.py; echo stopped $?; read key; fg; echo status $?"#;
    let mut terminal = Terminal::open(directory.path(), script);
    terminal.expect("ready");
    let memprof = child_of(pid(&terminal.shell));
    let program = child_of(memprof);
    terminal.press(b"\x1a");
    terminal.expect(&format!("stopped {}", 128 + libc::SIGTSTP));
    wait_until_stopped(memprof);
    wait_until_stopped(program);
    terminal.press(b"\n");
    terminal.press(b"word\n");
    terminal.expect("read word");
    terminal.expect("status 6");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn a_program_that_stops_itself_gives_the_shell_back() {
    let directory = tempdir().unwrap();
    let script = r#""$MEMPROF" run -q -- sh -c 'kill -STOP $$; exit 4'; echo "stopped $?"; fg; echo status $?"#;
    let mut terminal = Terminal::open(directory.path(), script);
    terminal.expect(&format!("stopped {}", 128 + libc::SIGSTOP));
    terminal.expect("status 4");
    assert_eq!(terminal.finish(), Some(0));
}
