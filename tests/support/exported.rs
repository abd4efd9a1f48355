//! What `memprof export --format json` says: amounts by stack, to compare other readers of the same capture with.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::memprof::{Finished, memprof};
use super::table::Amount;

/// Function, file and line.
pub type Frame = (String, String, u64);

/// The innermost frame first.
pub type Stack = Vec<Frame>;

/// What one thread allocated at a stack with one allocator.
pub struct Sample {
    pub stack: Stack,
    pub allocator: String,
    /// Its name, without its id.
    pub thread: String,
    amounts: Value,
}

impl Sample {
    /// By a metric: `peak`, `leaked`, `total` or `temporary`.
    pub fn amount(&self, metric: &str) -> Amount {
        let number = |field: &str| self.amounts[metric][field].as_u64().expect("a number");
        Amount { allocations: number("allocations"), bytes: number("bytes") }
    }
}

/// A capture as JSON.
pub struct Exported {
    pub json: Value,
    pub samples: Vec<Sample>,
}

impl Exported {
    /// Of a capture, with these options.
    #[track_caller]
    pub fn of(capture: &Path, options: &[&str]) -> Self {
        let command = &mut memprof(["export", "--format", "json"]);
        let finished = Finished::of(command.args(options).arg(capture)).succeeds();
        let json: Value = serde_json::from_str(&finished.stdout()).expect("it is JSON");
        let frames: Stack = list(&json["frames"]).iter().map(frame).collect();
        let stacks: Vec<(Option<usize>, usize)> = list(&json["stacks"])
            .iter()
            .map(|stack| (stack["caller"].as_u64().map(|caller| caller as usize), index(&stack["frame"])))
            .collect();
        let stack = |innermost: usize| {
            std::iter::successors(Some(innermost), |&at| stacks[at].0).map(|at| frames[stacks[at].1].clone()).collect()
        };
        let sample = |sample: &Value| {
            let thread = text(&sample["thread"]);
            Sample {
                stack: stack(index(&sample["stack"])),
                allocator: text(&sample["allocator"]),
                thread: thread.rsplit_once(" (").map_or(thread.as_str(), |(name, _)| name).to_owned(),
                amounts: sample.clone(),
            }
        };
        let samples = list(&json["samples"]).iter().map(sample).collect();
        Self { json, samples }
    }

    /// Sums by a key, without those that are nothing.
    pub fn sums<K: Ord>(&self, metric: &str, key: impl Fn(&Sample) -> K) -> BTreeMap<K, Amount> {
        let mut sums: BTreeMap<K, Amount> = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.amount(metric) != Amount::default()) {
            *sums.entry(key(sample)).or_default() += sample.amount(metric);
        }
        sums
    }
}

/// The elements of a list.
#[track_caller]
pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// A text.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

#[track_caller]
fn index(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}")) as usize
}

fn frame(value: &Value) -> Frame {
    (text(&value["function"]), text(&value["file"]), value["line"].as_u64().expect("a line"))
}
