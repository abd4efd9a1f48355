//! `--follow-fork`: all processes in one capture, each with its own identity, and none without the option.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

use memprof_capture::file::CaptureReader;
use serde_json::Value;

use crate::support::c_programs::compile;
use crate::support::memprof::{Finished, memprof, programs};
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording, set_up, total};
use crate::support::skipping::machine_forbids;
use crate::support::table::{Amount, sum, table, table_of};

/// Pid and parent's pid, as the processes of family.py saw them.
fn reported(recorded: &Recorded, name: &str) -> (u64, u64) {
    let text = std::fs::read_to_string(recorded.folder().join(name)).unwrap_or_else(|_| panic!("no report of {name}"));
    let (pid, parent) = text.split_once(' ').expect("two numbers");
    (pid.parse().expect("a number"), parent.parse().expect("a number"))
}

fn process(stats: &Value, pid: u64) -> &Value {
    let processes = stats["processes"].as_array().expect("a list");
    processes.iter().find(|process| process["pid"] == pid).unwrap_or_else(|| panic!("no process {pid}: {processes:#?}"))
}

/// The blocks that a process of family.py kept: how many, and their sizes.
const KEPT: &[(&str, u64, u64, &str)] = &[
    ("program", 3, 1111, "start"),
    ("forked", 5, 2222, "fork"),
    ("grandchild", 6, 3333, "fork"),
    ("spawned", 8, 4444, "exec"),
    ("killed", 4, 5555, "fork"),
    ("became", 9, 1234, "fork"),
    ("daemon", 7, 7777, "fork"),
];

#[test]
fn all_are_in_the_capture() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = Recording::of_script(python, "family.py").option("--follow-fork").run().ends_with(3);
        assert!(recorded.finished().stdout().ends_with("end\n"));
        let stats = recorded.stats();
        assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0), "{stats:#}");
        assert_eq!(stats["metadata"]["complete"], true, "{}", stats["notes"]);
        for &(name, count, size, began) in KEPT {
            let (pid, parent) = reported(&recorded, name);
            let found = process(&stats, pid);
            // The daemon's parent had ended when it reported.
            assert!(name == "daemon" || found["parent"] == parent, "{name}: {found:#}");
            // Python itself may fork before it executes.
            assert!(
                found["began"] == began || (began, &found["began"]) == ("exec", &"fork".into()),
                "{name}: {found:#}"
            );
            assert!(!found["ended_s"].is_null(), "{name}");
            let rows = table_of(&recorded.capture(), &["--total", "--process", &pid.to_string()]);
            let own = sum(&rows, |row| row.allocator == "valloc" && row.bytes % size == 0);
            assert_eq!(own, Amount { allocations: count, bytes: count * size }, "{name}: {rows:#?}");
            let rows = table_of(&recorded.capture(), &["--leaks", "--process", &pid.to_string()]);
            let kept = sum(&rows, |row| row.allocator == "valloc");
            let given_back = u64::from(name == "forked");
            assert_eq!(kept.allocations, count - given_back, "{name}");
        }
        let forked = process(&stats, reported(&recorded, "forked").0);
        assert_eq!(forked["inherited_frees"].as_u64().map(|frees| frees > 0), Some(true), "{forked:#}");
        // The same process before and after: its first blocks went with the first program.
        let (became, becomes) = (reported(&recorded, "became").0, reported(&recorded, "becomes").0);
        assert_eq!(became, becomes);
        assert!(process(&stats, became)["dropped_by_exec"].as_u64() >= Some(2));
        let command = process(&stats, reported(&recorded, "spawned").0)["command_line"].to_string();
        assert!(command.contains("family.py") && command.contains("spawned"), "{command}");
        // All together: the sum over the processes.
        let all = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
        let expected: u64 = KEPT.iter().map(|&(_, count, ..)| count).sum::<u64>() + 2;
        assert_eq!(all.allocations, expected);
    }
}

/// Processes of which nothing has been seen when the program ends, or that end before anyone polls them.
#[test]
fn daemons_and_short_lives_have_their_ends() {
    let program = compile("late_daemon.c", "late_daemon", &[]);
    for (how, processes) in [("fork", 1), ("exec", 1), ("storm", 100)] {
        let recording = Recording::of_command(&[program.as_os_str(), how.as_ref()]).option("--follow-fork");
        let recorded = recording.run().ends_with(3);
        let rows = table(&recorded.capture(), "--total");
        let own = sum(&rows, |row| row.allocator == "valloc");
        assert_eq!(own, Amount { allocations: processes * 7, bytes: processes * 7 * 7777 }, "{how}");
        let stats = recorded.stats();
        let all = stats["processes"].as_array().expect("a list");
        assert!(all.iter().all(|process| !process["ended_s"].is_null()), "{how}: {all:#?}");
        assert_eq!(stats["metadata"]["complete"], true, "{how}");
    }
}

#[test]
fn the_peak_is_that_of_the_whole_family() {
    let code = "
import mmap, os
own = mmap.mmap(-1, 100 << 20)
(ready, tell), (go, start) = os.pipe(), os.pipe()
for child in range(2):
    if os.fork() == 0:
        os.close(start)
        block = mmap.mmap(-1, 50 << 20)
        os.write(tell, b'x')
        os.read(go, 1)
        os._exit(0)
os.read(ready, 1), os.read(ready, 1)
os.close(start)
os.wait(), os.wait()
";
    let recorded = Recording::of_code(pythons::any(), code).option("--follow-fork").run().succeeds();
    let stats = recorded.stats();
    let mib = |bytes: &Value| bytes.as_u64().expect("a number") >> 20;
    assert_eq!(stats["processes"].as_array().map(Vec::len), Some(3), "{stats:#}");
    let peak = mib(&stats["totals"]["peak_bytes"]);
    assert!((200..215).contains(&peak), "{peak} MiB");
    let own: Vec<u64> = stats["processes"].as_array().unwrap().iter().map(|it| mib(&it["own_peak_bytes"])).collect();
    assert!((100..110).contains(&own[0]) && own[1..].iter().all(|peak| (50..60).contains(peak)), "{own:?}");
}

#[test]
fn none_without_the_option() {
    let recorded = Recording::of_script(pythons::any(), "family.py").run().ends_with(3);
    let stats = recorded.stats();
    assert_eq!(stats["processes"].as_array().map(Vec::len), Some(1));
    let all = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
    assert_eq!(all, Amount { allocations: 3, bytes: 3 * 1111 });
    let reader = CaptureReader::open(&recorded.capture()).expect("the capture can be opened");
    let images: BTreeMap<u32, usize> = reader.event_chunks().iter().map(|chunk| (chunk.image, 1)).collect();
    assert_eq!(images.len(), 1);
}

/// Runs a test program without memprof and followed: both runs must print and return the same.
#[track_caller]
fn same_as_without(python: &Python, script: &str, with: impl FnOnce(Recording) -> Recording) -> Recorded {
    let recorded = with(Recording::of_script(python, script)).option("--follow-fork").run();
    let mut bare = Command::new(&python.path);
    set_up(bare.arg(programs().join(script)).stdin(Stdio::null()), recorded.folder());
    let bare = Finished::of(&mut bare);
    assert_eq!(recorded.finished().stdout(), bare.stdout(), "{python}: {}", recorded.finished().stderr());
    assert_eq!(recorded.finished().status(), bare.status(), "{python}");
    let stats = recorded.stats();
    assert_eq!(total(&stats, "unknown_frees"), 0, "{python}: {stats}");
    recorded
}

#[test]
fn children_run_unharmed() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = same_as_without(python, "has_children.py", |recording| recording);
        let rows = table(&recorded.capture(), "--total");
        let own = sum(&rows, |row| row.allocator == "valloc");
        assert_eq!(own, Amount { allocations: 10, bytes: 10 * 1111 }, "{python}");
        // 25 forked children, and two that run Python.
        let children = sum(&rows, |row| row.allocator == "pvalloc");
        let expected = Amount { allocations: 25 * 1000 + 200, bytes: 25 * 1000 * 2222 + 200 * 999 };
        assert_eq!(children, expected, "{python}");
    }
}

#[test]
fn pools_of_processes() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = same_as_without(python, "process_pools.py", |recording| recording.with_objects_of(python));
        // The line makes 100 blocks of some 1000 bytes each time.
        let rows = table(&recorded.capture(), "--total");
        let worked = sum(&rows, |row| row.file.ends_with("process_pools.py") && row.bytes > 50_000);
        assert!(worked.allocations >= 6 * 20 * 100, "{python}: {worked:?}");
    }
}

#[test]
fn an_unknown_process_is_an_error_that_names_the_known_ones() {
    let recorded = Recording::of_code(pythons::any(), "pass").run().succeeds();
    let finished = Finished::of(memprof(["stats", "--process", "4194305"]).arg(recorded.capture())).ends_with(1);
    assert!(finished.stderr().contains("4194305"), "{}", finished.stderr());
}

/// The kernel's count for a process that has waited for children is the largest of them all.
#[test]
fn resident_sets_are_those_of_the_recorded_processes() {
    const CHILDREN: u64 = 2 * (100 << 20);
    let python = pythons::any();
    for (option, least, most) in [("--no-native", 1, CHILDREN / 2), ("--follow-fork", CHILDREN, 3 * CHILDREN)] {
        let recorded = Recording::of_script(python, "large_children.py").option(option).run().succeeds();
        let peak = total(&recorded.stats(), "peak_rss_bytes");
        assert!((least..most).contains(&peak), "{option}: {peak}");
        let said = recorded.finished().stderr();
        let text = Finished::of(memprof(["stats"]).arg(recorded.capture())).succeeds().stdout();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Largest resident set")).expect("a line");
        assert!(said.contains(&format!("peak RSS {};", line.trim_start_matches('s').trim())), "{option}: {said}{line}");
    }
}

/// The processes of another pid namespace have other numbers for themselves than for the recorder.
#[test]
fn those_in_a_pid_namespace_are_recorded_as_the_recorder_knows_them() {
    let python = pythons::any();
    let code = "\
import os, threading, truth
kept = [truth.valloc(1111) for _ in range(10)]
def more():
    kept.extend(truth.valloc(2222) for _ in range(20))
thread = threading.Thread(target=more)
thread.start(); thread.join()
if os.fork() == 0:
    kept.extend(truth.valloc(3333) for _ in range(30))
    os._exit(0)
os.wait()
print(os.getpid(), os.getppid())
";
    for (option, recorded_too) in [("--fork", true), ("--mount-proc", false)] {
        let command: Vec<&OsStr> = ["unshare", "-p", "--fork", option].into_iter().map(OsStr::new).collect();
        let command = [&command[..], &[python.path.as_os_str(), "-c".as_ref(), code.as_ref()]].concat();
        let mut bare = Command::new(command[0]);
        set_up(bare.args(&command[1..]).env("PYTHONPATH", programs()).stdin(Stdio::null()), &programs());
        if Finished::of(&mut bare).status() != 0 {
            machine_forbids("another pid namespace");
            return;
        }
        let recording = Recording::of_command(&command).option("--follow-fork").variable("PYTHONPATH", programs());
        let recorded = recording.run().succeeds();
        assert_eq!(recorded.finished().stdout(), "1 0\n", "{}", recorded.finished().stderr());
        let stats = recorded.stats();
        assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
        let rows = table(&recorded.capture(), "--total");
        for (size, count) in [(1111, 10), (2222, 20), (3333, 30)] {
            let found = sum(&rows, |row| row.allocator == "valloc" && row.bytes == size * row.allocations);
            assert_eq!(found.allocations, if recorded_too { count } else { 0 }, "{option}: {size}");
        }
        let processes = stats["processes"].as_array().expect("processes");
        assert!(processes.iter().all(|process| !process["ended_s"].is_null()), "{stats}");
        assert!(processes.iter().all(|process| process["pid"].as_u64() > Some(1)), "{stats}");
        let notes = stats["notes"].to_string();
        assert_eq!(
            notes.contains("1 program could not be recorded: run as another user, in a"),
            !recorded_too,
            "{notes}"
        );
    }
}
