//! Programs that run where something else is mounted.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use super::memprof::Finished;
use super::skipping::machine_forbids;

/// Runs a shell script where a new file system, empty and in memory, is mounted at `place`, with these options. Nothing where the
/// system lets nobody but the administrator of the machine do that.
pub fn with_empty_disk(
    place: &str,
    options: &[&str],
    script: &str,
    arguments: &[impl AsRef<OsStr>],
) -> Option<Finished> {
    let mounted = format!("mount -t tmpfs {} none {place} || exit 77; {script}", options.join(" "));
    // As the user that one is, or as the administrator of a namespace of one's own.
    for how in ["-m", "-rm"] {
        let possible = Command::new("unshare").args([how, "mount", "-t", "tmpfs", "none", place]).output();
        if possible.is_ok_and(|output| output.status.success()) {
            let mut command = Command::new("unshare");
            command.args([how, "sh", "-c", &mounted, "sh"]).args(arguments).stdin(Stdio::null());
            return Some(Finished::of(&mut command));
        }
    }
    machine_forbids(&format!("mounting something at {place}"));
    None
}
