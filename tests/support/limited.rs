//! Commands that must come to their end in time: one that hangs fails its test, and is ended with all that it started.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use super::memprof::Finished;

/// More than any of the programs takes that are run this way, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Runs a command to its end. Fails if that does not come within `limit`.
#[track_caller]
pub fn finished_within(limit: Duration, command: &mut Command) -> Finished {
    let call = format!("{command:?}");
    // Into files: a pipe could be kept open by a process that is left.
    let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file can be made"));
    let to = |file: &File| Stdio::from(file.try_clone().expect("a descriptor can be had"));
    command.stdin(Stdio::null()).stdout(to(&stdout)).stderr(to(&stderr)).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {call}: {error}"));
    let status = wait(&mut child, limit);
    if status.is_none() {
        end_all(&mut child);
    }
    let (stdout, stderr) = (contents(&mut stdout), contents(&mut stderr));
    let Some(status) = status else {
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        panic!("it hangs: {call} did not end within {limit:?}\nstdout: {stdout}\nstderr: {stderr}");
    };
    Finished::with(call, Output { status, stdout, stderr })
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a process, its descendants, and its process group.
fn end_all(child: &mut Child) {
    let pid = child.id().cast_signed();
    for id in descendants(pid).into_iter().chain([pid, -pid]) {
        // SAFETY: it takes no memory. The child has not been waited for, so that its id and its group's are its own.
        unsafe { libc::kill(id, libc::SIGKILL) };
    }
    let _ = child.wait();
}

/// The processes that were started by this one, or by one of them, and not left behind.
fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
        next += 1;
    }
    found.split_off(1)
}

fn contents(file: &mut File) -> Vec<u8> {
    let mut contents = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut contents)).expect("a file can be read");
    contents
}
