//! What several processes map counts once, and files are no memory.

use std::ffi::OsStr;

use serde_json::Value;

use crate::support::c_programs::compile;
use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::table::{Amount, sum, table, table_of};

const MIB: u64 = 1 << 20;

/// Files in there are on a disk.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn mib(bytes: u64, allocations: u64) -> Amount {
    Amount { allocations, bytes: bytes * MIB }
}

/// The only file, or the only shared memory.
#[track_caller]
fn object<'a>(stats: &'a Value, kind: &str) -> &'a Value {
    let all = stats["shared_mappings"].as_array().expect("a list");
    let found: Vec<&Value> = all.iter().filter(|object| object["kind"] == kind).collect();
    let [only] = found[..] else { panic!("one {kind} of {all:#?}") };
    only
}

fn numbers(of: &Value) -> [u64; 4] {
    ["mappings", "bytes", "peak_bytes", "leaked_bytes"].map(|name| of[name].as_u64().expect("a number"))
}

fn pids(object: &Value) -> usize {
    object["pids"].as_array().expect("a list").len()
}

#[track_caller]
fn check_mappings(recorded: &Recorded) {
    let (capture, stats) = (recorded.capture(), recorded.stats());
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    let frames = object(&stats, "memory");
    // In all, since each that goes on to count bytes allocates them then: 8 and 1, 5 and 3, 3, and 8 by the child.
    assert_eq!(numbers(frames), [4, 28 * MIB, 9 * MIB, 4 * MIB], "{frames:#}");
    assert_eq!(pids(frames), 2);
    let of = |rows: &[crate::support::table::Row], allocator: &str| sum(rows, |row| row.allocator == allocator);
    let (peak, leaked) = (table(&capture, "--peak"), table(&capture, "--leaks"));
    // That lasts until the second one goes.
    assert_eq!(of(&peak, "mmap_shared"), mib(9, 3));
    assert_eq!(of(&leaked, "mmap_shared"), mib(4, 1));
    // Zeros, and what a child would share.
    assert_eq!(of(&leaked, "mmap"), mib(3, 2));
    // Files are nowhere, unless they are asked for.
    let rows = table(&capture, "--total");
    assert_eq!(of(&rows, "mmap_file"), Amount::default());
    assert_eq!(of(&rows, "mremap"), Amount::default(), "{rows:?}");
    let files = table_of(&capture, &["--total", "--allocator", "mmap_file"]);
    assert_eq!(of(&files, "mmap_file"), mib(11, 3), "{files:?}");
    assert_eq!(sum(&files, |_| true), mib(11, 3));
    assert_eq!(sum(&table_of(&capture, &["--leaks", "--allocator", "mmap_file"]), |_| true), mib(9, 3));
    assert_eq!(numbers(&stats["mapped_files"])[..2], [3, 11 * MIB]);
    let file = object(&stats, "file");
    assert_eq!((numbers(file)[0], pids(file)), (2, 1), "{file:#}");
    let text = Finished::of(memprof(["stats"]).arg(&capture)).succeeds().stdout();
    assert!(text.contains("Mapped files") && text.contains("11.0 MiB in 3 mappings"), "{text}");
    assert!(text.contains("  memory  ") && text.contains("    file  "), "{text}");
}

#[test]
fn count_once_for_the_oldest() {
    let program = compile("shared_mappings.c", "shared_mappings", &[]);
    let command = [program.as_os_str(), OsStr::new(FOLDER)];
    for how in [&[][..], &["--aggregate"]] {
        let recording = Recording::of_command(&command).option("--follow-fork");
        let recorded = how.iter().fold(recording, |recording, option| recording.option(option)).run().succeeds();
        assert_eq!(recorded.finished().stdout().lines().next(), Some("end"));
        check_mappings(&recorded);
    }
}

/// The second half of a run, as a capture of its own.
#[test]
fn parts_of_a_run_count_the_same() {
    let program = compile("shared_mappings.c", "shared_mappings", &[]);
    let recorded =
        Recording::of_command(&[program.as_os_str(), OsStr::new(FOLDER)]).option("--follow-fork").run().succeeds();
    let end = recorded.stats()["metadata"]["duration_s"].as_f64().expect("a number");
    for share in [0.2, 0.5, 0.9] {
        let (from, cut) = ((end * share).to_string(), recorded.folder().join(format!("{share}.bin")));
        let mut trim = memprof(["trim", "--from", &from, "-o"]);
        Finished::of(trim.arg(&cut).arg(recorded.capture())).succeeds();
        // What was live at the beginning is allocated then, and counts as before.
        for (metric, allocator) in [("--peak", "mmap_shared"), ("--peak", "mmap_file")] {
            let of = |capture, options: &[&str]| {
                sum(&table_of(capture, &[&[metric, "--allocator", allocator], options].concat()), |_| true)
            };
            assert_eq!(of(&cut, &[]), of(&recorded.capture(), &["--from", &from]), "{share} {metric} {allocator}");
        }
    }
}

#[test]
fn of_python_count_once() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recording =
            Recording::of_script(python, "shared_memory.py").with_objects_of(python).option("--follow-fork");
        let recorded = recording.variable("TMPDIR", FOLDER).run().succeeds();
        assert!(recorded.finished().stdout().starts_with("7 0\nb'abc'\n"), "{}", recorded.finished().stdout());
        let stats = recorded.stats();
        let shared = object(&stats, "memory");
        assert!(shared["name"].as_str().is_some_and(|name| name.starts_with("/dev/shm/psm_")), "{shared:#}");
        assert_eq!(numbers(shared), [2, 20 * MIB, 20 * MIB, 0], "{shared:#}");
        assert_eq!(pids(shared), 2);
        let files = numbers(&stats["mapped_files"]);
        assert_eq!((files[0], files[1], files[3]), (1, 30 * MIB, 0));
        let peak = total(&stats, "peak_bytes");
        assert!(peak > 40 * MIB && peak < 58 * MIB, "20 MiB, their copy, and two interpreters: {peak}");
    }
}
