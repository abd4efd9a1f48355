//! Calls the `memprof` command that was built along with the tests.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `memprof`, to be run in this directory.
pub fn memprof(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memprof"));
    command.current_dir(directory).stdin(Stdio::null()).env_remove("VIRTUAL_ENV");
    command
}

/// The same program without memprof.
pub fn bare(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null()).env_remove("VIRTUAL_ENV");
    command
}

/// Runs `memprof run -q` with these arguments.
pub fn run_quietly<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Output {
    memprof(directory).args(["run", "-q"]).args(arguments).output().expect("memprof starts")
}

/// The exit status; a test fails here if a signal ended memprof itself.
pub fn status(output: &Output) -> i32 {
    let signal = output.status.signal();
    output.status.code().unwrap_or_else(|| panic!("memprof was ended by signal {signal:?}: {}", stderr(output)))
}

/// What was printed to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What was printed to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
