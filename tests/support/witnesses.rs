//! Compares a capture with what Python itself said about its stacks while the program ran.
//!
//! `truth.witnessed(size)` allocates, and then asks the interpreter for the stack of the very call, which the
//! program prints as a line of JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::flame_data::{Frame, flame_tree};
use super::recording::Recorded;
use super::table::{Amount, table};

/// A witnessed allocation: its size and its stack, root first.
struct Witness {
    bytes: u64,
    stack: Vec<Frame>,
}

/// The allocator of witnessed allocations: no interpreter uses it.
const ALLOCATOR: &str = "valloc";

/// Sizes of witnessed allocations are multiples of this, and a few bytes; whatever else the interpreter allocates on
/// the same stack is less.
const STEP: u64 = 8 << 20;

fn witnesses(recorded: &Recorded) -> Vec<Witness> {
    let stdout = recorded.finished().stdout();
    let frame = |frame: &Value| -> Frame {
        let text = |index: usize| frame[index].as_str().expect("a text").to_owned();
        (text(0), frame[1].as_u64().expect("a line"), text(2))
    };
    let witness = |line: &str| {
        let seen: Value = serde_json::from_str(line).expect("what the program saw is JSON");
        Witness {
            bytes: seen["bytes"].as_u64().expect("a size"),
            stack: seen["stack"].as_array().expect("a stack").iter().map(frame).collect(),
        }
    };
    stdout.lines().map(witness).collect()
}

/// Requires that every witnessed allocation, and no other of its kind, is in the table with the innermost frame that
/// Python named, and in the flame graph with all frames. Returns how many there were.
#[track_caller]
pub fn assert_as_witnessed(recorded: &Recorded) -> usize {
    let witnesses = witnesses(recorded);
    let mut expected: BTreeMap<Frame, Amount> = BTreeMap::new();
    let mut expected_stacks: BTreeMap<&[Frame], Amount> = BTreeMap::new();
    for witness in &witnesses {
        let amount = Amount { allocations: 1, bytes: witness.bytes };
        *expected.entry(witness.stack.last().expect("a frame").clone()).or_default() += amount;
        *expected_stacks.entry(&witness.stack).or_default() += amount;
    }
    let mut found: BTreeMap<Frame, Amount> = BTreeMap::new();
    for row in table(&recorded.capture(), "--total").into_iter().filter(|row| row.allocator == ALLOCATOR) {
        *found.entry((row.file.clone(), row.line, row.function.clone())).or_default() += row.amount();
    }
    assert_eq!(found, expected, "innermost frames found (left) and witnessed (right)");

    let tree = flame_tree(&recorded.capture());
    for (stack, amount) in expected_stacks {
        let own = tree.own(stack).unwrap_or_else(|| panic!("this stack is missing: {stack:#?}"));
        assert!(own.bytes >= amount.bytes && own.bytes < amount.bytes + STEP, "{own:?} for {amount:?} at {stack:#?}");
    }
    witnesses.len()
}
