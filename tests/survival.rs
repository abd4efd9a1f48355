//! However a program ends: the capture is complete, and nothing that was allocated before is missing.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::memprof::Finished;
use support::pythons;
use support::recording::{Recorded, Recording, total};
use support::table::table;

/// How often a thread of survivor.py allocates between two lines.
const ROUND: u64 = 20;

/// How far each thread said that it had come.
fn progress(stdout: &str) -> BTreeMap<String, u64> {
    let mut reached = BTreeMap::new();
    for line in stdout.lines() {
        if let Some((thread, count)) = line.split_once(' ') {
            reached.insert(thread.to_owned(), count.parse().expect("a number"));
        }
    }
    reached
}

/// What the capture holds of each thread.
fn recorded_by_thread(recorded: &Recorded) -> BTreeMap<String, u64> {
    let mut by_thread = BTreeMap::new();
    for row in table(&recorded.capture(), "--total").into_iter().filter(|row| row.allocator == "valloc") {
        // "name (id)"
        let id = row.thread.rsplit(['(', ' ']).next().expect("an id").trim_end_matches(')').to_owned();
        *by_thread.entry(id).or_default() += row.allocations;
    }
    by_thread
}

#[test]
fn every_end_but_being_killed() {
    let ends = [("exit", 3), ("_exit", 3), ("abort", 134), ("segfault", 139), ("exception", 1)];
    for python in pythons::all() {
        for (how, status) in ends {
            let recorded = Recording::of_script(python, "survivor.py").argument(how).argument("50").run();
            let recorded = recorded.ends_with(status);
            let reached = progress(&recorded.finished().stdout());
            assert_eq!(reached.len(), 4, "{python}, {how}");
            assert!(reached.values().all(|&count| count == 50 * ROUND));
            assert_eq!(recorded_by_thread(&recorded), reached, "{python}, {how}");
            assert_complete(&recorded);
        }
    }
}

#[track_caller]
fn assert_complete(recorded: &Recorded) {
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], true);
    assert_eq!(stats["notes"].as_array().map(Vec::len), Some(0), "{}", stats["notes"]);
    assert_eq!((total(&stats, "skipped_events"), total(&stats, "damaged_chunks")), (0, 0));
}

#[test]
fn killed_at_any_moment() {
    const RUNS: u64 = 30;
    let (mut seed, mut counts) = (0x9e37_79b9_7f4a_7c15_u64, Vec::new());
    for run in 0..RUNS {
        // Any sequence will do, as long as it is the same each time (Knuth's MMIX generator).
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_micros((seed >> 33) % 60_000);
        let recorded = record_and_kill(delay);
        let (reached, found) = (progress(&recorded.finished().stdout()), recorded_by_thread(&recorded));
        for (thread, &count) in &reached {
            let found = found.get(thread).copied().unwrap_or(0);
            // A round that was under way, and its last line, may be there or not.
            let possible = count..=count + 2 * ROUND;
            assert!(possible.contains(&found), "run {run}: thread {thread} reached {count}, {found} recorded");
        }
        assert_complete(&recorded);
        counts.push(reached.values().sum::<u64>());
    }
    counts.sort_unstable();
    counts.dedup();
    assert!(counts.len() as u64 > RUNS / 2, "the kills came at the same moment: {counts:?}");
}

/// Runs survivor.py and kills it this long after its first sign of life.
fn record_and_kill(delay: Duration) -> Recorded {
    let recording = Recording::of_script(pythons::any(), "survivor.py").argument("wait").argument("1000000");
    let mut child = recording.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("memprof starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("the program prints its id");
    let pid: i32 = first.trim().parse().expect("an id");
    let killer = std::thread::spawn(move || {
        sleep(delay);
        // SAFETY: kill touches no memory. The program waits to be killed, so the id is still its own.
        unsafe { libc::kill(pid, libc::SIGKILL) }
    });
    let rest = stdout.lines().map(|line| line.expect("text") + "\n").collect::<String>();
    assert_eq!(killer.join().expect("no panic"), 0);
    let output = child.wait_with_output().expect("memprof ends");
    let finished =
        Finished::with(format!("killed after {delay:?}"), std::process::Output { stdout: rest.into_bytes(), ..output });
    recording.recorded(finished.ends_with(128 + libc::SIGKILL))
}

/// The recorder itself may be killed as well: the program goes on, and what was written until then can be read.
#[test]
fn the_recorder_is_killed() {
    let recording = Recording::of_script(pythons::any(), "survivor.py").argument("exit").argument("3000");
    let mut child = recording.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("memprof starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("the program prints its id");
    sleep(Duration::from_millis(100));
    child.kill().expect("memprof can be killed");
    child.wait().expect("memprof ends");
    let begin = Instant::now();
    let reached = progress(&stdout.lines().map(|line| line.expect("text") + "\n").collect::<String>());
    assert!(begin.elapsed() < Duration::from_secs(60), "the program hangs without its recorder");
    assert_eq!(reached.len(), 4);
    assert!(reached.values().all(|&count| count == 3000 * ROUND), "the program came only to {reached:?}");

    let capture = recording.capture();
    let stats = support::recording::stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(stats["notes"][0].as_str().expect("a note").contains("has no end"), "{}", stats["notes"]);
}
