//! Threads of Python that run at the same time: exact counts, the right lines and the right names, although they describe
//! code objects to each other, run copies of the bytecode of their own, and let code objects die under each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::pythons;
use crate::support::recording::{Recording, total};
use crate::support::table::{Amount, Row, table};

/// As in the program.
const LEAST: u64 = 100_000;

fn recorded(how: &str, threads: u64, rounds: u64, check: impl Fn(&[Row])) {
    for python in pythons::all() {
        eprintln!("{how} with {python}");
        let recording = Recording::of_script(python, "side_by_side.py").option("--trace-python-allocators");
        let numbers = [threads.to_string(), rounds.to_string()];
        let recording = numbers.into_iter().fold(recording.argument(how), Recording::argument);
        let recorded = recording.run().succeeds();
        let stats = recorded.stats();
        assert_eq!(total(&stats, "unknown_frees"), 0, "{stats}");
        assert_eq!(total(&stats, "skipped_events"), 0);
        check(&table(&recorded.capture(), "--total"));
    }
}

/// What the lines of functions made.
#[derive(Default)]
struct Line {
    /// By C's malloc.
    malloc: Amount,
    /// By Python: bytes objects, and numbers.
    python: Amount,
}

impl Line {
    /// Requires so many blocks of C's malloc, each of this size.
    #[track_caller]
    fn made_blocks(&self, count: u64, size: u64) {
        assert_eq!(self.malloc, Amount { allocations: count, bytes: count * size });
    }

    /// Requires so many bytes objects of this size, which have a header, and come with a few numbers.
    #[track_caller]
    fn made_objects(&self, count: u64, size: u64) {
        let Amount { allocations, bytes } = self.python;
        assert!((count..=count * 8).contains(&allocations), "{allocations} allocations for {count} objects");
        assert!((count * size..count * (size + 400)).contains(&bytes), "{bytes} bytes for {count} objects of {size}");
        assert_eq!(self.malloc, Amount::default());
    }
}

/// The lines of functions.
fn by_line<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<(&'a str, u64), Line> {
    let mut lines: BTreeMap<_, Line> = BTreeMap::new();
    for row in rows {
        let line = lines.entry((row.function.as_str(), row.line)).or_default();
        let sum = if row.allocator == "malloc" { &mut line.malloc } else { &mut line.python };
        *sum += row.amount();
    }
    lines
}

#[test]
fn each_thread_runs_its_own_function() {
    let (threads, rounds) = (6, 2000);
    recorded("own", threads, rounds, |rows| {
        let lines = by_line(rows);
        for number in 0..threads {
            let name = format!("own_{number}");
            let of = |line| &lines[&(&*name, line)];
            of(3).made_blocks(rounds, LEAST + 10 * number);
            of(4).made_objects(rounds, LEAST + 10 * number + 1000);
        }
    });
}

#[test]
fn all_threads_run_the_same_functions() {
    // Copies of the bytecode are in an array that is replaced when it is full: for the 3rd, the 5th, the 9th thread,
    // ...
    let (threads, rounds) = (20, 300);
    recorded("same", threads, rounds, |rows| {
        let of_function = |function: &'static str| rows.iter().filter(move |row| row.function == function);
        let first = of_function("same_function").filter(|row| row.allocator == "malloc").map(|row| row.line).min();
        let first = first.expect("it has lines");
        let of_threads: BTreeSet<&str> = of_function("same_function").map(|row| &*row.thread).collect();
        assert_eq!(of_threads.len() as u64, threads);
        for thread in of_threads {
            let lines = by_line(of_function("same_function").filter(|row| row.thread == thread));
            let of = |line| &lines[&("same_function", first + line)];
            of(0).made_blocks(rounds, LEAST + 10_000);
            of(1).made_objects(rounds, LEAST + 20_000);
            of(4).made_blocks(rounds, LEAST + 40_000);
        }
        let begun = by_line(of_function("begun"));
        let (_, yields) = begun.iter().max_by_key(|(_, line)| line.python.bytes).expect("it has lines");
        yields.made_objects(threads * (rounds + 1), LEAST + 30_000);
    });
}

#[test]
fn functions_come_and_go_in_all_threads() {
    let (threads, rounds) = (6, 300);
    recorded("new", threads, rounds, |rows| {
        let lines = by_line(rows.iter().filter(|row| row.file.starts_with("new_")));
        for number in 0..threads {
            for turn in 0..rounds {
                let name = format!("new_{number}_{turn}");
                let of = |line| &lines[&(&*name, line)];
                of(2).made_blocks(1, LEAST + number * 10_000 + turn);
                of(3).made_objects(1, LEAST + number * 10_000 + turn + 5_000);
            }
        }
    });
}
