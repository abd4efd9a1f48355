//! Programs whose every stack is new: what memprof remembers of them is bounded, and nothing is lost.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::c_programs::compile;
use crate::support::memprof::Finished;
use crate::support::recording::{Recording, total};
use crate::support::table::{Amount, sum, table};

/// What the program says of itself, by name.
fn said(finished: &Finished) -> BTreeMap<String, u64> {
    let stdout = finished.stdout();
    let pairs = stdout.lines().map(|line| line.split_once(' ').expect("a name and a number"));
    pairs.map(|(name, number)| (name.to_owned(), number.parse().expect("a number"))).collect()
}

#[test]
fn half_a_million_of_them() {
    /// For two threads, beside the channel, which is shared.
    const MOST_KIB: u64 = 6 << 10;
    let program = compile("new_stacks.c", "new_stacks", &["-pthread"]);
    let bare = said(&Finished::of(&mut Command::new(&program)).succeeds());
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let recorded_counts = said(recorded.finished());
    let rows = table(&recorded.capture(), "--total");
    let mut all = 0;
    for function in 0..4_u64 {
        let name = format!("f{function}");
        let allocations = recorded_counts[&name];
        assert_eq!(allocations, bare[&name]);
        let found = sum(&rows, |row| row.function == name && row.allocator == "malloc");
        assert_eq!(found, Amount { allocations, bytes: allocations * (100 + function) }, "{name}");
        all += allocations;
    }
    assert!(all > 450_000, "{all}");
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    let more = recorded_counts["kib"].saturating_sub(bare["kib"]);
    assert!(more < MOST_KIB, "{more} KiB more than {}", bare["kib"]);
}
