//! Addresses that nobody may touch are no memory until somebody may.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

use crate::support::c_programs::compile;
use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::table::{Amount, Row, sum, table, table_of};

const MIB: u64 = 1 << 20;

/// Files in there are on a disk.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn mib(bytes: u64, allocations: u64) -> Amount {
    Amount { allocations, bytes: bytes * MIB }
}

fn of(rows: &[Row], function: &str, allocator: &str) -> Amount {
    sum(rows, |row| row.allocator == allocator && row.function == function)
}

fn numbers(of: &Value) -> [u64; 4] {
    ["mappings", "bytes", "peak_bytes", "leaked_bytes"].map(|name| of[name].as_u64().expect("a number"))
}

#[track_caller]
fn check(recorded: &Recorded) {
    let (capture, stats) = (recorded.capture(), recorded.stats());
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    let leaks = table(&capture, "--leaks");
    assert_eq!(of(&leaks, "commit", "mprotect"), mib(22, 2), "{leaks:?}");
    assert_eq!(of(&leaks, "map_over", "mmap"), mib(4 + 5, 2), "{leaks:?}");
    assert_eq!(of(&leaks, "guard", "mmap"), mib(7, 1));
    assert_eq!(of(&leaks, "move", "mprotect"), mib(1, 1));
    assert_eq!(of(&leaks, "commit_often", "mprotect"), mib(2, 4));
    assert_eq!(of(&leaks, "main", "mmap"), mib(32, 1));
    assert_eq!(of(&leaks, "main", "mprotect"), mib(1, 1));
    let memory = sum(&leaks, |row| matches!(row.allocator.as_str(), "mmap" | "mremap" | "mprotect"));
    assert_eq!(memory, mib(22 + 9 + 7 + 1 + 2 + 32 + 1, 12));
    for metric in ["--peak", "--leaks", "--total"] {
        assert_eq!(sum(&table(&capture, metric), |row| row.allocator == "mmap_reserved"), Amount::default());
    }
    assert_eq!(stats["by_allocator"].get("mmap_reserved"), None);
    // Each time is an allocation.
    assert_eq!(of(&table(&capture, "--total"), "commit_often", "mprotect"), mib(4 * 500 / 2, 4 * 500));
    let peak = total(&stats, "peak_bytes");
    assert!((74 * MIB..80 * MIB).contains(&peak), "what is reserved is not in it: {peak}");

    let reserved = table_of(&capture, &["--leaks", "--allocator", "mmap_reserved"]);
    // What is left of the first half: 24, 4, 8, 1 and 2 are taken out of it.
    assert_eq!(of(&reserved, "main", "mmap_reserved"), mib(512 - 24 - 4 - 8 - 1 - 2, 1), "{reserved:?}");
    assert_eq!(of(&reserved, "commit", "mmap_reserved"), mib(2, 1));
    assert_eq!(of(&reserved, "map_over", "mmap_reserved"), mib(3, 1));
    assert_eq!(of(&reserved, "guard", "mmap_reserved"), mib(1, 1));
    assert_eq!(of(&reserved, "move", "mmap_reserved"), mib(15, 1));
    let left = 473 + 2 + 3 + 1 + 15;
    assert_eq!(sum(&reserved, |_| true), mib(left, 5));
    let [mappings, _, _, at_the_end] = numbers(&stats["reserved_addresses"]);
    // 8 MiB were moved; 499 times four threads gave theirs back.
    assert_eq!((mappings, at_the_end), (6 + 4 * 499, left * MIB));
    assert_eq!(numbers(&stats["mapped_files"])[..2], [1, 2 * MIB]);
    let text = Finished::of(memprof(["stats"]).arg(&capture)).succeeds().stdout();
    assert!(text.contains("Reserved addresses") && text.contains("--allocator mmap_reserved"), "{text}");
}

#[test]
fn becomes_memory_when_it_may_be_touched() {
    let program = compile("reserved_memory.c", "reserved_memory", &[]);
    let command = [program.as_os_str(), OsStr::new(FOLDER)];
    for options in [&[][..], &["--aggregate"]] {
        let recording =
            options.iter().fold(Recording::of_command(&command), |recording, option| recording.option(option));
        let recorded = recording.run().succeeds();
        assert_eq!(recorded.finished().stdout(), "end\n");
        check(&recorded);
    }
}

/// It sets a gibibyte aside before it allocates anything.
#[test]
fn what_python_s_mimalloc_sets_aside_is_no_memory() {
    let knows_mimalloc = |python: &pythons::Python| {
        let mut command = Command::new(&python.path);
        let finished = command.args(["-c", ""]).env("PYTHONMALLOC", "mimalloc").output().expect("Python runs");
        finished.status.success().then_some(())
    };
    for (python, ()) in pythons::that_have("mimalloc", knows_mimalloc) {
        eprintln!("{python}");
        let command = [python.path.as_os_str(), OsStr::new("-c"), OsStr::new("print(sum(range(100)))")];
        let recorded = Recording::of_command(&command).variable("PYTHONMALLOC", "mimalloc").run().succeeds();
        let stats = recorded.stats();
        let peak = total(&stats, "peak_bytes");
        assert!(peak < 50 * MIB, "{python}: {peak}");
        let [_, bytes, ..] = numbers(&stats["reserved_addresses"]);
        assert!(bytes >= 1024 * MIB, "{python}: {stats:#}");
    }
}
