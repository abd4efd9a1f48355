//! The place of what is allocated while modules are imported: the same in all reports and in the page, and with
//! `--show-imports` the import machinery's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording};

const MIB: u64 = 1 << 20;
/// The line of `main.py` that imports the package.
const IMPORT: &str = "main.py:2";
/// The line of the package that keeps memory, and gives some back at once.
const KEEPS: &str = "tables.py:2";
const PASSES: &str = "tables.py:3";

/// A program that imports a package of two modules. One allocates when it is imported; the other one is large, so that
/// reading it takes memory.
fn program(folder: &Path, kept: u64) -> PathBuf {
    let package = folder.join("weights");
    fs::create_dir_all(&package).expect("a folder can be made");
    let write = |path: PathBuf, text: &str| fs::write(&path, text).expect("a file can be written");
    write(package.join("__init__.py"), "");
    write(package.join("tables.py"), &format!("import sys\nTABLE = bytes({})\nbytes({})\n", kept * MIB, 12 * MIB));
    write(package.join("words.py"), &format!("'''{}'''\n", "word ".repeat(600_000)));
    let main = folder.join("main.py");
    // What modules have is there at the end.
    write(main.clone(), "import os\nimport weights.tables, weights.words\nos._exit(0)\n");
    main
}

fn record(python: &Python, kept: u64) -> Recorded {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let main = program(folder.path(), kept);
    Recording::of_file(python, &main).with_objects_of(python).run().succeeds()
}

fn json(capture: &Path, arguments: &[&str]) -> Value {
    let finished = Finished::of(memprof(arguments).arg(capture)).succeeds();
    serde_json::from_str(&finished.stdout()).expect("it is JSON")
}

/// `main.py:2`, or the name of what is in no file or has no line.
fn label(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    match (text("file").rsplit('/').next().unwrap_or_default(), row["line"].as_u64()) {
        ("", _) => text("function").to_owned(),
        (file, Some(line)) if line > 0 => format!("{file}:{line}"),
        (file, _) => file.to_owned(),
    }
}

/// The places of a list that have so many bytes or more.
fn labels(rows: &Value, least: u64, bytes: impl Fn(&Value) -> u64) -> BTreeSet<String> {
    let rows = rows.as_array().expect("rows").iter();
    rows.filter(|row| bytes(row) >= least).map(label).collect()
}

fn bytes(row: &Value) -> u64 {
    row["bytes"].as_u64().expect("a number")
}

/// The same of a file's name alone.
fn files(labels: &BTreeSet<String>) -> BTreeSet<String> {
    labels.iter().map(|label| label.split(".py:").next().expect("a name").trim_end_matches(".py").to_owned()).collect()
}

fn set(labels: &[&str]) -> BTreeSet<String> {
    labels.iter().map(|&label| label.to_owned()).collect()
}

#[test]
fn every_report_names_the_line_of_the_module() {
    for python in pythons::all() {
        let recorded = record(python, 24);
        let capture = recorded.capture();
        let (kept, temporary) = (24 * MIB, 12 * MIB);
        for view in ["hybrid", "python"] {
            let of = |arguments: &[&str]| json(&capture, &[arguments, &["--view", view]].concat());
            let keeps = set(&[KEEPS]);
            assert_eq!(labels(&of(&["table", "--json"])["rows"], kept, bytes), keeps, "{python}");
            let stats = of(&["stats", "--json", "--leaks"]);
            for ranking in ["top_by_peak_bytes", "top_by_leaked_bytes"] {
                assert_eq!(labels(&stats[ranking], kept, bytes), keeps, "{python} {ranking}");
            }
            let leaks = of(&["leaks", "--json"]);
            let leak = &leaks["leaks"][0];
            assert_eq!((label(&leak["place"]), bytes(leak) >= kept), (KEEPS.to_owned(), true), "{python}");
            // What was called in between are lines of the program, and nothing else of Python's.
            let stack = leak["frames"].as_array().expect("frames").iter().filter(|frame| frame["kind"] == "python");
            assert_eq!(stack.map(label).collect::<Vec<_>>(), [KEEPS, IMPORT], "{python}");
            let places = &of(&["temporary", "--json", "--sort", "bytes"])["places"];
            assert_eq!(label(&places[0]), PASSES, "{python}");
            assert!(places[0]["temporary"]["bytes"].as_u64() >= Some(temporary), "{python}");
            let own = |row: &Value| row["own"]["peak"]["bytes"].as_u64().expect("a number");
            let functions = &of(&["summary", "--json"])["rows"];
            assert_eq!(labels(functions, kept, own), set(&["tables.py"]), "{python}");
            let lines = &of(&["lines", "--json"])["files"];
            let file = lines.as_array().expect("files").iter().find(|file| label(file) == "tables.py");
            let line = |line: &Value| (line["line"].as_u64(), own(line) >= kept);
            let found: Vec<_> =
                file.expect("it is there")["lines"].as_array().expect("lines").iter().map(line).collect();
            assert!(found.contains(&(Some(2), true)), "{python}: {found:?}");
            let check = Finished::of(
                memprof(["check", "--format", "json", "--max-peak", "1B", "-n", "1", "--view", view]).arg(&capture),
            );
            let check: Value = serde_json::from_str(&check.ends_with(3).stdout()).expect("it is JSON");
            assert_eq!(label(&check["limits"][0]["sites"][0]["frames"][0]), KEEPS, "{python}");
            assert_eq!(label(&check["limits"][0]["sites"][0]["frames"][1]), IMPORT, "{python}");
        }
    }
}

/// What it takes to find and read modules is of the line that imports them, unless the machinery is asked for.
#[test]
fn the_machinery_is_listed_on_request_only() {
    for python in pythons::all() {
        let recorded = record(python, 1);
        let of = |options: &[&str]| {
            let table = json(&recorded.capture(), &[&["table", "--json", "--total"], options].concat());
            labels(&table["rows"], 2 * MIB, bytes)
        };
        let (hidden, shown) = (of(&[]), of(&["--show-imports"]));
        assert!(hidden.contains(IMPORT) && files(&hidden).is_subset(&set(&["main", "tables"])), "{python}: {hidden:?}");
        assert!(!shown.contains(IMPORT), "{python}: {shown:?}");
        assert!(shown.iter().any(|place| place.starts_with("<frozen importlib.")), "{python}: {shown:?}");
        // It is a matter of places only, and the module's own are the same.
        assert!(hidden.contains(PASSES) && shown.contains(PASSES), "{python}: {hidden:?} {shown:?}");
        let picture = |options: &[&str]| {
            let to = recorded.folder().join("picture.svg");
            Finished::of(memprof(["flamegraph", "--svg", "-f", "-o"]).arg(&to).args(options).arg(recorded.capture()))
                .succeeds();
            fs::read_to_string(&to).expect("it can be read")
        };
        assert!(!picture(&[]).contains("_find_and_load") && picture(&["--show-imports"]).contains("_find_and_load"));
    }
}

/// Two captures are compared by the same rule.
#[test]
fn a_module_that_has_grown_is_named() {
    let (before, after) = (record(pythons::any(), 2), record(pythons::any(), 20));
    for by in ["function", "line", "stack"] {
        let mut command = memprof(["diff", "--json", "--by", by, "--sort", "growth"]);
        let finished = Finished::of(command.arg(before.capture()).arg(after.capture())).succeeds();
        let diff: Value = serde_json::from_str(&finished.stdout()).expect("it is JSON");
        let first = &diff["rows"][0];
        let place = if by == "stack" { &first["stack"][0] } else { first };
        assert!(label(place).starts_with("tables.py"), "{by}: {first}");
        assert_eq!(first["difference"]["bytes"].as_u64(), Some(18 * MIB), "{by}");
    }
    let mut command = memprof(["check", "--format", "json", "--fail-above", "peak=1MiB", "-n", "1", "--baseline"]);
    let finished = Finished::of(command.arg(before.capture()).arg(after.capture())).ends_with(3);
    let check: Value = serde_json::from_str(&finished.stdout()).expect("it is JSON");
    assert_eq!(label(&check["limits"][0]["sites"][0]["frames"][0]), KEEPS);
}
