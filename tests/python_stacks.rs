//! Stacks as Python itself reports them while the program runs: function, file and line of every frame.

use std::fs::File;
use std::process::Command;
use std::slice::from_ref;

use crate::support::memprof::{Finished, memprof, programs};
use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::unharmed::repeated;
use crate::support::witnesses::{assert_as_witnessed, assert_innermost_as_witnessed, assert_sums_as_witnessed};

/// Checks a program with every Python; it must have witnessed this many allocations.
#[track_caller]
fn check(script: &str, arguments: &[usize], count: usize) {
    for python in pythons::all() {
        eprintln!("{script} {arguments:?} with {python}");
        let arguments = arguments.iter().map(usize::to_string);
        let recorded = arguments.fold(Recording::of_script(python, script), Recording::argument).run().succeeds();
        assert_eq!(assert_as_witnessed(&recorded), count);
    }
}

#[test]
fn every_shape_of_code() {
    check("shapes.py", &[], 112);
}

#[test]
fn a_dead_function_s_name_is_never_used_again() {
    check("short_lived_code.py", &[], 400);
}

#[test]
fn programs_that_nobody_wrote() {
    const FIRST_SEED: usize = 20_240_229;
    const ALLOCATIONS: usize = 600;
    // What is repeated often is made of longer programs as well: to start one takes as long as most of its allocations.
    const MOST_TIMES_LONGER: usize = 17;
    let allocations = ALLOCATIONS * repeated(1).min(MOST_TIMES_LONGER);
    let programs = repeated(1).div_ceil(MOST_TIMES_LONGER);
    for seed in FIRST_SEED..FIRST_SEED + programs {
        check("random_calls.py", &[seed, allocations], allocations);
    }
}

/// Everything that Python can call from: generators, coroutines, threads, class bodies, imports, evaluated code, objects'
/// own methods, functions of C.
#[test]
fn programs_of_random_shape() {
    const ALLOCATIONS: usize = 2_000;
    // What is repeated often is made of longer programs as well: to start one takes as long as some thousand allocations.
    const MOST_TIMES_LONGER: usize = 50;
    let allocations = ALLOCATIONS * repeated(1).min(MOST_TIMES_LONGER);
    for python in pythons::all() {
        let mut count = 0;
        for seed in 0..repeated(1).div_ceil(MOST_TIMES_LONGER) {
            eprintln!("seed {seed} with {python}");
            let recording = Recording::of_script(python, "random_programs.py");
            let recorded = recording.argument(seed.to_string()).argument(allocations.to_string()).run().succeeds();
            count += assert_sums_as_witnessed(&recorded);
        }
        assert!(count >= ALLOCATIONS * repeated(1), "{count} allocations");
        eprintln!("{count} allocations with {python}");
    }
}

/// The innermost frame is right wherever the program is not a file.
#[test]
fn code_from_the_command_line_and_from_stdin() {
    for python in pythons::all() {
        let code = "from truth import *\ndef f():\n  witnessed()\nf()\nwitnessed()";
        let of_code = Recording::of_code(python, code).variable("PYTHONPATH", programs());
        assert_eq!(assert_as_witnessed(&of_code.run().succeeds()), 2, "{python}");
    }
}

/// When every object is allocated by `malloc`, allocations happen at all moments in the life of a frame: before it has
/// begun, while it is taken down, while code is compiled and imported.
#[test]
fn with_every_object_on_the_heap() {
    for (allocator, pythons) in [("malloc", pythons::all()), ("malloc_debug", from_ref(pythons::any()))] {
        for python in pythons {
            eprintln!("{allocator} with {python}");
            let recording =
                Recording::of_script(python, "shapes.py").variable("PYTHONMALLOC", python.allocator(allocator));
            let recorded = recording.with_objects_of(python).run().succeeds();
            assert_eq!(assert_innermost_as_witnessed(&recorded), 112);
            if python.path == pythons::any().path && allocator == "malloc" {
                // The flame graph is large: once is enough.
                assert_as_witnessed(&recorded);
            }

            let (table, capture) = (recorded.folder().join("table.json"), recorded.capture());
            let output = File::create(&table).expect("a file can be made");
            let mut command = memprof(["table", "--json", "--total"]);
            Finished::of_output_to(command.arg(capture), output.into()).succeeds();
            let mut check = Command::new(&python.path);
            check.arg(programs().join("impossible_places.py")).stdin(File::open(&table).expect("it was written"));
            let stdout = Finished::of(&mut check).succeeds().stdout();
            assert!(stdout.trim().parse::<u32>().is_ok_and(|checked| checked > 1000), "{stdout}");
        }
    }
}
