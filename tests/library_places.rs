//! What a program gets through a standard library or an allocator of its own is listed under the program's functions,
//! where debugging information names them; and under the library's where that is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::c_programs::Build;
use crate::support::memprof::{Finished, memprof, programs};
use crate::support::recording::{Recorded, Recording};
use crate::support::table::{Amount, Row, sum, table_of};

fn run(program: &Path, arguments: &[&str]) -> Recorded {
    let recording = Recording::of_command(&[program.as_os_str()]);
    arguments.iter().fold(recording, |recording, argument| recording.argument(*argument)).run().succeeds()
}

/// The lines that a program's comments mark, with what is allocated there at least.
fn marked(source: &str) -> BTreeMap<u64, u64> {
    let text = fs::read_to_string(programs().join(source)).expect("the source can be read");
    let marks = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.starts_with("//"))
        .filter_map(|(number, line)| Some((number, line.split_once("//= ")?.1)));
    marks.map(|(number, bytes)| (number, bytes.trim().parse().expect("a mark is a number"))).collect()
}

fn rows(recorded: &Recorded, options: &[&str]) -> Vec<Row> {
    table_of(&recorded.capture(), &[&["--total"], options].concat())
}

/// By line of the program's own source, what is listed there.
fn of_program(rows: &[Row], source: &str) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for row in rows.iter().filter(|row| row.file.ends_with(source)) {
        *found.entry(row.line).or_default() += row.bytes;
    }
    found
}

/// What is listed neither there nor in the C library, whose functions allocate for every thread.
fn elsewhere(rows: &[Row], source: &str) -> Amount {
    let of_system = |row: &Row| ["/libc.so", "/ld-linux"].iter().any(|name| row.file.contains(name));
    sum(rows, |row| !row.file.ends_with(source) && !of_system(row))
}

/// The marked lines are the places, and what is listed elsewhere is what the program has before it does anything.
#[track_caller]
fn assert_program_is_listed(program: &Path, source: &str) {
    let (recorded, idle) = (run(program, &[]), run(program, &["idle"]));
    let found = rows(&recorded, &[]);
    let (lines, marked) = (of_program(&found, source), marked(source));
    assert_eq!(lines.keys().collect::<Vec<_>>(), marked.keys().collect::<Vec<_>>(), "{found:#?}");
    for (line, least) in marked {
        assert!(lines[&line] >= least, "{source}:{line}: {lines:?}");
    }
    assert_eq!(elsewhere(&found, source), elsewhere(&rows(&idle, &[]), source), "{found:#?}");
}

/// With `--places all`, no marked line is listed but those that call an allocation function themselves.
#[track_caller]
fn assert_libraries_are_listed(program: &Path, source: &str, calls: &[&str], library: &str) {
    let recorded = run(program, &[]);
    let found = rows(&recorded, &["--places", "all"]);
    let marked = marked(source);
    let functions: Vec<&str> = found
        .iter()
        .filter(|row| row.file.ends_with(source) && marked.contains_key(&row.line))
        .map(|row| row.function.rsplit("::").next().expect("a name has an end").trim_end_matches("()"))
        .collect();
    assert!(functions.iter().all(|name| calls.contains(name)), "{functions:?}");
    assert!(found.iter().any(|row| row.file.contains(library)), "{found:#?}");
    // It is a matter of places only.
    let all = |rows: &[Row]| sum(rows, |_| true);
    assert_eq!(all(&found), all(&rows(&recorded, &[])));
}

fn rust(name: &str, flags: &[&str]) -> std::path::PathBuf {
    Build::rust("rust_places.rs", name).flags(flags).path()
}

fn cpp(name: &str, flags: &[&str]) -> std::path::PathBuf {
    Build::cpp("cpp_places.cpp", name).flags(flags).path()
}

#[test]
fn rust_with_the_system_s_allocator() {
    for (name, flags) in [("rust_places", &["-g"][..]), ("rust_places_optimised", &["-g", "-O"])] {
        let program = rust(name, flags);
        assert_program_is_listed(&program, "rust_places.rs");
        assert_libraries_are_listed(&program, "rust_places.rs", &["by_hand"], "/library/alloc/src/");
    }
}

#[test]
fn rust_with_an_allocator_of_its_own() {
    for (name, flags) in [("rust_counting", &["-g"][..]), ("rust_counting_optimised", &["-g", "-O"])] {
        let program = rust(name, &[flags, &["--cfg", "counting"]].concat());
        assert_program_is_listed(&program, "rust_places.rs");
        let recorded = run(&program, &[]);
        let allocator = sum(&rows(&recorded, &["--places", "all"]), |row| row.function.contains("counted"));
        assert!(allocator.bytes > 50_000, "{allocator:?}");
    }
}

#[test]
fn cpp_at_any_level() {
    for (name, flags) in [("cpp_places", &["-g", "-O0"][..]), ("cpp_places_optimised", &["-g", "-O2"])] {
        let program = cpp(name, flags);
        assert_program_is_listed(&program, "cpp_places.cpp");
        assert_libraries_are_listed(&program, "cpp_places.cpp", &["array"], "/bits/");
    }
}

/// Where nothing says whose the functions are, their names alone count, as with `--places all`.
#[test]
fn without_debugging_information() {
    for program in [
        rust("rust_nameless", &["-O", "-Cstrip=debuginfo", "--cfg", "counting"]),
        rust("rust_nameless_system", &["-Cstrip=debuginfo"]),
        cpp("cpp_nameless", &["-O2"]),
    ] {
        let recorded = run(&program, &[]);
        let found = rows(&recorded, &[]);
        assert!(found.iter().all(|row| row.line == 0), "{found:#?}");
        assert_eq!(found, rows(&recorded, &["--places", "all"]));
        assert_eq!(found, rows(&recorded, &["--places", "program"]));
    }
}

/// A report's answer as JSON.
fn json(recorded: &Recorded, command: &str, options: &[&str]) -> Value {
    let mut call = memprof([command, "--json", "--total"]);
    let finished = Finished::of(call.args(options).arg(recorded.capture())).succeeds();
    serde_json::from_str(&finished.stdout()).expect("it prints JSON")
}

/// The same function and line, wherever a report names a place.
#[test]
fn every_report_has_the_same_places() {
    let source = "rust_places.rs";
    let recorded = run(&rust("rust_places_optimised", &["-g", "-O"]), &[]);
    let is_program = |entry: &Value| entry["file"].as_str().is_some_and(|file| file.ends_with(source));
    for (places, is_listed) in [("dependencies", true), ("all", false)] {
        let options = ["--places", places];
        let stats = json(&recorded, "stats", &options);
        assert_eq!(stats["places_of"], places);
        let largest = &stats["top_by_total_bytes"][0];
        assert_eq!(is_program(largest), is_listed, "{largest}");
        let table = json(&recorded, "table", &options);
        assert_eq!(table["rows"][0]["function"], largest["function"]);
        let summary = json(&recorded, "summary", &options);
        let functions = summary["rows"].as_array().expect("a list");
        let own = functions.iter().max_by_key(|function| function["own"]["total"]["bytes"].as_u64()).expect("some");
        assert_eq!(own["function"], largest["function"], "{own}");
        let lines = json(&recorded, "lines", &options);
        let files = lines["files"].as_array().expect("a list");
        let of_source = files.iter().find(|file| is_program(file)).expect("the source is there");
        assert_eq!(of_source["own"]["total"]["bytes"].as_u64() > Some(50_000), is_listed, "{of_source}");
    } // A site of `check`, a function of `diff` and the stacks of `temporary` begin with the place, too.
    let check = Finished::of(memprof(["check", "--max-total", "1KiB", "--format", "json"]).arg(recorded.capture()));
    let check: Value = serde_json::from_str(&check.ends_with(3).stdout()).expect("it prints JSON");
    let site = &check["limits"][0]["sites"][0]["frames"][0];
    assert!(is_program(site), "{check}");
    let idle = run(&rust("rust_places_optimised", &["-g", "-O"]), &["idle"]);
    let mut diff = memprof(["diff", "--by", "function", "--total", "--format", "json"]);
    let diff = Finished::of(diff.arg(idle.capture()).arg(recorded.capture())).succeeds();
    let diff: Value = serde_json::from_str(&diff.stdout()).expect("it prints JSON");
    assert!(is_program(&diff["rows"][0]), "{}", diff["rows"][0]);
    let temporary = |options: &[&str]| {
        Finished::of(memprof(["temporary"]).args(options).arg(recorded.capture())).succeeds().stdout()
    };
    assert!(temporary(&[]).contains(" library functions, called by\n"), "{}", temporary(&[]));
    assert!(!temporary(&["--places", "all"]).contains("called by"), "{}", temporary(&["--places", "all"]));
}
