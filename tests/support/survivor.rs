//! survivor.py and survivor.c: programs that say how far they have come, and what the capture holds of that.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use super::memprof::Finished;
use super::recording::{Recorded, Recording, total};
use super::table::table;

/// How often a thread allocates between two lines.
pub const ROUND: u64 = 20;

/// How far each thread said that it had come.
pub fn progress(stdout: &str) -> BTreeMap<String, u64> {
    let mut reached = BTreeMap::new();
    for line in stdout.lines() {
        if let Some((thread, count)) = line.split_once(' ') {
            reached.insert(thread.to_owned(), count.parse().expect("a number"));
        }
    }
    reached
}

/// What the capture holds of each thread.
pub fn recorded_by_thread(recorded: &Recorded) -> BTreeMap<String, u64> {
    let mut by_thread = BTreeMap::new();
    for row in table(&recorded.capture(), "--total").into_iter().filter(|row| row.allocator == "valloc") {
        // "name (id)"
        let id = row.thread.rsplit(['(', ' ']).next().expect("an id").trim_end_matches(')').to_owned();
        *by_thread.entry(id).or_default() += row.allocations;
    }
    by_thread
}

/// Requires that nothing is missing, and nothing to be said about it.
#[track_caller]
pub fn assert_complete(recorded: &Recorded) {
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], true);
    assert_eq!(stats["notes"].as_array().map(Vec::len), Some(0), "{}", stats["notes"]);
    assert_eq!((total(&stats, "skipped_events"), total(&stats, "damaged_chunks")), (0, 0));
}

/// Requires that the capture of a program that was killed holds all that each thread had made before its last line.
#[track_caller]
pub fn assert_holds_all(recorded: &Recorded, what: &str) {
    let (reached, found) = (progress(&recorded.finished().stdout()), recorded_by_thread(recorded));
    for (thread, &count) in &reached {
        let found = found.get(thread).copied().unwrap_or(0);
        // A round that was under way, and its last line, may be there or not.
        let possible = count..=count + 2 * ROUND;
        assert!(possible.contains(&found), "{what}: thread {thread} reached {count}, {found} recorded");
    }
    assert_complete(recorded);
}

/// A survivor that runs under memprof.
pub struct Running {
    recording: Recording,
    /// memprof.
    pub memprof: Child,
    /// The survivor's process id.
    pub pid: i32,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it, and waits for its first sign of life.
    pub fn start(recording: Recording) -> Self {
        let mut command = recording.command();
        let mut memprof = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("memprof starts");
        let mut stdout = BufReader::new(memprof.stdout.take().expect("it is piped"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("the program prints its id");
        Self { recording, memprof, pid: first.trim().parse().expect("an id"), stdout }
    }

    /// Sends a signal to the survivor, which must not have ended by itself.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill touches no memory. memprof has not taken note of the program's end, so the id is its own.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0);
    }

    /// Waits for the end of both.
    pub fn finish(self) -> Recorded {
        let rest = self.stdout.lines().map(|line| line.expect("text") + "\n").collect::<String>();
        let output = self.memprof.wait_with_output().expect("memprof ends");
        let output = std::process::Output { stdout: rest.into_bytes(), ..output };
        self.recording.recorded(Finished::with("memprof run".to_owned(), output))
    }
}
