//! Python goes away under threads that allocate, comes where nobody expected it, and runs out of stack.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::support::c_programs::{compile, signal_safe_allocator};
use crate::support::embedding::Embedding;
use crate::support::memprof::programs;
use crate::support::pythons::{self, Python};
use crate::support::table::{Amount, sum, table};
use crate::support::unharmed::{Unharmed, repeated};

/// What the interpreter's memory comes from: with the last two, a freed thread state is soon somebody else's.
const ALLOCATORS: [&str; 3] = ["default", "malloc", "debug"];

fn endless_allocations() -> PathBuf {
    compile("endless_allocations.c", "endless_allocations.so", &["-shared", "-fPIC"])
}

/// Runs a script with these arguments on every Python, with each of these allocators.
fn with_all(script: &str, allocators: &[&'static str], arguments: &[&OsStr], status: i32) {
    let script = programs().join(script);
    for python in pythons::all() {
        for &allocator in allocators {
            eprintln!("{python} {allocator}");
            let command = [&[python.path.as_os_str(), script.as_os_str()], arguments].concat();
            for _ in 0..repeated(1) {
                let recorded =
                    Unharmed::command(&command).variable("PYTHONMALLOC", python.allocator(allocator)).check();
                assert_eq!(recorded.finished().status(), status);
            }
        }
    }
}

#[test]
fn daemon_threads_are_in_a_library_while_python_ends() {
    with_all("daemon_threads.py", &ALLOCATORS, &["library".as_ref(), endless_allocations().as_os_str()], 0);
}

#[test]
fn daemon_threads_are_in_sqlite_while_python_ends() {
    with_all("daemon_threads.py", &["default", "malloc"], &["sqlite".as_ref()], 0);
}

#[test]
fn a_thread_ends_the_process_while_others_allocate() {
    with_all("exits_in_a_thread.py", &["malloc"], &[endless_allocations().as_os_str()], 5);
}

/// The program that takes states away, with every Python.
fn embedding() -> Vec<Embedding> {
    Embedding::with_all("thread_states.c", "thread_states")
}

/// Runs the program that takes states away so many times, in this Python, and requires what its threads allocated in the
/// end.
fn without_states(embedding: &Embedding, how: &str, times: u32, threads: u64, allocators: &[&'static str]) {
    let python = embedding.python;
    for &allocator in allocators {
        eprintln!("{python} {allocator}");
        for _ in 0..repeated(1) {
            let times = times.to_string();
            let mut case = Unharmed::command(&[embedding.program.as_os_str(), how.as_ref(), times.as_ref()]);
            for (name, value) in embedding.variables(None) {
                case = case.variable(name, value);
            }
            let recorded = case.variable("PYTHONMALLOC", python.allocator(allocator)).check();
            let calm = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
            let expected = Amount { allocations: threads * 1000, bytes: threads * 1000 * 12345 };
            assert_eq!(calm, expected, "{how} {python} {allocator}");
        }
    }
}

/// With the debugging allocator, the interpreter refuses to go on without memprof, too.
#[test]
fn another_thread_deletes_the_state() {
    let mut all = embedding();
    // These assert that a thread deletes its own state.
    all.retain(|built| !built.python.debug);
    all.iter().for_each(|built| without_states(built, "deleted", 4, 4, &["pymalloc", "malloc"]));
}

#[test]
fn other_interpreters_begin_and_end() {
    embedding().iter().for_each(|built| without_states(built, "interpreters", 5, 3, &["default", "debug"]));
}

#[test]
fn the_interpreter_ends_and_begins_again() {
    let mut all = embedding();
    all.retain(|built| !built.python.hangs_when_restarted());
    all.iter().for_each(|built| without_states(built, "restarts", 5, 5, &["default", "debug"]));
    all.iter().take(1).for_each(|built| without_states(built, "restarts", 20, 20, &["debug"]));
}

#[test]
fn the_stack_overflows_in_code_that_is_new() {
    let library = compile("overflowing_library.c", "overflowing_library.so", &["-shared", "-fPIC", "-O1"]);
    let script = programs().join("overflows_in_new_code.py");
    for python in pythons::all() {
        eprintln!("{python}");
        for _ in 0..repeated(1) {
            let command = [python.path.as_os_str(), script.as_os_str(), library.as_os_str(), "16".as_ref()];
            let case = Unharmed::command(&command).variable("LD_PRELOAD", signal_safe_allocator());
            case.that_may_skip_events().check();
        }
    }
}

#[test]
fn python_comes_when_the_program_has_long_begun() {
    let program = compile("loads_python.c", "loads_python", &[]);
    for (python, library) in pythons::that_have("a shared library", Python::library) {
        for scope in ["global", "local"] {
            eprintln!("{python} {scope}");
            let recorded = Unharmed::command(&[program.as_os_str(), library.as_os_str(), scope.as_ref()]).check();
            let rows = table(&recorded.capture(), "--total");
            let by_f = sum(&rows, |row| row.function == "f" && row.line == 2 && row.bytes >= 10_000_000);
            assert!(by_f.allocations > 0, "{python} {scope}: {:#?}", recorded.stats()["metadata"]);
        }
    }
}

/// The first time that a thread looks for its state after libraries with thread-local variables were loaded, the loader makes room
/// for them, with `malloc`: in a library of Python's, whose state lies there as well.
#[test]
fn libraries_with_variables_of_each_thread() {
    let one = compile("thread_local.c", "thread_local.so", &["-shared", "-fPIC"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let code = "\
import ctypes, shutil, sys, threading
def load(number):
    name = f'{sys.argv[2]}/{number}.so'
    shutil.copy(sys.argv[1], name)
    return ctypes.CDLL(name)
def work(libraries):
    print(sum(library.count() for library in libraries), len([bytearray(1000) for _ in range(100)]))
libraries = []
for turn in range(5):
    libraries += [load(turn * 10 + number) for number in range(10)]
    work(libraries)
    thread = threading.Thread(target=work, args=(libraries,))
    thread.start()
    thread.join()
";
    for (python, _) in pythons::that_have("a shared library", Python::library) {
        let arguments = [OsStr::new("-c"), OsStr::new(code), one.as_os_str(), folder.path().as_os_str()];
        let command: Vec<&OsStr> = [python.path.as_os_str()].into_iter().chain(arguments).collect();
        Unharmed::command(&command).check();
    }
}
