//! Threads allocate until their very end, and what they do then counts like the rest.

mod support;

use support::c_programs::Build;
use support::expectations::assert_as_annotated;
use support::recording::{Recording, total};

#[test]
fn everything_that_runs_while_a_thread_ends() {
    // Nothing is optimised: a compiler may leave out allocations that it sees through.
    let program = Build::cpp("thread_ends.cpp", "thread_ends").flags(&["-g", "-O0"]).path();
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    assert_as_annotated(&recorded.capture(), "thread_ends.cpp");
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    assert_eq!(stats["metadata"]["complete"], true);
}
