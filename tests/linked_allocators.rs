//! Allocators that are linked into the program or a library under their own names: found in symbol tables, patched, and
//! recorded as exactly as `malloc`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::c_programs::{Build, tool};
use crate::support::flame_data::{Kind, flame_tree};
use crate::support::memprof::{Finished, memprof, programs};
use crate::support::packages::with_package;
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::skipping::{python_lacks, skipped};
use crate::support::table::{Amount, Row, sum, table, table_of};

/// The program with a toy that has the names of jemalloc.
fn program(name: &str, flags: &[&str]) -> PathBuf {
    Build::c("links_allocator.c", name).source("linked_allocator.c").flags(&["-g"]).flags(flags).path()
}

fn run(program: &Path) -> Recorded {
    Recording::of_command(&[program.as_os_str()]).run().succeeds()
}

/// What the comments of the program say: by function and line, all that was allocated and what is left.
fn expected() -> BTreeMap<(String, u64), [Amount; 2]> {
    let source = fs::read_to_string(programs().join("links_allocator.c")).expect("the source can be read");
    let comments = (1..).zip(source.lines()).filter_map(|(number, line)| Some((number, line.split_once("/*= ")?.1)));
    let expected = comments.map(|(number, comment)| {
        let words: Vec<&str> = comment.split_whitespace().collect();
        let amount = |word: &str| {
            let (allocations, bytes) = word.split_once('/').expect("a number and bytes");
            Amount { allocations: allocations.parse().unwrap(), bytes: bytes.parse().unwrap() }
        };
        ((words[0].to_owned(), number), [amount(words[1]), amount(words[2])])
    });
    expected.collect()
}

/// By function and line, all that was allocated and what is left of it.
fn found(recorded: &Recorded, condition: impl Fn(&Row) -> bool) -> BTreeMap<(String, u64), [Amount; 2]> {
    let mut found: BTreeMap<_, [Amount; 2]> = BTreeMap::new();
    for (index, metric) in ["--total", "--leaks"].into_iter().enumerate() {
        for row in table_of(&recorded.capture(), &[metric, "--view", "native"]) {
            if condition(&row) {
                found.entry((row.function.clone(), row.line)).or_default()[index] += row.amount();
            }
        }
    }
    found
}

fn of(rows: &[Row], allocator: &str) -> Amount {
    sum(rows, |row| row.allocator == allocator)
}

/// The notes on allocators that could not be found.
fn notes(recorded: &Recorded) -> Vec<String> {
    let stats = recorded.stats();
    let notes = stats["notes"].as_array().expect("there is a list of notes");
    let texts = notes.iter().map(|note| note.as_str().expect("a note is a text").to_owned());
    texts.filter(|note| note.contains("stripped")).collect()
}

/// A copy without the symbols that are not needed to run it.
fn stripped(program: &Path, folder: &Path) -> PathBuf {
    let stripped = folder.join("stripped");
    tool("strip", &[OsStr::new("-o"), stripped.as_os_str(), program.as_os_str()]);
    stripped
}

#[track_caller]
fn assert_hidden(recorded: &Recorded, allocator: &str) {
    let [note] = &notes(recorded)[..] else { panic!("not one note: {:?}", notes(recorded)) };
    assert!(
        note.starts_with(&format!("stripped ({allocator}) is stripped")) && note.contains("--strip-debug"),
        "{note}"
    );
}

#[track_caller]
fn assert_exact(program: &Path) {
    let recorded = run(program);
    assert_eq!(found(&recorded, |row| row.allocator == "jemalloc"), expected());
    let rows = table(&recorded.capture(), "--total");
    // Neither the allocator's own mappings nor its calls of itself: only what the program got.
    assert_eq!(of(&rows, "mmap"), Amount::default());
    assert_eq!(sum(&rows, |row| [60_001, 60_002].contains(&row.bytes)).allocations, 2);
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
    assert_eq!(notes(&recorded), [""; 0]);
    let [stack] = &flame_tree(&recorded.capture()).stacks_with(Amount { allocations: 1, bytes: 10_001 })[..] else {
        panic!("not one stack");
    };
    let own = stack.frames.iter().filter(|frame| frame.file.ends_with("links_allocator.c"));
    assert_eq!(own.map(|frame| &frame.function[..]).collect::<Vec<_>>(), ["main", "plain"]);
    assert_eq!(stack.frames.last().map(|frame| (frame.kind, &frame.function[..])), Some((Kind::Native, "plain")));
}

#[test]
fn a_linked_allocator_is_recorded_like_malloc() {
    assert_exact(&program("links_allocator", &["-O0"]));
    assert_exact(&program(
        "links_allocator_optimised",
        &["-O2", "-fno-builtin", "-fno-optimize-sibling-calls", "-fcf-protection=full"],
    ));
    assert_exact(&program("links_allocator_fixed", &["-O0", "-fno-pie", "-no-pie", "-DPREFIX=je_"]));
}

#[test]
fn exported_names_are_enough() {
    let program = program("links_allocator_exported", &["-O0", "-rdynamic"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let recorded = run(&stripped(&program, folder.path()));
    assert_eq!(notes(&recorded), [""; 0]);
    let rows = table(&recorded.capture(), "--total");
    let mut all = Amount::default();
    expected().into_values().for_each(|[total, _]| all += total);
    // The allocator's constructor is no exported function: what that maps is seen, and nothing else.
    let of_constructor = Amount { allocations: 1, bytes: 4 << 20 };
    assert_eq!((of(&rows, "jemalloc"), of(&rows, "mmap")), (all, of_constructor));
}

#[test]
fn what_a_stripped_program_allocates_appears_as_its_mappings() {
    let program = program("links_allocator", &["-O0"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let recorded = run(&stripped(&program, folder.path()));
    assert_hidden(&recorded, "jemalloc");
    let rows = table(&recorded.capture(), "--total");
    assert_eq!(of(&rows, "jemalloc"), Amount::default());
    // Two arenas or more, and what each of four threads has at its end
    let mappings = sum(&rows, |row| row.allocator == "mmap");
    assert!(mappings.allocations >= 6 && mappings.bytes >= 8 << 20, "{mappings:?}");
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
}

#[test]
fn a_program_with_a_malloc_of_its_own() {
    let program = program("links_malloc", &["-O0", "-DPREFIX=", "-fno-builtin"]);
    let recorded = run(&program);
    let mut found = found(&recorded, |row| row.allocator == "jemalloc" && row.file.ends_with("links_allocator.c"));
    found.retain(|(function, _), _| function != "others");
    assert_eq!(found, expected());
    let rows = table(&recorded.capture(), "--total");
    assert_eq!(sum(&rows, |row| [60_001, 60_002].contains(&row.bytes)).allocations, 2);
    assert_eq!(of(&rows, "mmap"), Amount::default());
}

#[test]
fn libraries_that_are_loaded_later() {
    let library = |name| {
        let build = Build::c("late_allocator.c", name).source("linked_allocator.c");
        build.flags(&["-g", "-O1", "-shared", "-fPIC", "-fvisibility=hidden"]).path()
    };
    let libraries = ["late_1.so", "late_2.so", "late_3.so"].map(library);
    let program = Build::c("loads_allocator.c", "loads_allocator").flags(&["-g"]).path();
    let command: Vec<&OsStr> = [&program].into_iter().chain(&libraries).map(|path| path.as_os_str()).collect();
    let recorded = Recording::of_command(&command).run().succeeds();
    let found = found(&recorded, |row| row.allocator == "jemalloc");
    let by_function: BTreeMap<&str, [Amount; 2]> =
        found.iter().map(|((name, _), amounts)| (&name[..], *amounts)).collect();
    let amount = |allocations, size| [Amount { allocations, bytes: allocations * size }, Amount::default()];
    assert_eq!(by_function, BTreeMap::from([("constructor", amount(300, 50_001)), ("allocate", amount(3000, 50_002))]));
    assert_eq!(of(&table(&recorded.capture(), "--total"), "mmap"), Amount::default());
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
}

#[test]
fn a_stripped_library_is_named_and_an_ordinary_python_is_not() {
    let python = pythons::any();
    let build = Build::c("late_allocator.c", "late_unstripped.so").source("linked_allocator.c");
    let library = build.flags(&["-O1", "-shared", "-fPIC", "-fvisibility=hidden"]).path();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let load = |path: &Path| {
        let code = format!("import ctypes, json; ctypes.CDLL({:?})", path.display().to_string());
        Recording::of_code(python, &code).run().succeeds()
    };
    assert_hidden(&load(&stripped(&library, folder.path())), "jemalloc");
    assert_eq!(notes(&load(&library)), [""; 0]);
    // Loads the C library again: no allocator.
    assert_eq!(notes(&load(Path::new("libc.so.6"))), [""; 0]);
}

/// As on hardened systems.
#[test]
fn where_the_system_does_not_let_code_be_changed() {
    let strict = Build::c("forbids_changing_code.c", "forbids_changing_code").path();
    let program = program("links_allocator", &["-O0"]);
    let recorded = Recording::of_command(&[strict.as_os_str(), program.as_os_str()]).run().succeeds();
    let rows = table(&recorded.capture(), "--total");
    assert_eq!(of(&rows, "jemalloc"), Amount::default());
    assert!(of(&rows, "mmap").bytes >= 8 << 20);
    // It maps, but not because a symbol is missing.
    assert_eq!(notes(&recorded), [""; 0]);
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
}

#[test]
fn processes_that_are_not_recorded_stay_as_they_are() {
    let program = program("links_allocator", &["-O0"]);
    let bare = Finished::of(Command::new(&program).arg("code")).succeeds().stdout();
    let itself = Recording::of_command(&[program.as_os_str(), OsStr::new("code")]).run().succeeds();
    assert!(bare.len() == 17 && !bare.starts_with("e9"));
    assert!(itself.finished().stdout().starts_with("e9"), "{}", itself.finished().stdout());
    let script = format!("{} code; true", program.display());
    let child = Recording::of_command(&[OsStr::new("sh"), OsStr::new("-c"), OsStr::new(&script)]).run().succeeds();
    assert_eq!(child.finished().stdout(), bare);
}

/// Builds the Rust program with one of its allocators. Nothing where the crate cannot be had.
fn rust_program(allocator: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rust-allocators-{allocator}"));
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--features", allocator]).env("CARGO_TARGET_DIR", &folder);
    command.current_dir(programs().join("rust_allocators")).env_remove("RUSTFLAGS");
    let output = command.output().expect("cargo runs");
    if output.status.success() {
        return Some(folder.join("debug/rust_allocators"));
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    let out_of_reach = ["failed to download", "failed to get", "Could not resolve host", "offline"];
    assert!(out_of_reach.iter().any(|words| messages.contains(words)), "{messages}");
    skipped(&format!("the crate {allocator} cannot be downloaded"));
    None
}

/// Compares with what the program has counted itself.
fn check_rust(allocator: &str) {
    let Some(program) = rust_program(allocator) else { return };
    let recorded = run(&program);
    let counted = recorded.finished().stdout();
    let counted: Vec<u64> = counted.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let (all, left) =
        (table_of(&recorded.capture(), &["--total", "--places", "all"]), table(&recorded.capture(), "--leaks"));
    let numbers = [of(&all, allocator), of(&left, allocator)].map(|amount| [amount.allocations, amount.bytes]);
    assert_eq!(numbers.as_flattened(), counted);
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
    // The allocator's crate is asked for memory, and no place of it unless libraries are.
    let is_crate_s = |row: &&Row| row.allocator == allocator && row.function.contains("GlobalAlloc>::");
    let program = table(&recorded.capture(), "--total");
    assert_eq!(program.iter().find(is_crate_s), None);
    assert!(all.iter().any(|row| is_crate_s(&row)), "{all:?}");
    let of_program = sum(&program, |row| row.allocator == allocator && row.file.ends_with("src/main.rs"));
    assert!(of_program.bytes * 10 > of(&all, allocator).bytes * 9, "{program:?}");
    // Rust's runtime maps a stack for signal handlers in each thread.
    let mappings: Vec<&Row> = all.iter().filter(|row| row.allocator == "mmap").collect();
    assert!(mappings.iter().all(|row| row.function.contains("stack")), "{mappings:?}");
}

#[test]
fn mimalloc_in_a_rust_program() {
    check_rust("mimalloc");
}

#[test]
#[ignore = "compiles jemalloc, which takes minutes"]
fn jemalloc_in_a_rust_program() {
    check_rust("jemalloc");
}

#[test]
fn arrow_counts_the_same() {
    let Some(python) = with_package(pythons::any(), "pyarrow") else { return };
    for pool in ["mimalloc", "jemalloc"] {
        let recorded = Recording::of_script(&python, "arrow_pools.py").argument(pool).run().succeeds();
        let said = recorded.finished().stdout();
        let said: Vec<u64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let rows = |metric| table_of(&recorded.capture(), &[metric, "--view", "native"]);
        assert_eq!(of(&rows("--leaks"), pool).bytes, said[0], "{pool}");
        // Arrow counts by how much a buffer grows, memprof what the allocator was asked for.
        let fresh = sum(&rows("--total"), |row| row.allocator == pool && row.function.contains("::Allocate"));
        assert_eq!(fresh.bytes + 3_000_064 - 1_000_064, said[1], "{pool}");
        assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
    }
}

#[test]
fn python_s_own_mimalloc_is_left_alone() {
    let Some(python) = pythons::all().iter().find(|python| python.minor == 13) else {
        return python_lacks("no version here has a mimalloc of its own, as 3.13 does");
    };
    let recording = Recording::of_code(python, "kept = [str(number) * 3 for number in range(10_000)]");
    let recorded = recording.variable("PYTHONMALLOC", "mimalloc").run().succeeds();
    assert_eq!(total(&recorded.stats(), "unknown_frees"), 0);
    assert_eq!(of(&table(&recorded.capture(), "--total"), "mimalloc"), Amount::default());
}

/// Whatever the program calls `malloc` is recorded; if that cannot be, no report is content.
#[test]
fn a_malloc_of_the_program_s_own_of_any_kind() {
    for (shape, flags) in [
        ("plain", &["-O1", "-fno-builtin"][..]),
        ("not optimised", &["-O0", "-fno-builtin"]),
        ("no room in free", &["-O1", "-fno-builtin", "-DTIGHT"]),
        ("cannot be hooked", &["-O1", "-fno-builtin", "-DSTUBBORN"]),
    ] {
        let program = Build::c("own_malloc.c", "own_malloc").flags(&["-g"]).flags(flags).path();
        let recorded = Recording::of_command(&[program.as_os_str()]).run().ends_with(3);
        assert_eq!(recorded.finished().stdout(), "1\n", "{shape}");
        let errors = recorded.finished().stderr();
        let rows = table(&recorded.capture(), "--total");
        let found = sum(&rows, |row| row.bytes == 1000 * row.allocations && row.allocations > 0);
        let check = Finished::of(memprof(["check", "--max-allocations", "5000"]).arg(recorded.capture()));
        let is_hooked = shape != "cannot be hooked";
        let sentence = "an allocator that the program brings along could not be hooked";
        assert_eq!(errors.contains(sentence), !is_hooked, "{shape}: {errors}");
        assert_eq!(found.allocations, if is_hooked { 1000 } else { 0 }, "{shape}: {rows:?}");
        assert_eq!(check.status(), if is_hooked { 0 } else { 3 }, "{shape}: {}", check.stdout());
        let verdict = check.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(verdict.contains("cannot be checked: an allocator"), !is_hooked, "{shape}: {verdict}");
    }
}
