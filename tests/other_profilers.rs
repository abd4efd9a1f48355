//! Other tools that watch the program do not disturb the recording: no frame is lost, no line wrong.

use crate::support::expectations::assert_as_annotated;
use crate::support::memprof::programs;
use crate::support::packages::with_package;
use crate::support::pythons::{self, Python};
use crate::support::recording::Recording;

const SCRIPT: &str = "under_profilers.py";

/// Runs the script under a tool: a module with its own arguments.
#[track_caller]
fn check_under(python: &Python, tool: &[&str]) {
    eprintln!("{tool:?} with {python}");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut recording = Recording::of_module(python, tool[0])
        .variable("COVERAGE_FILE", folder.path().join("coverage"))
        .variable("PYTHONPATH", programs());
    for argument in &tool[1..] {
        recording = recording.argument(argument.replace("FOLDER", folder.path().to_str().expect("it is UTF-8")));
    }
    let recorded = recording.argument(programs().join(SCRIPT)).argument("alone").run().succeeds();
    assert_as_annotated(&recorded.capture(), SCRIPT);
}

#[test]
fn tools_that_the_program_starts() {
    for python in pythons::all() {
        eprintln!("{python}");
        assert_as_annotated(&Recording::of_script(python, SCRIPT).run().succeeds().capture(), SCRIPT);
    }
}

#[test]
fn tools_that_run_the_program() {
    for python in pythons::all() {
        check_under(python, &["cProfile", "-o", "FOLDER/profile"]);
    }
    check_under(pythons::any(), &["profile", "-o", "FOLDER/profile"]);
    check_under(pythons::any(), &["trace", "--count", "--coverdir", "FOLDER"]);
}

/// Of the two ways in which interpreters call it.
#[test]
fn coverage() {
    let newest = pythons::all().last().expect("there is a Python");
    for python in [pythons::any(), newest] {
        let Some(python) = with_package(python, "coverage") else { continue };
        check_under(&python, &["coverage", "run", "--branch"]);
    }
}
