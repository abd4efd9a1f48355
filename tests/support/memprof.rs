//! The command under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The executable.
pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_memprof");

/// The folder of the programs that the tests run.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// `memprof` with these arguments and no standard input.
pub fn memprof(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(EXECUTABLE);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a finished command left.
pub struct Finished {
    /// What was called, for messages.
    call: String,
    output: Output,
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let call = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {call}: {error}"));
        Self { call, output }
    }

    /// Runs a command whose standard output goes elsewhere.
    pub fn of_output_to(command: &mut Command, output: Stdio) -> Self {
        let call = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn();
        let output = child.and_then(|child| child.wait_with_output());
        Self { output: output.unwrap_or_else(|error| panic!("cannot run {call}: {error}")), call }
    }

    /// A command that was run otherwise.
    pub fn with(call: String, output: Output) -> Self {
        Self { call, output }
    }

    /// The exit status; as shells have it for a signal.
    pub fn status(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.output.status.code().or(self.output.status.signal().map(|signal| 128 + signal)).expect("it has ended")
    }

    /// What it printed.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The same where it is no text.
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    /// What it complained about.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Requires success.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// Requires an exit status, and that memprof did not break down on the way.
    #[track_caller]
    pub fn ends_with(self, status: i32) -> Self {
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert_eq!(self.status(), status, "{}\nstdout: {stdout}\nstderr: {stderr}", self.call);
        assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{}: {stderr}", self.call);
        self
    }

    /// Requires a refusal: this status, nothing on standard output, and one line on standard error that begins with
    /// `memprof: ` and has all of these words.
    #[track_caller]
    pub fn refuses(self, status: i32, words: &[&str]) -> Self {
        let finished = self.ends_with(status);
        let (stdout, stderr) = (finished.stdout(), finished.stderr());
        assert_eq!(stdout, "", "{}", finished.call);
        assert!(stderr.starts_with("memprof: ") && stderr.trim_end().lines().count() == 1, "not one line: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "no \"{word}\" in: {stderr}");
        }
        finished
    }
}
