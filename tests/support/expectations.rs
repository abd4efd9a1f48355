//! What a test program says about itself, in comments at its lines:
//!
//! ```text
//! block = truth.malloc(70_001)  #= keep malloc total 1/70001 peak 1/70001 leaks 1/70001; keep ...
//! ```
//!
//! names the function, the allocator, and per metric the number of allocations and their bytes; a metric that is not
//! named is zero.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::memprof::programs;
use super::table::{Amount, table};

/// Line, function, allocator.
type Key = (u64, String, String);

/// Allocators that the interpreter itself uses wherever it likes. Their rows count on the lines that name them; any
/// row of another allocator must be named.
const SHARED_WITH_THE_INTERPRETER: [&str; 4] = ["malloc", "calloc", "realloc", "mmap"];

/// Requires that the capture of a test program shows exactly what the program's comments say, by all three metrics.
#[track_caller]
pub fn assert_as_annotated(capture: &Path, script: &str) {
    let script = programs().join(script);
    let source = fs::read_to_string(&script).expect("the script can be read");
    for metric in ["total", "peak", "leaks"] {
        let expected = expected(&source, metric);
        let mut found: BTreeMap<Key, Amount> = BTreeMap::new();
        for row in table(capture, &format!("--{metric}")) {
            let key = (row.line, row.function.clone(), row.allocator.clone());
            let named = expected.keys().any(|(line, _, allocator)| (*line, allocator) == (row.line, &row.allocator));
            if Path::new(&row.file) == script
                && (named || !SHARED_WITH_THE_INTERPRETER.contains(&row.allocator.as_str()))
            {
                *found.entry(key).or_default() += row.amount();
            }
        }
        let expected: BTreeMap<Key, Amount> =
            expected.into_iter().filter(|(_, amount)| *amount != Amount::default()).collect();
        assert_eq!(found, expected, "found (left) and expected (right) by {metric} in {}", script.display());
    }
}

/// The lines' comments, by one metric, with zeros.
fn expected(source: &str, metric: &str) -> BTreeMap<Key, Amount> {
    let mut expected = BTreeMap::new();
    for (number, line) in (1..).zip(source.lines()) {
        let Some((_, comment)) = line.split_once("#= ") else { continue };
        for entry in comment.split(';') {
            let mut words = entry.split_whitespace();
            let (function, allocator) = (words.next().expect("a function"), words.next().expect("an allocator"));
            let mut amount = Amount::default();
            while let Some(name) = words.next() {
                assert!(["total", "peak", "leaks"].contains(&name), "line {number}: no metric is called {name}");
                let value = words.next().and_then(parse).unwrap_or_else(|| panic!("line {number}: {name} what?"));
                if name == metric {
                    amount = value;
                }
            }
            let key = (number, function.to_owned(), allocator.to_owned());
            assert!(expected.insert(key, amount).is_none(), "line {number} says the same twice");
        }
    }
    assert!(!expected.is_empty(), "the program says nothing about itself");
    expected
}

fn parse(value: &str) -> Option<Amount> {
    let (allocations, bytes) = value.split_once('/')?;
    Some(Amount { allocations: allocations.parse().ok()?, bytes: bytes.replace('_', "").parse().ok()? })
}
