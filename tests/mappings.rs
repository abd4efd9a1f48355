//! Address space: `mmap`, `mremap`, `munmap`, and the end of the data segment.

use crate::support::c_programs::compile;
use crate::support::expectations::assert_as_annotated;
use crate::support::recording::{Recording, total};

/// Runs a program that says what it maps, and requires that it never unmaps what is not known.
#[track_caller]
fn check(source: &str, name: &str) {
    let program = compile(source, name, &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    assert_as_annotated(&recorded.capture(), source);
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
}

#[test]
fn moved_and_replaced_in_all_ways() {
    check("mappings.c", "mappings");
}

/// Ends within a page, and a `malloc` that uses the same segment.
#[test]
fn the_end_of_the_data_segment() {
    check("program_break.c", "program_break");
}
