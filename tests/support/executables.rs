//! Files that tests make in order to execute them.
//!
//! Another process writes them. A file that this one has open for writing is also open in every process that another test is just
//! starting, until that has become its program; and the kernel executes nothing that somebody may be writing to (`ETXTBSY`).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Puts a copy of a file at a path where there is none, for everybody to execute.
pub fn copy_executable(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(status.expect("install runs").success(), "{} cannot be copied to {}", from.display(), to.display());
}

/// Puts a file with this content there.
pub fn write_executable(path: &Path, content: &[u8]) {
    let mut install = Command::new("install");
    let mut child = install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped()).spawn().expect("it runs");
    // It reads what is written until this end is closed.
    child.stdin.take().expect("it is a pipe").write_all(content).expect("it is read");
    assert!(child.wait().expect("it ends").success(), "{} cannot be written", path.display());
}
