//! Processes of one command line are distinguished in lists: by their pids, when they started, and what differs in what
//! they run.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording};
use crate::support::table::table;

fn follow(code: &str) -> Recorded {
    Recording::of_code(pythons::any(), code).option("--follow-fork").run().succeeds()
}

/// The list of processes in `stats`, at a width: a text for each process.
fn listed(recorded: &Recorded, width: usize) -> Vec<String> {
    let mut stats = memprof(["stats", "-n", "100", "--width", &width.to_string()]);
    let text = Finished::of(stats.arg(recorded.capture())).succeeds().stdout();
    assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    let list = text.split("Processes, by their own peaks\n").nth(1).expect("there is a list").split("\n\n").next();
    let mut rows: Vec<String> = Vec::new();
    for line in list.expect("it has an end").lines().skip(1) {
        // What has no room beside the figures is below them.
        if line.starts_with("      ") && !line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            rows.last_mut().expect("a row comes first").push_str(&line[4..]);
        } else {
            rows.push(line.trim().to_owned());
        }
    }
    rows
}

/// What comes after the figures of a row, and the row's pid.
fn beginning<'a>(rows: &'a [String], pid: &Value) -> &'a str {
    let pid = format!("{pid} ");
    let row = rows.iter().find(|row| row.starts_with(&pid)).unwrap_or_else(|| panic!("no {pid} in {rows:#?}"));
    row.rsplit("  ").next().expect("a row has an end").trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
}

fn processes(recorded: &Recorded) -> Vec<Value> {
    recorded.stats()["processes"].as_array().expect("a list").clone()
}

const POOL: &str = "
import multiprocessing, sys
def work(number):
    return len(bytearray(1_000_000 + number))
if __name__ == '__main__':
    with multiprocessing.get_context(METHOD).Pool(3) as pool:
        pool.map(work, range(30), chunksize=1)
";

#[test]
fn forked_workers_do_not_repeat_the_command_line() {
    let recorded = follow(&POOL.replace("METHOD", "'fork'"));
    let processes = processes(&recorded);
    assert_eq!(processes.len(), 4);
    for width in [80, 120] {
        let rows = listed(&recorded, width);
        let parent = &processes[0]["pid"];
        assert!(beginning(&rows, parent).starts_with("start: python"), "{rows:#?}");
        for worker in &processes[1..] {
            assert_eq!(beginning(&rows, &worker["pid"]), format!("fork of {parent}"), "{rows:#?}");
            let started = format!(" {:.3} s ", worker["started_s"].as_f64().expect("a number"));
            assert!(rows.iter().any(|row| row.contains(&started)), "{started} in {rows:#?}");
        }
    }
}

#[test]
fn spawned_workers_are_told_by_what_differs_in_their_code() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let script = folder.path().join("pool.py");
    std::fs::write(&script, POOL.replace("METHOD", "'spawn'")).expect("it can be written");
    let recorded = Recording::of_file(pythons::any(), &script).option("--follow-fork").run().succeeds();
    let processes = processes(&recorded);
    let workers: Vec<&Value> = processes
        .iter()
        .filter(|process| process["command_line"].as_str().is_some_and(|line| line.contains("spawn_main")))
        .collect();
    assert_eq!(workers.len(), 3, "{processes:#?}");
    let rows = listed(&recorded, 80);
    assert!(beginning(&rows, &processes[0]["pid"]).ends_with(" pool.py"), "{rows:#?}");
    let texts: BTreeSet<&str> = workers.iter().map(|worker| beginning(&rows, &worker["pid"])).collect();
    assert_eq!(texts.len(), 3, "{rows:#?}");
    assert!(texts.iter().all(|text| text.contains("multiprocessing.spawn … pipe_handle=")), "{texts:#?}");
    // The message for a process that was not recorded has the same words.
    let refused = Finished::of(memprof(["stats", "--process", "1"]).arg(recorded.capture())).ends_with(1).stderr();
    assert!(texts.iter().all(|text| refused.contains(text.split(')').next().expect("a text"))), "{refused}");
}

#[test]
fn programs_are_told_by_their_arguments() {
    let recorded = follow(
        "import subprocess, sys\n\
         for shard in range(3):\n\
         \x20   code = 'kept = bytearray(3_000_000)'\n\
         \x20   subprocess.run([sys.executable, '-c', code, '--verbose', '--of-all-shards=3', f'--shard={shard}'])\n",
    );
    let processes = processes(&recorded);
    let rows = listed(&recorded, 80);
    let parent = &processes[0]["pid"];
    for (shard, process) in processes[1..].iter().enumerate() {
        let text = beginning(&rows, &process["pid"]);
        let said =
            text.starts_with(&format!("exec by {parent}: python")) && text.ends_with(&format!(" … --shard={shard}"));
        assert!(said, "{rows:#?}");
        // The whole command line is in the data.
        assert!(process["command_line"].as_str().is_some_and(|line| line.contains("--of-all-shards=3")));
    }
}

#[test]
fn a_name_that_a_process_gave_itself_comes_first() {
    let recorded = follow(
        // The recorder asks for names when it writes, every second or so.
        "import ctypes, os, time\n\
         for number in range(2):\n\
         \x20   if os.fork() == 0:\n\
         \x20       ctypes.CDLL(None).prctl(15, b'mail worker %d' % number, 0, 0, 0)\n\
         \x20       kept = bytearray(2_000_000)\n\
         \x20       time.sleep(3)\n\
         \x20       os._exit(0)\n\
         os.wait()\n\
         os.wait()\n",
    );
    let processes = processes(&recorded);
    let rows = listed(&recorded, 80);
    let parent = &processes[0]["pid"];
    // Either may have begun first.
    let texts: BTreeSet<&str> = processes[1..].iter().map(|process| beginning(&rows, &process["pid"])).collect();
    let expected = [0, 1].map(|number| format!("mail worker {number}, fork of {parent}"));
    assert_eq!(texts, expected.iter().map(String::as_str).collect(), "{rows:#?}");
}

/// What it was called right after the fork says nothing of what it did.
#[test]
fn workers_have_the_last_name_that_they_gave_themselves() {
    const CODE: &str = "
import ctypes, os, threading
def call_me(name):
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
def work(number):
    call_me(b'worker %d' % number)
    block = bytearray(1_000_000 + number)
    call_me(b'idle %d' % number)
    os._exit(0)
def start():
    for number in range(3):
        if not (pid := os.fork()):
            work(number)
        os.waitpid(pid, 0)
starter = threading.Thread(target=start, name='starter')
starter.start()
starter.join()
";
    let recorded = follow(CODE);
    let processes = processes(&recorded);
    let (rows, done) = (listed(&recorded, 100), table(&recorded.capture(), "--total"));
    assert_eq!(processes.len(), 4);
    for (number, worker) in processes[1..].iter().enumerate() {
        let expected = format!("idle {number}, fork of {}", processes[0]["pid"]);
        assert_eq!(beginning(&rows, &worker["pid"]), expected, "{rows:#?}");
        let thread = format!("idle {number} ");
        assert!(done.iter().any(|row| row.function == "work" && row.thread.starts_with(&thread)), "{done:#?}");
    }
}
