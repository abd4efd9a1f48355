//! Between memprof and the interpreter there may be wrappers: scripts that become Python, or run it as their child. The
//! interpreter is recorded, the wrappers are not.

use std::path::{Path, PathBuf};

use crate::support::executables::write_executable;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording};
use crate::support::table::{Amount, sum, table};

const CODE: &str = "import os\ndef large(): return bytearray(54_321_000)\nblock = large()\nprint(os.getpid())";

fn wrapper(folder: &Path, lines: &str) -> PathBuf {
    let path = folder.join("python");
    write_executable(&path, format!("#!/bin/sh\n{lines}\n").as_bytes());
    path
}

/// Runs the code behind a wrapper with these lines, in which `PYTHON` is the interpreter.
fn run_behind(lines: &str) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let python = pythons::any();
    let lines = lines.replace("PYTHON", &python.path.display().to_string());
    let wrapped = Python { path: wrapper(folder.path(), &lines), ..python.clone() };
    Recording::of_code(&wrapped, CODE).run().succeeds()
}

#[track_caller]
fn assert_is_recorded(recorded: &Recorded) {
    let rows = table(&recorded.capture(), "--total");
    let own = sum(&rows, |row| row.function == "large");
    assert_eq!(own, Amount { allocations: 1, bytes: 54_321_001 });
    let stats = recorded.stats();
    let last_line = recorded.finished().stdout().lines().last().unwrap_or_default().to_owned();
    assert_eq!(stats["metadata"]["pid"].to_string(), last_line, "the process is the interpreter");
    assert_eq!(stats["metadata"]["complete"], true);
    let largest = stats["totals"]["peak_bytes"].as_u64().unwrap();
    assert!((54_321_001..80_000_000).contains(&largest), "{largest}");
}

#[test]
fn a_wrapper_that_becomes_the_interpreter() {
    assert_is_recorded(&run_behind("true\nexec env PYTHON \"$@\""));
}

#[test]
fn a_wrapper_that_runs_the_interpreter_as_its_child() {
    assert_is_recorded(&run_behind("PYTHON \"$@\"\nexit $?"));
}

#[test]
fn of_several_interpreters_in_a_wrapper_the_one_that_it_becomes_counts() {
    let recorded = run_behind("PYTHON -c 'helper = bytearray(11_000_000)'\nexec PYTHON \"$@\"");
    assert_is_recorded(&recorded);
}
