//! Programs that run other programs, fork, replace themselves, or have very many threads: recorded is the one process
//! that was asked for, and all of them run as they would without memprof.

mod support;

use std::process::{Command, Stdio};

use support::c_programs::compile;
use support::memprof::{Finished, programs};
use support::pythons::{self, Python};
use support::recording::{Recorded, Recording, set_up, total};
use support::table::{Amount, sum, table};

/// Runs a test program without memprof and with it: both runs must print and return the same.
#[track_caller]
fn same_as_without(python: &Python, script: &str) -> Recorded {
    let recorded = Recording::of_script(python, script).run();
    let mut bare = Command::new(&python.path);
    set_up(bare.arg(programs().join(script)).stdin(Stdio::null()), recorded.folder());
    let bare = Finished::of(&mut bare);
    assert_eq!(recorded.finished().stdout(), bare.stdout(), "{python}: {}", recorded.finished().stderr());
    assert_eq!(recorded.finished().status(), bare.status(), "{python}");
    assert_ne!(bare.stdout(), "", "{python}: {}", bare.stderr());
    recorded
}

fn blocks(recorded: &Recorded, metric: &str, allocator: &str) -> Amount {
    sum(&table(&recorded.capture(), metric), |row| row.allocator == allocator)
}

#[test]
fn a_program_that_becomes_another_one() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "becomes_another.py");
        let (before, after) = (blocks(&recorded, "--total", "valloc"), blocks(&recorded, "--total", "pvalloc"));
        assert_eq!(before, Amount { allocations: 3, bytes: 3 * (64 << 20) }, "{python}");
        assert_eq!(after, Amount { allocations: 2, bytes: 2 * 1234 }, "{python}");
        // The first program's memory is gone with it: no leak, although nobody freed it. It made the peak.
        assert_eq!(blocks(&recorded, "--leaks", "valloc"), Amount::default(), "{python}");
        assert_eq!(blocks(&recorded, "--leaks", "pvalloc").allocations, 2, "{python}");
        assert_eq!(blocks(&recorded, "--peak", "valloc").allocations, 3, "{python}");
        let stats = recorded.stats();
        assert_eq!(stats["metadata"]["complete"], true);
        assert!(total(&stats, "dropped_by_exec") >= 3);
    }
}

#[test]
fn children_run_unharmed_and_are_not_recorded() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "has_children.py");
        let own = blocks(&recorded, "--total", "valloc");
        assert_eq!(own, Amount { allocations: 10, bytes: 10 * 1111 }, "{python}");
        assert_eq!(blocks(&recorded, "--total", "pvalloc"), Amount::default(), "{python}");
        assert_eq!(recorded.stats()["metadata"]["complete"], true);
    }
}

#[test]
fn pools_of_processes() {
    for python in pythons::all() {
        same_as_without(python, "process_pools.py");
    }
}

#[test]
fn six_hundred_threads_alive_at_once() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "crowd_of_threads.py");
        let rows = table(&recorded.capture(), "--total");
        let each: Vec<_> = rows.iter().filter(|row| row.allocator == "valloc").collect();
        assert_eq!(each.len(), 600, "{python}: a row for each thread");
        assert!(each.iter().all(|row| row.allocations == 7 && row.bytes == 7 * 5000), "{python}");
    }
}

#[test]
fn allocators_behave_the_same_at_their_edges() {
    let program = compile("behaviour.c", "behaviour", &[]);
    let bare = Finished::of(&mut Command::new(&program)).ends_with(6);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().ends_with(6);
    assert_eq!(recorded.finished().stdout(), bare.stdout());
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], true);
    assert_eq!(total(&stats, "skipped_events"), 0);
}
