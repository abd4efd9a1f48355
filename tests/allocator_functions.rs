//! The C library's allocators by all their names, and what the library itself allocates for its callers.

mod support;

use support::c_programs::compile;
use support::expectations::assert_as_annotated;
use support::recording::{Recorded, Recording, total};
use support::table::{sum, table, table_of};

/// Runs a program, and requires that it gave nothing back that was not known.
#[track_caller]
fn run(source: &str, name: &str) -> Recorded {
    let program = compile(source, name, &["-Wno-deprecated-declarations", "-Wno-address"]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    recorded
}

#[test]
fn all_names_and_ways() {
    let recorded = run("allocator_functions.c", "allocator_functions");
    assert_as_annotated(&recorded.capture(), "allocator_functions.c");
}

/// Blocks that the C library allocates and the program frees, or the other way round: it has both or neither.
#[test]
fn what_the_c_library_allocates() {
    const ROUNDS: u64 = 200;
    let recorded = run("library_allocations.c", "library_allocations");
    for row in table(&recorded.capture(), "--leaks") {
        assert!(row.allocations < ROUNDS / 2, "it is left over in each round: {row:?}");
    }
    let rows = table_of(&recorded.capture(), &["--total", "--view", "native"]);
    for (function, bytes) in [("strndup", 10), ("wcsdup", 20)] {
        let own = sum(&rows, |row| row.function.trim_start_matches('_') == function && row.allocator == "malloc");
        assert_eq!((own.allocations, own.bytes), (ROUNDS, ROUNDS * bytes), "{function}");
    }
}
