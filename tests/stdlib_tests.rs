//! A part of Python's own tests, without memprof and with it: test by test, they end alike.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::memprof::{Finished, programs};
use crate::support::pythons::{self, Python};
use crate::support::recording::Recording;
use crate::support::skipping::skipped;

/// Modules that are quick, and whose tests do not depend on how much time passes.
const MODULES: [&str; 12] = [
    "test.test_array",
    "test.test_contextlib",
    "test.test_coroutines",
    "test.test_ctypes",
    "test.test_dict",
    "test.test_generators",
    "test.test_json",
    "test.test_list",
    "test.test_memoryview",
    "test.test_mmap",
    "test.test_thread",
    "test.test_threading_local",
];

fn has_tests(python: &Python) -> bool {
    let imports = format!("import {}", MODULES.join(", "));
    let output = Command::new(&python.path).args(["-c", &imports]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Tests and their outcomes. A test that has failing parts has several.
fn outcomes(path: &Path) -> BTreeMap<String, Vec<String>> {
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fs::read_to_string(path).expect("the outcomes can be read").lines() {
        let (test, outcome) = line.split_once(' ').expect("a test and its outcome");
        outcomes.entry(test.to_owned()).or_default().push(outcome.to_owned());
    }
    outcomes
}

#[test]
fn end_alike() {
    let with_tests = pythons::all().iter().filter(|python| has_tests(python));
    // Versions differ little in this; one that is tested thoroughly elsewhere is enough.
    let Some(python) = with_tests.min_by_key(|python| python.minor.abs_diff(11)) else {
        skipped("no Python here comes with its own tests (the package libpython3.*-testsuite)");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (bare, with) = (folder.path().join("bare"), folder.path().join("with"));
    let mut command = Command::new(&python.path);
    command.arg(programs().join("stdlib_tests.py")).arg(&bare).args(MODULES).stdin(Stdio::null());
    command.current_dir(folder.path()).env("PYTHONHASHSEED", "0");
    Finished::of(&mut command).succeeds();

    let mut recording = Recording::of_script(python, "stdlib_tests.py").option("--no-symbols").argument(&with);
    for module in MODULES {
        recording = recording.argument(module);
    }
    let mut command = recording.command();
    let finished = Finished::of(command.current_dir(folder.path()));
    let recorded = recording.recorded(finished).succeeds();

    let (bare, with) = (outcomes(&bare), outcomes(&with));
    let passed = bare.values().filter(|outcomes| **outcomes == ["passed"]).count();
    assert!(passed > 1000, "only {passed} of {} tests pass without memprof", bare.len());
    for (test, outcomes) in &bare {
        assert_eq!(with.get(test), Some(outcomes), "{python}: {test}: with memprof (left) and without (right)");
    }
    assert_eq!(with.len(), bare.len());
    assert_eq!(recorded.stats()["metadata"]["complete"], true);
}
