//! The C library's allocators by all their names, and what the library itself allocates for its callers.

use std::fs;

use crate::support::c_programs::{Build, compile};
use crate::support::expectations::assert_as_annotated;
use crate::support::flame_data::{Frame, flame_tree};
use crate::support::memprof::programs;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::table::{Amount, sum, table, table_of};

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

/// Whatever the library exports is in the list in the docs, which is that of all hooks, and `dlsym` knows it.
#[test]
fn no_hook_is_unknown_to_dlsym() {
    let program = compile("looks_up_hooks.c", "looks_up_hooks", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let found: Vec<_> = recorded.finished().stdout().lines().map(str::to_owned).collect();
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architecture.md")).expect("the docs");
    let table = docs.split("| in `hooks/` |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let functions = table.lines().filter_map(|line| line.split('|').nth(2));
    let mut listed: Vec<_> = functions.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    let mut exported: Vec<_> = found.iter().map(|line| line.split(' ').next().expect("a name")).collect();
    listed.sort_unstable();
    exported.sort_unstable();
    assert_eq!(exported, listed);
    for name in ["malloc", "dlsym", "pthread_getattr_np", "__register_frame"] {
        assert!(found.iter().any(|line| line.starts_with(&format!("{name} hook"))), "{name} is found: {found:?}");
    }
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

/// What the C++ library allocates is what its users' types and calls ask for.
#[test]
fn what_the_cpp_library_allocates() {
    let source = "cpp_allocations.cpp";
    let program = Build::cpp(source, "cpp_allocations").flags(&["-g", "-O0"]).path();
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stacks = flame_tree(&recorded.capture()).stacks();
    let text = fs::read_to_string(programs().join(source)).expect("the source can be read");
    let mut checked = 0;
    for (function, amount) in text.lines().filter_map(|line| line.strip_prefix("//sum ")?.split_once(' ')) {
        // What is thrown is allocated as well, by the runtime and as large as that likes.
        let within = |frame: &Frame| frame.function == format!("{function}()");
        let thrown = |frame: &Frame| frame.function == "__cxa_allocate_exception";
        let mut sum = Amount::default();
        for stack in stacks.iter().filter(|it| it.frames.iter().any(within) && !it.frames.iter().any(thrown)) {
            sum += stack.own;
        }
        assert_eq!(format!("{}/{}", sum.allocations, sum.bytes), amount, "{function}");
        checked += 1;
    }
    assert_eq!(checked, 7);
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    // The library keeps some memory for exceptions when there is none left.
    assert!(total(&stats, "leaked_allocations") <= 1, "{stats}");
}

/// An allocator that is a wrapper is called once for each call of the program's, wherever it is; what it passes on does
/// not count again.
#[test]
fn with_a_wrapper_around_malloc() {
    let wrapper = compile("wraps_malloc.c", "wraps_malloc.so", &["-shared", "-fPIC"]);
    let wrapper = wrapper.to_str().expect("it is UTF-8");
    let plain = compile("native_truth.c", "native_truth", &[]);
    let linked = Build::c("native_truth.c", "native_truth_linked").flags(&["-O0", "-g", "-Wl,--no-as-needed", wrapper]);
    let preloading = Recording::of_command(&[plain.as_os_str()]).variable("LD_PRELOAD", wrapper);
    let linking = Recording::of_command(&[linked.path().as_os_str()]);
    for recording in [preloading, linking] {
        let recorded = recording.run().succeeds();
        let stats = recorded.stats();
        for line in recorded.finished().stdout().lines() {
            let (name, value) = line.split_once(' ').expect("a name and a number");
            assert_eq!(total(&stats, name).to_string(), value, "{name}: {stats}");
        }
        assert_eq!(stats["by_allocator"]["malloc"]["allocations"], 1003);
    }
}
