//! Compares a capture with what Python itself said about its stacks while the program ran.
//!
//! `truth.witnessed(size)` allocates, and then asks the interpreter for the stack of the very call, which the
//! program prints as a line of JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::exported::{self, Exported, Stack};
use super::flame_data::{FlameTree, Frame, Kind, View, flame_tree};
use super::native_expectations::marked;
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
        Frame::python(&text(0), frame[1].as_u64().expect("a line"), &text(2))
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
/// Python named, and in the flame graph with all frames, also where native frames lie between them. Returns how many
/// there were.
#[track_caller]
pub fn assert_as_witnessed(recorded: &Recorded) -> usize {
    let count = assert_innermost_as_witnessed(recorded);
    let witnesses = witnesses(recorded);
    let mut expected: BTreeMap<&[Frame], Amount> = BTreeMap::new();
    for witness in &witnesses {
        *expected.entry(&witness.stack).or_default() += Amount { allocations: 1, bytes: witness.bytes };
    }
    let tree = flame_tree(&recorded.capture());
    let python = tree.view(View::Python);
    for (stack, amount) in &expected {
        let own = python.own(stack).unwrap_or_else(|| panic!("this stack is missing: {stack:#?}"));
        assert!(own.bytes >= amount.bytes && own.bytes < amount.bytes + STEP, "{own:?} for {amount:?} at {stack:#?}");
    }
    if recorded.stats()["metadata"]["native_stacks"] == true {
        assert_native_frames_fit(&tree, &expected);
    }
    count
}

/// The same of the table alone, which is quicker.
#[track_caller]
pub fn assert_innermost_as_witnessed(recorded: &Recorded) -> usize {
    let witnesses = witnesses(recorded);
    let mut expected: BTreeMap<Frame, Amount> = BTreeMap::new();
    for witness in &witnesses {
        let innermost = witness.stack.last().expect("a frame").clone();
        *expected.entry(innermost).or_default() += Amount { allocations: 1, bytes: witness.bytes };
    }
    let mut found: BTreeMap<Frame, Amount> = BTreeMap::new();
    for row in table(&recorded.capture(), "--total").into_iter().filter(|row| row.allocator == ALLOCATOR) {
        *found.entry(Frame::python(&row.file, row.line, &row.function)).or_default() += row.amount();
    }
    assert_eq!(found, expected, "innermost frames found (left) and witnessed (right)");
    witnesses.len()
}

/// Requires that the witnessed allocations, of which the program printed sums by stack, are in the capture with exactly
/// these stacks, and no other of their kind. Returns how many there were.
#[track_caller]
pub fn assert_sums_as_witnessed(recorded: &Recorded) -> usize {
    let seen: Value = serde_json::from_str(&recorded.finished().stdout()).expect("what the program saw is JSON");
    let frame = |frame: &Value| -> exported::Frame {
        (exported::text(&frame[2]), exported::text(&frame[0]), frame[1].as_u64().expect("a line"))
    };
    let frames: Vec<exported::Frame> = exported::list(&seen["frames"]).iter().map(frame).collect();
    let number = |value: &Value| value.as_u64().expect("a number");
    let stack = |stack: &Value| -> (Stack, Amount) {
        let innermost_first = exported::list(&stack[0]).iter().map(|frame| frames[number(frame) as usize].clone());
        (innermost_first.collect(), Amount { allocations: number(&stack[1]), bytes: number(&stack[2]) })
    };
    let expected: BTreeMap<Stack, Amount> = exported::list(&seen["stacks"]).iter().map(stack).collect();
    let options = ["--view", "python", "--allocator", ALLOCATOR];
    let found = Exported::of(&recorded.capture(), &options).sums("total", |sample| sample.stack.clone());
    for (stack, amount) in &found {
        assert_eq!(expected.get(stack), Some(amount), "found (right) at {stack:#?}");
    }
    assert_eq!(found.len(), expected.len(), "stacks found (left) and witnessed (right)");
    expected.values().map(|amount| amount.allocations as usize).sum()
}

/// Requires that each witnessed allocation was made in the native function that made it, called by the Python stack
/// that Python named, and that the interpreter's evaluation loop comes after the Python frames that it ran.
#[track_caller]
fn assert_native_frames_fit(tree: &FlameTree, expected: &BTreeMap<&[Frame], Amount>) {
    let (file, line) = marked("libtruth.c", "witnessed");
    let allocating = Frame::native(&file, line, "truth_witnessed");
    let mut found: BTreeMap<Vec<Frame>, Amount> = BTreeMap::new();
    for stack in tree.stacks_at(&allocating) {
        *found.entry(stack.view(View::Python)).or_default() += stack.own;
        let mut after = Kind::Native;
        for frame in stack.frames.iter().rev().filter(|frame| frame.kind != Kind::Runtime) {
            // Only a mark for native frames that were left out is special here.
            let is_run = matches!(after, Kind::Loop | Kind::Python | Kind::Special);
            assert!(frame.kind != Kind::Python || is_run, "nothing runs {frame:?} in {:#?}", stack.frames);
            after = frame.kind;
        }
    }
    let expected: BTreeMap<Vec<Frame>, Amount> =
        expected.iter().map(|(stack, amount)| (stack.to_vec(), *amount)).collect();
    assert_eq!(found, expected, "Python stacks of truth_witnessed, found (left) and witnessed (right)");
}
