//! Native programs whose threads, signal handlers and forks meet memprof at the worst moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::c_programs::compile;
use crate::support::memprof::EXECUTABLE;
use crate::support::recording::{Recorded, total};
use crate::support::table::{Amount, sum, table};
use crate::support::unharmed::{Unharmed, repeated};

fn library(source: &str) -> PathBuf {
    compile(source, &source.replace(".c", ".so"), &["-shared", "-fPIC"])
}

#[test]
fn a_cancelled_thread_loads_a_library() {
    let program = compile("cancelled_while_loading.c", "cancelled_while_loading", &[]);
    let (one, other) = (library("endless_allocations.c"), library("overflowing_library.c"));
    for _ in 0..repeated(5) {
        Unharmed::command(&[program.as_os_str(), one.as_os_str(), other.as_os_str()]).check();
    }
}

/// How many signals the program says that it has handled, and what its handler allocated.
fn handled(recorded: &Recorded) -> (u64, Amount) {
    let stdout = recorded.finished().stdout();
    let handled = stdout.trim().strip_prefix("handled ").and_then(|number| number.parse().ok()).expect("a number");
    (handled, sum(&table(&recorded.capture(), "--total"), |row| row.function == "handler"))
}

#[test]
fn a_handler_allocates_while_tables_are_registered() {
    let program = compile("registers_frames.c", "registers_frames", &[]);
    let command = [program.as_os_str(), "1000".as_ref(), "empty".as_ref()];
    for _ in 0..repeated(2) {
        let recorded = Unharmed::command(&command).whose_numbers_differ().check();
        let (handled, recorded) = handled(&recorded);
        assert!(handled >= 100, "{handled}");
        assert_eq!(recorded, Amount { allocations: handled, bytes: handled * 70 });
    }
}

/// Here libgcc allocates, too, so that the handler can interrupt malloc.
#[test]
fn a_handler_allocates_while_tables_are_allocated() {
    let program = compile("registers_frames.c", "registers_frames", &[]);
    let command = [program.as_os_str(), "1000".as_ref(), "whole".as_ref()];
    for _ in 0..repeated(2) {
        let recorded = Unharmed::command(&command).whose_numbers_differ().check();
        let (handled, found) = handled(&recorded);
        // But for those that interrupted the real malloc or free.
        assert!(handled >= 100 && found.allocations > handled / 4 && found.allocations <= handled, "{found:?}");
        assert_eq!(found.bytes, found.allocations * 70);
    }
}

#[test]
fn two_threads_fork_and_one_of_them_in_a_handler() {
    let program = compile("forks_in_handlers.c", "forks_in_handlers", &[]);
    for option in ["--follow-fork", "--no-native"] {
        for _ in 0..repeated(1) {
            let case = Unharmed::command(&[program.as_os_str(), "1500".as_ref()]).option(option);
            let recorded = case.that_may_skip_events().check();
            let calm = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
            assert_eq!(calm, Amount { allocations: 1000, bytes: 1000 * 12345 }, "{option}");
        }
    }
}

/// Allocates while the loader holds its locks, and others load libraries.
fn walks_loaded_objects() -> Unharmed {
    let program = compile("walks_loaded_objects.c", "walks_loaded_objects", &[]);
    Unharmed::command(&[program.as_os_str(), "1000".as_ref()])
}

#[test]
fn objects_are_walked_while_others_are_loaded() {
    for _ in 0..repeated(2) {
        walks_loaded_objects().check();
    }
}

/// The C library before 2.35 has no `_dl_find_object`: the interposer of this memprof looks for a function that no C
/// library has.
fn memprof_for_older_libraries(folder: &Path) -> PathBuf {
    let [looked_for, missing] = [b"_dl_find_object\0", b"_dl_find_nothing"];
    let mut missing = *missing;
    missing[15] = 0;
    let mut contents = fs::read(EXECUTABLE).expect("memprof can be read");
    let places: Vec<usize> =
        (0..contents.len() - looked_for.len()).filter(|&at| contents[at..].starts_with(looked_for)).collect();
    assert!(!places.is_empty(), "the interposer looks for something else now");
    for at in places {
        contents[at..at + missing.len()].copy_from_slice(&missing);
    }
    let path = folder.join("memprof");
    fs::write(&path, contents).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it can be made executable");
    path
}

#[test]
fn objects_are_walked_with_an_older_c_library() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let memprof = memprof_for_older_libraries(folder.path());
    for _ in 0..repeated(2) {
        walks_loaded_objects().memprof(&memprof).variable("XDG_CACHE_HOME", folder.path()).check();
    }
}

/// By itself the program needs some 300 bytes.
#[test]
fn threads_allocate_where_their_stack_is_about_to_end() {
    const THREADS: u64 = 720;
    let program = compile("little_stack.c", "little_stack", &["-O1", "-Wl,-z,now"]);
    for (how, early) in [("first", 0), ("later", THREADS)] {
        let command = [program.as_os_str(), how.as_ref(), "600".as_ref(), "15000".as_ref(), "20".as_ref()];
        let native = Unharmed::command(&command).check();
        assert_eq!(native.stats()["notes"], serde_json::json!([]), "{how}");
        let rows = table(&native.capture(), "--total");
        let by = |name: &str| sum(&rows, |row| row.function == name).allocations;
        assert_eq!((by("early"), by("late")), (early, THREADS), "{how}");

        let without_stacks = Unharmed::command(&command).option("--no-native").check();
        let all = [&native, &without_stacks].map(|recorded| total(&recorded.stats(), "allocations"));
        assert_eq!(all[0], all[1], "{how}");
    }
}

/// On stacks that are just large enough, where a handler that began on top of another one would be seen.
#[test]
fn handlers_change_who_may_touch_a_page() {
    let program = compile("touched_pages.c", "touched_pages", &[]);
    for _ in 0..repeated(5) {
        let recorded = Unharmed::command(&[program.as_os_str()]).check();
        assert_eq!(total(&recorded.stats(), "skipped_events"), 0);
        let of_handler = sum(&table(&recorded.capture(), "--leaks"), |row| row.function == "let_touch");
        assert_eq!(of_handler, Amount { allocations: 3000, bytes: 3000 * 4096 });
    }
}
