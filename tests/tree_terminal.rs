//! `memprof tree` on a terminal: it takes it over, and gives it back however it ends; and prints where there is none.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::memprof::{Finished, memprof};
use crate::support::pseudo_terminal;
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording};

/// Nothing here takes that long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the footer of the screen ends with: once it is there, keys are read.
const READY: &str = "q quit";
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

fn recorded() -> Recorded {
    let code = "def grow():\n    return [bytes(1 << 20) for _ in range(8)]\nkept = grow()";
    Recording::of_code(pythons::any(), code).run().succeeds()
}

fn tree(capture: PathBuf) -> Command {
    let mut command = memprof(["tree"]);
    command.arg(capture).env("TERM", "xterm-256color").env_remove("COLUMNS");
    command
}

/// A terminal with a program on it.
struct Terminal {
    /// The user's side.
    master: File,
    /// The program's side.
    slave: OwnedFd,
    child: Child,
    before: libc::termios,
    seen: String,
}

fn attributes(terminal: &OwnedFd) -> libc::termios {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: tcgetattr fills what it is given, or fails.
    unsafe {
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), attributes.as_mut_ptr()), 0);
        attributes.assume_init()
    }
}

impl Terminal {
    /// Runs a program on a new terminal, which may be the controlling one of its session: that one gets its signals.
    fn run(mut command: Command, controlling: bool) -> Self {
        let (master, slave) = pseudo_terminal::open();
        let end = || Stdio::from(slave.try_clone().expect("a descriptor can be had"));
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: setsid and ioctl may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                if libc::setsid() < 0 || (controlling && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0) {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let before = attributes(&slave);
        let child = command.spawn().expect("memprof can be started");
        Self { master: File::from(master), slave, child, before, seen: String::new() }
    }

    /// Reads what the program writes until it has written this.
    fn expect(&mut self, text: &str) -> &mut Self {
        let began = Instant::now();
        while !self.seen.contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text:?} was not written: {:?}", self.seen);
            self.read(Duration::from_millis(100));
        }
        self
    }

    fn read(&mut self, timeout: Duration) {
        let mut master = libc::pollfd { fd: self.master.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: poll reads and writes the one entry that it is given.
        if unsafe { libc::poll(&raw mut master, 1, timeout.as_millis() as i32) } > 0 {
            let mut bytes = [0; 4096];
            let length = self.master.read(&mut bytes).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self
    }

    fn signal(&mut self, signal: i32) -> &mut Self {
        // SAFETY: kill has no requirements; the process is this one's child and not yet waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
        self
    }

    /// Waits for the end of the program. The terminal must be as it was.
    fn ends(mut self) -> ExitStatus {
        let began = Instant::now();
        let status = loop {
            self.read(Duration::from_millis(50));
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end: {:?}", self.seen);
            }
        };
        self.read(Duration::ZERO);
        let (before, after) = (&self.before, attributes(&self.slave));
        assert_eq!(
            (before.c_iflag, before.c_oflag, before.c_cflag, before.c_lflag, before.c_cc),
            (after.c_iflag, after.c_oflag, after.c_cflag, after.c_lflag, after.c_cc)
        );
        assert_eq!(self.seen.rfind(TAKEN).is_some(), self.seen.rfind(GIVEN_BACK) > self.seen.rfind(TAKEN));
        status
    }

    /// Takes the terminal away, and waits for the end of the program.
    fn hang_up(self) -> ExitStatus {
        let Self { master, slave, mut child, .. } = self;
        drop((master, slave));
        let began = Instant::now();
        loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => return status,
                None if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
                None => {
                    let _ = child.kill();
                    panic!("it goes on without a terminal");
                }
            }
        }
    }
}

#[test]
fn it_is_quit_by_a_key_and_leaves_the_terminal_as_it_was() {
    let recorded = recorded();
    for keys in ["q", "\x03", "/grow\rn?  oq", "/\x03"] {
        let mut terminal = Terminal::run(tree(recorded.capture()), true);
        terminal.expect(READY).press(keys);
        assert!(terminal.seen.contains(TAKEN) && terminal.seen.contains("grow"), "{:?}", terminal.seen);
        assert!(terminal.ends().success(), "{keys:?}");
    }
}

#[test]
fn a_signal_ends_it_once_the_terminal_is_given_back() {
    let recorded = recorded();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut terminal = Terminal::run(tree(recorded.capture()), true);
        terminal.expect(READY).signal(signal);
        assert_eq!(terminal.ends().signal(), Some(signal));
    }
}

#[test]
fn it_can_be_stopped_and_continued() {
    let recorded = recorded();
    let mut terminal = Terminal::run(tree(recorded.capture()), true);
    terminal.expect(READY).press("\x1a").expect(GIVEN_BACK);
    terminal.seen.clear();
    // It may not have stopped yet, which the next signal would not change.
    std::thread::sleep(Duration::from_millis(500));
    terminal.signal(libc::SIGCONT).expect(TAKEN).expect(READY).press("q");
    assert!(terminal.ends().success());
}

#[test]
fn it_ends_with_its_terminal() {
    let recorded = recorded();
    for controlling in [true, false] {
        let mut terminal = Terminal::run(tree(recorded.capture()), controlling);
        terminal.expect(READY);
        assert!(!terminal.hang_up().success());
    }
}

/// The screen has no room for it: it is on the terminal when that is restored.
#[test]
fn what_must_be_known_is_said_before_the_screen_is_taken() {
    let recorded = recorded();
    let bytes = fs::read(recorded.capture()).expect("it can be read");
    let cut_off = recorded.folder().join("cut.bin");
    fs::write(&cut_off, &bytes[..bytes.len() - 40]).expect("it can be written");
    let mut terminal = Terminal::run(tree(cut_off.clone()), true);
    terminal.expect(READY).press("q");
    let note = format!("memprof: {}: ", cut_off.display());
    let (before, after) = terminal.seen.split_once(TAKEN).expect("the screen was taken");
    assert!(before.contains(&note) && !after.contains(&note), "{before:?}");
    assert!(terminal.ends().success());
}

#[test]
fn it_prints_where_there_is_no_terminal() {
    let recorded = recorded();
    let printed = Finished::of(&mut tree(recorded.capture())).succeeds().stdout();
    assert!(printed.contains("Call\n") && printed.contains("grow") && !printed.contains('\x1b'), "{printed}");
    let mut dumb = tree(recorded.capture());
    dumb.env("TERM", "dumb");
    let mut text = tree(recorded.capture());
    text.arg("--text");
    for command in [dumb, text] {
        let mut terminal = Terminal::run(command, true);
        terminal.expect("grow");
        assert!(!terminal.seen.contains(TAKEN), "{:?}", terminal.seen);
        assert!(terminal.ends().success());
    }
}
