//! Programs that say in their comments what they allocate: every figure must be exactly that.

use std::collections::BTreeMap;

use crate::support::c_programs::compile;
use crate::support::expectations::assert_as_annotated;
use crate::support::flame_data::{Frame, View, flame_tree};
use crate::support::native_expectations::marked;
use crate::support::pythons;
use crate::support::recording::{Recording, total};
use crate::support::table::{Amount, Row, sum, table};

#[track_caller]
fn check(script: &str) {
    for python in pythons::all() {
        eprintln!("{script} with {python}");
        assert_as_annotated(&Recording::of_script(python, script).run().succeeds().capture(), script);
    }
}

#[test]
fn every_allocator() {
    check("every_allocator.py");
}

#[test]
fn mappings_given_back_in_parts() {
    check("unmapped_parts.py");
}

#[test]
fn peaks() {
    check("peaks.py");
}

#[test]
fn whatever_way_the_allocator_was_reached() {
    for python in pythons::all() {
        eprintln!("{python}");
        let plugin = compile("plugin.c", "plugin.so", &["-shared", "-fPIC"]);
        let script = "reached_otherwise.py";
        let recorded = Recording::of_script(python, script).argument(plugin).run().succeeds();
        assert_as_annotated(&recorded.capture(), script);
    }
}

#[test]
fn threads_have_rows_of_their_own() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = Recording::of_script(python, "threads_apart.py").run().succeeds();
        let rows = table(&recorded.capture(), "--total");
        let mut by_thread: BTreeMap<&str, Amount> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.allocator == "valloc") {
            *by_thread.entry(&row.thread).or_default() += row.amount();
        }
        // The program prints the id of each thread and what it allocated.
        let stdout = recorded.finished().stdout();
        assert_eq!(stdout.lines().count(), 5);
        assert_eq!(by_thread.len(), 5, "{by_thread:?}");
        for line in stdout.lines() {
            let [id, allocations, bytes] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let amount = Amount { allocations: allocations.parse().unwrap(), bytes: bytes.parse().unwrap() };
            let own: Vec<_> = by_thread.iter().filter(|(label, _)| label.contains(id)).collect();
            assert!(matches!(own[..], [(_, found)] if *found == amount), "{line}: {by_thread:?}");
        }
    }
}

/// Allocations add up by place, allocator and thread: no two of one place that differ in another way are made one.
#[test]
fn rows_add_up_what_is_alike() {
    let (file, line) = marked("merged_rows.py", "allocate");
    for python in pythons::all() {
        let recorded = Recording::of_script(python, "merged_rows.py").run().succeeds();
        for metric in ["--total", "--leaks"] {
            let mut found = Vec::new();
            for row in table(&recorded.capture(), metric) {
                if (&row.file, row.line, row.function.as_str()) == (&file, line, "allocate") {
                    let thread = row.thread.split(" (").next().expect("a name").to_owned();
                    found.push((row.allocations, row.bytes, row.allocator, thread));
                }
            }
            found.sort();
            let expected: Vec<_> = [3, 10, 20]
                .into_iter()
                .flat_map(|times| {
                    let of = |(size, allocator): (u64, &str)| (times, times * size, allocator.to_owned());
                    [(1_001, "valloc"), (2_002, "pvalloc"), (3_003, "memalign")].map(of)
                })
                .collect();
            let without_threads: Vec<_> = found.iter().map(|(n, bytes, by, _)| (*n, *bytes, by.clone())).collect();
            assert_eq!(without_threads, expected, "{python}, {metric}");
            let names: Vec<&str> = found.iter().map(|row| row.3.as_str()).collect();
            assert_eq!(names[3..], [["times 10"; 3], ["times 20"; 3]].concat(), "{python}, {metric}");
        }
    }
}

/// However deep a stack is, all of its Python frames are there.
#[test]
fn stacks_are_as_deep_as_they_are() {
    let script = "deep_recursion.py";
    for python in pythons::all() {
        let recorded = Recording::of_script(python, script).run().succeeds();
        let tree = flame_tree(&recorded.capture()).view(View::Python);
        for (size, function, leaf, depth) in
            [(1_000_001, "descend", "deepest", 3_000), (1_000_002, "through_c", "deepest-through-c", 220)]
        {
            let found = tree.stacks_with(Amount { allocations: 1, bytes: size });
            let [stack] = &found[..] else { panic!("{python}: {} stacks of {size}", found.len()) };
            let calls = stack.frames.iter().filter(|frame| frame.function == function).count();
            assert_eq!(calls, depth, "{python}");
            let (file, line) = marked(script, leaf);
            assert_eq!(stack.frames.last(), Some(&Frame::python(&file, line, function)), "{python}");
            assert_eq!(stack.frames[0].function, "<module>", "{python}");
        }
    }
}

/// Each level is recorded by what distinguishes it from the one before.
#[test]
fn a_recursion_takes_the_room_of_its_calls() {
    const LEVELS: u64 = 4000;
    let script = "recursion_of_objects.py";
    let (file, line) = marked(script, "block");
    for python in pythons::all() {
        for option in ["--native-depth=1024", "--no-native"] {
            let recorded = Recording::of_script(python, script).option("--trace-python-allocators");
            let recorded = recorded.option(option).run().succeeds();
            assert_eq!(recorded.finished().stdout(), format!("{LEVELS}\n"), "{python}");
            let bytes = std::fs::metadata(recorded.capture()).expect("there is a capture").len();
            assert!(bytes < LEVELS * 600, "{python} {option}: {bytes} bytes");
            let stats = recorded.stats();
            assert_eq!(total(&stats, "skipped_events"), 0, "{python} {option}");
            let blocks = sum(&table(&recorded.capture(), "--total"), |row| (&row.file, row.line) == (&file, line));
            assert!(blocks.allocations >= LEVELS && blocks.bytes >= LEVELS * 600, "{python} {option}: {blocks:?}");
        }
    }
}

#[test]
fn threads_without_python_have_no_python_stack() {
    for python in pythons::all() {
        let code = "import truth; truth.thread(100, 4321); truth.crowd(600, 1234)";
        let recorded = Recording::of_code(python, code);
        let recorded = recorded.variable("PYTHONPATH", crate::support::memprof::programs()).run().succeeds();
        let of = |metric: &str, size: u64| {
            let rows = table(&recorded.capture(), metric);
            // They are listed under the native function that allocated, not under the Python line that waited for them.
            let own = |row: &Row| row.kind == "native" && ["work", "live"].contains(&row.function.as_str());
            assert!(rows.iter().filter(|row| row.allocator == "memalign").all(own), "{python}: {rows:?}");
            sum(&rows, |row| row.allocator == "memalign" && row.bytes % size == 0).allocations
        };
        assert_eq!((of("--total", 4321), of("--leaks", 4321)), (100, 1), "{python}");
        assert_eq!((of("--total", 1234), of("--leaks", 1234)), (600, 0), "{python}");
    }
}

/// A program without an interpreter makes no allocation but its own: all totals of the run are known.
#[test]
fn the_totals_of_a_native_program() {
    let program = compile("native_truth.c", "native_truth", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stats = recorded.stats();
    let expected: BTreeMap<String, u64> = recorded
        .finished()
        .stdout()
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(' ').expect("a name and a number");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect();
    assert_eq!(expected.len(), 8);
    let found: BTreeMap<String, u64> = expected.keys().map(|name| (name.clone(), total(&stats, name))).collect();
    assert_eq!(found, expected);
    assert_eq!(stats["by_allocator"]["malloc"]["allocations"], 1003);
    assert_eq!(stats["metadata"]["complete"], true);
}

/// Threads that free each other's blocks, and get the same addresses again at once: in whatever order the events of the
/// threads reached the recorder, each free must meet its own allocation.
#[test]
fn threads_that_pass_blocks_around() {
    let program = compile("native_race.c", "native_race", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stdout = recorded.finished().stdout();
    let numbers: Vec<u64> = stdout.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [mallocs, malloc_bytes, reallocs, realloc_bytes] = numbers[..] else { panic!("{stdout}") };
    assert!(mallocs > 10_000 && reallocs > 10_000);
    let rows =
        |metric: &str, allocator: &str| sum(&table(&recorded.capture(), metric), |row| row.allocator == allocator);
    assert_eq!(rows("--total", "malloc"), Amount { allocations: mallocs, bytes: malloc_bytes });
    assert_eq!(rows("--total", "realloc"), Amount { allocations: reallocs, bytes: realloc_bytes });
    assert_eq!((rows("--leaks", "malloc"), rows("--leaks", "realloc")), Default::default());
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    // No more than fit into the slots and the threads' hands were ever live, whatever the order was; and the threads'
    // own stacks and tables.
    let live =
        sum(&table(&recorded.capture(), "--peak"), |row| ["malloc", "realloc"].contains(&row.allocator.as_str()));
    assert!(live.allocations <= 64 + 2 * 6 && live.bytes <= live.allocations * 2048, "{live:?}");
}
