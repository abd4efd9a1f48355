//! Threads allocate until their very end, and what they do then counts like the rest.

use std::collections::BTreeSet;

use crate::support::c_programs::Build;
use crate::support::expectations::assert_as_annotated;
use crate::support::recording::{Recording, total};
use crate::support::table::{Row, table};

#[test]
fn everything_that_runs_while_a_thread_ends() {
    // Nothing is optimised: a compiler may leave out allocations that it sees through.
    let program = Build::cpp("thread_ends.cpp", "thread_ends").flags(&["-g", "-O0"]).path();
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    assert_as_annotated(&recorded.capture(), "thread_ends.cpp");
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    assert_eq!(stats["metadata"]["complete"], true);
    // However late it was, it is the same thread.
    let rows = table(&recorded.capture(), "--total");
    let key = |row: &Row| (row.file.clone(), row.line, row.function.clone(), row.allocator.clone(), row.thread.clone());
    let keys: BTreeSet<_> = rows.iter().map(key).collect();
    assert_eq!(keys.len(), rows.len(), "{rows:#?}");
    let of_destructor = rows.iter().filter(|row| row.function == "destructor(void*)");
    assert_eq!(of_destructor.map(|row| row.allocations).collect::<Vec<_>>(), [12; 5]);
}
