//! Stacks in which Python and native functions call each other: all frames, in the order of the calls, with every
//! Python.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::c_programs::Build;
use crate::support::flame_data::{FlameTree, Frame, Kind, View, flame_tree};
use crate::support::memprof::programs;
use crate::support::native_expectations::{Annotations, NEW_THREAD, special};
use crate::support::packages::with_packages;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording, native_stacks};
use crate::support::table::{Amount, sum, table, table_of};

/// The folder of the extension module that calls back.
fn crossing(python: &Python) -> PathBuf {
    let library = Build::extension("crossing.c", "crossing", python).flags(&["-g", "-O2"]).path();
    library.parent().expect("it is in a folder").to_owned()
}

fn record(python: &Python, script: &str, options: &[&str]) -> Recorded {
    let mut recording = Recording::of_script(python, script).variable("PYTHONPATH", crossing(python));
    for option in options {
        recording = recording.option(*option);
    }
    recording.run().succeeds()
}

#[test]
fn python_and_c_in_the_order_of_the_calls() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = record(python, "python_and_c.py", &[]);
        Annotations::of(&["python_and_c.py", "crossing.c"], &[]).assert_hold(&recorded.capture());
        let stats = recorded.stats();
        assert_eq!(native_stacks(&stats, "unmerged"), 0, "{python}: {stats}");
        assert_eq!(native_stacks(&stats, "cut_short"), 0, "{python}: {stats}");
        assert_views_agree(&recorded);
    }
}

/// With `-X perf`, from 3.12 on, each function is called through code that is made for it at run time, and that no table describes.
/// With `-X perf_jit`, from 3.13 on, it has no name either.
#[test]
fn through_trampolines() {
    let variables = ["PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT"];
    for (python, variable) in pythons::all().iter().flat_map(|python| variables.map(|variable| (python, variable))) {
        eprintln!("{python} {variable}");
        let recording = Recording::of_script(python, "python_and_c.py").variable("PYTHONPATH", crossing(python));
        let recorded = recording.variable(variable, "1").run().succeeds();
        Annotations::of(&["python_and_c.py", "crossing.c"], &[]).assert_hold(&recorded.capture());
        let stats = recorded.stats();
        assert_eq!(native_stacks(&stats, "unmerged"), 0, "{python}: {stats}");
        assert_eq!(native_stacks(&stats, "cut_short"), 0, "{python}: {stats}");
        let pid = &stats["metadata"]["pid"];
        for map in [format!("/tmp/perf-{pid}.map"), format!("/tmp/jit-{pid}.dump")] {
            let _ = std::fs::remove_file(map);
        }
    }
}

/// Whatever is shown, it is the same memory: the views' rows add up to the same, and the table's places are the
/// innermost frames of the flame graph's stacks, those of the import machinery only where they are asked for.
#[track_caller]
fn assert_views_agree(recorded: &Recorded) {
    let capture = recorded.capture();
    let tree = flame_tree(&capture);
    let all = sum(&table(&capture, "--total"), |_| true);
    let views = [View::Hybrid, View::Python, View::Native];
    for (view, imports) in views.into_iter().flat_map(|view| [(view, &["--show-imports"][..]), (view, &[])]) {
        let rows = table_of(&capture, &[&["--total", "--view", view.name()], imports].concat());
        assert_eq!(sum(&rows, |_| true), all, "{view:?}");
        let expected = by_innermost(&tree, view, !imports.is_empty());
        let mut found: BTreeMap<Frame, Amount> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.kind != "special") {
            let kind = match row.kind.as_str() {
                "python" => Kind::Python,
                "native" => Kind::Native,
                _ => Kind::Runtime,
            };
            let frame = Frame { kind, file: row.file.clone(), line: row.line, function: row.function.clone() };
            *found.entry(frame).or_default() += row.amount();
        }
        for (frame, amount) in &expected {
            assert_eq!(found.get(frame), Some(amount), "{view:?} {imports:?}: {frame:?}");
        }
    }
}

/// What was allocated by place, as far as it is a function that the program or its extension has.
fn by_innermost(tree: &FlameTree, view: View, shows_imports: bool) -> BTreeMap<Frame, Amount> {
    let mut places: BTreeMap<Frame, Amount> = BTreeMap::new();
    for stack in tree.stacks() {
        // In the Python view, what a thread without Python does is listed under its creator.
        let begin = stack.frames.iter().rposition(|frame| *frame == special(NEW_THREAD)).map_or(0, |at| at + 1);
        let begin = if view == View::Python { 0 } else { begin };
        let mut all_python = stack.frames[begin..].iter().rev().filter(|frame| frame.kind == Kind::Python);
        let innermost = all_python.clone().next();
        let python = all_python.find(|frame| shows_imports || !is_import_machinery(&frame.file)).or(innermost);
        let native = stack.frames.iter().rev().find(|frame| frame.kind == Kind::Native);
        let place = match view {
            View::Hybrid => python.or(native),
            View::Python => python,
            _ => {
                stack.frames.iter().rev().find(|frame| matches!(frame.kind, Kind::Native | Kind::Runtime | Kind::Loop))
            }
        };
        // The interpreter's own functions are named or not as it was built.
        if let Some(frame) = place.filter(|frame| matches!(frame.kind, Kind::Python | Kind::Native)) {
            *places.entry(frame.clone()).or_default() += stack.own;
        }
    }
    places
}

/// What lies between an import and the module, be it frozen or a file of the standard library.
fn is_import_machinery(file: &str) -> bool {
    let frozen = ["<frozen importlib.", "<frozen runpy>", "<frozen zipimport>"];
    let modules = ["__init__", "_abc", "_bootstrap", "_bootstrap_external", "abc", "machinery", "util"];
    let is_of_importlib = |file: &str| modules.iter().any(|name| file.ends_with(&format!("/importlib/{name}.py")));
    let others = ["/runpy.py", "/zipimport.py"];
    frozen.iter().any(|start| file.starts_with(start))
        || (file.contains("/lib/python3.") && (is_of_importlib(file) || others.iter().any(|end| file.ends_with(end))))
}

/// Native stacks are something besides: what is said about Python is the same without them.
#[test]
fn without_native_stacks() {
    for python in pythons::all() {
        let with = record(python, "python_and_c.py", &[]);
        let without = record(python, "python_and_c.py", &["--no-native"]);
        assert_eq!(with.stats()["metadata"]["native_stacks"], true);
        assert_eq!(without.stats()["metadata"]["native_stacks"], false);
        let bare = flame_tree(&without.capture());
        let is_python = |frame: &Frame| matches!(frame.kind, Kind::Python | Kind::Special);
        assert!(bare.stacks().iter().flat_map(|stack| &stack.frames).all(is_python));
        let (with, without) = (own_python_stacks(&flame_tree(&with.capture())), own_python_stacks(&bare));
        assert!(with.len() > 20, "{python}: {with:#?}");
        assert_eq!(with, without, "{python}");
    }
}

/// What the program's own functions allocated, by the Python stack of the thread itself: which thread created it is
/// only known with native stacks. The interpreter's own tables need not grow on the same lines in both runs, so only sizes
/// count that nobody else has.
fn own_python_stacks(tree: &FlameTree) -> BTreeMap<Vec<Frame>, Amount> {
    let script = programs().join("python_and_c.py");
    let mut own: BTreeMap<Vec<Frame>, Amount> = BTreeMap::new();
    for stack in tree.stacks() {
        let begin = stack.frames.iter().rposition(|frame| *frame == special(NEW_THREAD)).map_or(0, |at| at + 1);
        let frames = stack.frames[begin..].iter().filter(|frame| frame.kind == Kind::Python).cloned();
        *own.entry(frames.collect()).or_default() += stack.own;
    }
    own.retain(|stack, amount| {
        let is_own = |leaf: &Frame| Path::new(&leaf.file) == script && leaf.function != "<module>";
        stack.last().is_some_and(is_own) && amount.bytes >= 1_000_000
    });
    own
}

/// Of other greenlets' frames, which lie where a greenlet's callers would be, none is shown.
#[test]
fn greenlets() {
    for python in green_pythons() {
        eprintln!("{python}");
        let recorded = record(&python, "greenlets.py", &[]);
        Annotations::of(&["greenlets.py", "crossing.c"], &[]).assert_hold(&recorded.capture());
        assert_stacks_are_as_told(&python, &recorded, 8);
    }
}

/// The program has printed its own Python stack before each of so many allocations.
#[track_caller]
fn assert_stacks_are_as_told(python: &Python, recorded: &Recorded, allocations: usize) {
    // It allocates somewhat further down than it asked.
    fn without_last_line(mut stack: Vec<Frame>) -> Vec<Frame> {
        stack.last_mut().expect("a frame").line = 0;
        stack
    }
    // Each is larger than whatever else is allocated on these stacks; the interpreter may come there in several ways.
    const LARGE: u64 = 1_000_000;
    let mut found: BTreeMap<Vec<Frame>, Amount> = BTreeMap::new();
    let stacks = flame_tree(&recorded.capture()).stacks().into_iter();
    for stack in stacks.filter(|stack| stack.own.bytes >= stack.own.allocations * LARGE) {
        let python = stack.view(View::Python);
        if !python.is_empty() {
            *found.entry(without_last_line(python)).or_default() += stack.own;
        }
    }
    let stdout = recorded.finished().stdout();
    assert_eq!(stdout.lines().count(), allocations);
    let mut by_stack: BTreeMap<String, (Value, Amount)> = BTreeMap::new();
    for line in stdout.lines() {
        let witness: Value = serde_json::from_str(line).expect("the program prints JSON");
        let (_, amount) =
            by_stack.entry(witness["stack"].to_string()).or_insert((witness["stack"].clone(), Amount::default()));
        *amount += Amount { allocations: 1, bytes: witness["bytes"].as_u64().expect("a size") };
    }
    for (witness, amount) in by_stack.values() {
        let frame = |frame: &Value| {
            let text = |index: usize| frame[index].as_str().expect("a text");
            Frame::python(text(0), frame[1].as_u64().expect("a line"), text(2))
        };
        let expected = without_last_line(witness.as_array().expect("a stack").iter().map(frame).collect());
        assert_eq!(found.get(&expected), Some(amount), "{python}, {expected:#?}: {found:#?}");
    }
}

/// What switches between stacks, and packages that live on it.
const GREEN: [&str; 4] = ["greenlet", "gevent", "eventlet", "sqlalchemy"];

/// Pythons that have them. Not 3.9: there, the interpreter's function is counted from the outermost one, which may be another
/// greenlet's. Nor free-threaded ones: gevent is not published for them.
fn green_pythons() -> impl Iterator<Item = Python> {
    let wanted = pythons::all().iter().filter(|python| python.minor > 9 && !python.free_threaded);
    wanted.filter_map(|python| with_packages(python, &GREEN))
}

/// Packages that live on greenlets: each one's stack is its own, also while it is switched away from.
#[test]
fn green_threads() {
    for python in green_pythons() {
        for package in &GREEN[1..] {
            eprintln!("{python} {package}");
            let recorded = Recording::of_script(&python, "green_threads.py").argument(*package).run().succeeds();
            assert_stacks_are_as_told(&python, &recorded, 15);
            let stats = recorded.stats();
            assert_eq!(native_stacks(&stats, "unmerged"), 0, "{python} {package}: {stats}");
            assert_eq!(native_stacks(&stats, "cut_short"), 0, "{python} {package}: {stats}");
        }
    }
}

/// Another unwinder, made by others, says the same.
#[test]
fn another_unwinder_agrees() {
    const OTHER: &str = "libunwind.so.8";
    let cpp = Build::cpp("cpp_stacks.cpp", "cpp").flags(&["-g", "-O2"]).path();
    let script = programs().join("python_and_c.py");
    let mut recordings = vec![(cpp.clone(), Recording::of_command(&[cpp.as_os_str()]))];
    // Some of them keep frame pointers.
    for python in pythons::all() {
        let mut recording = Recording::of_command(&[python.path.as_os_str(), script.as_os_str()]);
        if python.free_threaded {
            // Its own allocator asks the C library for little.
            recording = recording.option("--trace-python-allocators");
        }
        recordings.push((python.path.clone(), recording.variable("PYTHONPATH", crossing(python))));
    }
    for (program, recording) in recordings {
        let recorded = recording.variable("MEMPROF_CHECK_STACKS", OTHER).run().succeeds();
        let stats = recorded.stats();
        let (checked, differing) = (native_stacks(&stats, "checked"), native_stacks(&stats, "differing"));
        assert!(checked > 1000, "{checked} of {program:?}: {}", recorded.finished().stderr());
        assert!(differing * 10_000 <= checked, "{differing} of {checked} stacks of {program:?} differ");
    }
}
