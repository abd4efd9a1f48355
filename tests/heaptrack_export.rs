//! Captures as heaptrack files, judged by `heaptrack_print`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::exported::{Exported, Sample};
use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::skipping::skipped;

/// Whether heaptrack is there. It comes with no package index, only with distributions.
fn has_heaptrack() -> bool {
    let runs = Command::new("heaptrack_print").arg("--version").stdin(Stdio::null()).output();
    let is_there = runs.is_ok_and(|output| output.status.success());
    if !is_there {
        skipped("heaptrack_print is not installed (the package heaptrack)");
    }
    is_there
}

/// What it finds at each stack: the functions, the outermost first.
#[track_caller]
fn heaptrack(recorded: &Recorded, cost: &str) -> BTreeMap<Vec<String>, u64> {
    let file = recorded.folder().join("heaptrack.txt");
    Finished::of(memprof(["export", "--format", "heaptrack", "-f", "-o"]).arg(&file).arg(recorded.capture()))
        .succeeds();
    read(&file, cost)
}

/// The same in a file.
#[track_caller]
fn read(file: &Path, cost: &str) -> BTreeMap<Vec<String>, u64> {
    let stacks = file.with_extension(cost);
    let mut command = Command::new("heaptrack_print");
    // It would take what is in angle brackets out of names, and forgive some leaks.
    command.args(["--shorten-templates=0", "--disable-builtin-suppressions", "--flamegraph-cost-type", cost]);
    let finished = Finished::of(command.arg("-F").arg(&stacks).arg("-f").arg(file).stdin(Stdio::null())).succeeds();
    assert_eq!(finished.stderr(), "", "it understands every line");
    let mut sums = BTreeMap::new();
    for line in fs::read_to_string(&stacks).expect("it has written stacks").lines() {
        let (stack, bytes) = line.rsplit_once(' ').expect("a stack and a number");
        let bytes: u64 = bytes.parse().expect("a number");
        let functions = stack.split(';').filter(|function| !function.is_empty()).map(without_module).collect();
        if bytes > 0 {
            *sums.entry(functions).or_default() += bytes;
        }
    }
    sums
}

/// A function's name without the file that heaptrack puts after it.
fn without_module(function: &str) -> String {
    function.rsplit_once(" (").map_or(function, |(name, _)| name).to_owned()
}

/// Our own sums by stack, in bytes.
fn ours(recorded: &Recorded, metric: &str, options: &[&str]) -> BTreeMap<Vec<String>, u64> {
    let stacks = Exported::of(&recorded.capture(), options).sums(metric, as_heaptrack_shows);
    stacks.into_iter().filter(|(_, amount)| amount.bytes > 0).map(|(stack, amount)| (stack, amount.bytes)).collect()
}

/// The functions of a stack, the outermost first. heaptrack shows nothing further out than a function called `main`.
fn as_heaptrack_shows(sample: &Sample) -> Vec<String> {
    let mut functions: Vec<String> = sample.stack.iter().map(|(function, _, _)| function.clone()).collect();
    let outermost = functions.iter().position(|function| function == "main");
    functions.truncate(outermost.map_or(functions.len(), |main| main + 1));
    functions.reverse();
    functions
}

/// Requires as many allocations at each stack. What is left of a mapping that loses a part counts again: there, heaptrack may
/// show more, and does if the program does that to its own.
#[track_caller]
fn assert_same_allocations(recorded: &Recorded, loses_parts: bool) {
    let exported = Exported::of(&recorded.capture(), &[]);
    let mut expected: BTreeMap<_, u64> = exported
        .sums("total", as_heaptrack_shows)
        .into_iter()
        .map(|(stack, amount)| (stack, amount.allocations))
        .collect();
    let maps = |sample: &&Sample| sample.allocator.starts_with("mmap") || sample.allocator == "mremap";
    let mapped: BTreeSet<_> = exported.samples.iter().filter(maps).map(as_heaptrack_shows).collect();
    let mut found = heaptrack(recorded, "allocations");
    let more: u64 = mapped.iter().map(|stack| found.get(stack).unwrap_or(&0) - expected.get(stack).unwrap_or(&0)).sum();
    assert!(more > 0 || !loses_parts);
    for stack in &mapped {
        found.remove(stack);
        expected.remove(stack);
    }
    assert_eq!(found, expected);
}

#[test]
fn the_same_leaks_and_the_same_peak() {
    if !has_heaptrack() {
        return;
    }
    for (script, options) in [
        ("every_allocator.py", &[][..]),
        ("unmapped_parts.py", &["--no-native"]),
        ("threads_apart.py", &["--trace-python-allocators", "--no-native"]),
    ] {
        let recording = Recording::of_script(pythons::any(), script);
        let recording = options.iter().fold(recording, |recording, option| recording.option(*option));
        let recorded = recording.run().succeeds();
        eprintln!("{script}");
        let stats = recorded.stats();
        assert_eq!(heaptrack(&recorded, "leaked"), ours(&recorded, "leaked", &[]), "{script}");
        let peak: u64 = heaptrack(&recorded, "peak").values().sum();
        assert_eq!(peak, total(&stats, "peak_bytes"), "{script}");
        assert_same_allocations(&recorded, script == "unmapped_parts.py");
    }
}

#[test]
fn each_process_of_a_family() {
    if !has_heaptrack() {
        return;
    }
    let recorded = Recording::of_script(pythons::any(), "family.py").option("--follow-fork").run().ends_with(3);
    let mut export = memprof(["export", "--format", "heaptrack", "-o"]);
    Finished::of(export.arg(recorded.folder().join("family.txt")).arg(recorded.capture())).succeeds();
    let processes = recorded.stats()["processes"].clone();
    let processes = processes.as_array().expect("a list");
    assert!(processes.len() >= 6, "{processes:#?}");
    for process in processes {
        let pid = process["pid"].to_string();
        let file = recorded.folder().join(format!("family.{pid}.txt"));
        assert_eq!(read(&file, "leaked"), ours(&recorded, "leaked", &["--process", &pid]), "{process:#}");
    }
}
