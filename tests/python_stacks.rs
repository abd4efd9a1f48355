//! Stacks as Python itself reports them while the program runs: function, file and line of every frame.

mod support;

use support::pythons;
use support::recording::Recording;
use support::witnesses::assert_as_witnessed;

/// Checks a program with every Python; it must have witnessed this many allocations.
#[track_caller]
fn check(script: &str, count: usize) {
    for python in pythons::all() {
        eprintln!("{script} with {python}");
        let recorded = Recording::of_script(python, script).run().succeeds();
        assert_eq!(assert_as_witnessed(&recorded), count);
    }
}

#[test]
fn every_shape_of_code() {
    check("shapes.py", 112);
}

#[test]
fn a_dead_function_s_name_is_never_used_again() {
    check("short_lived_code.py", 400);
}

#[test]
fn programs_that_nobody_wrote() {
    check("random_calls.py", 600);
}

/// The innermost frame is right wherever the program is not a file.
#[test]
fn code_from_the_command_line_and_from_stdin() {
    for python in pythons::all() {
        let code = "from truth import *\ndef f():\n  witnessed()\nf()\nwitnessed()";
        let of_code = Recording::of_code(python, code).variable("PYTHONPATH", support::memprof::programs());
        assert_eq!(assert_as_witnessed(&of_code.run().succeeds()), 2, "{python}");
    }
}
