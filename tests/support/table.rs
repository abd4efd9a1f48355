//! What `memprof table --json` says.

use std::path::Path;

use serde_json::Value;

use super::memprof::{Finished, memprof};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub file: String,
    pub line: u64,
    pub function: String,
    pub allocator: String,
    pub thread: String,
    /// `python`, `native`, `runtime` or `special`.
    pub kind: String,
    pub allocations: u64,
    pub bytes: u64,
}

impl Row {
    /// How often, and how much.
    pub fn amount(&self) -> Amount {
        Amount { allocations: self.allocations, bytes: self.bytes }
    }
}

/// How often, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    pub allocations: u64,
    pub bytes: u64,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.allocations += other.allocations;
        self.bytes += other.bytes;
    }
}

/// All rows by a metric: `--peak`, `--leaks` or `--total`.
#[track_caller]
pub fn table(capture: &Path, metric: &str) -> Vec<Row> {
    table_of(capture, &[metric])
}

/// All rows with these options.
#[track_caller]
pub fn table_of(capture: &Path, options: &[&str]) -> Vec<Row> {
    let finished =
        Finished::of(memprof(["table", "--json", "--by", "line,allocator,thread"]).args(options).arg(capture))
            .succeeds();
    let table: Value = serde_json::from_str(&finished.stdout()).expect("table --json prints JSON");
    let rows: Vec<Row> = table["rows"].as_array().expect("it has rows").iter().map(row).collect();
    let mut sum = Amount::default();
    rows.iter().for_each(|row| sum += row.amount());
    let number = |name: &str| table["total"][name].as_u64();
    assert_eq!((number("allocations"), number("bytes")), (Some(sum.allocations), Some(sum.bytes)), "the rows' sum");
    rows
}

fn row(row: &Value) -> Row {
    let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}")).to_owned();
    let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {row}"));
    Row {
        file: text("file"),
        line: number("line"),
        function: text("function"),
        allocator: text("allocator"),
        thread: text("thread"),
        kind: text("kind"),
        allocations: number("allocations"),
        bytes: number("bytes"),
    }
}

/// The sum of the rows that a condition holds for.
pub fn sum(rows: &[Row], condition: impl Fn(&Row) -> bool) -> Amount {
    let mut sum = Amount::default();
    rows.iter().filter(|row| condition(row)).for_each(|row| sum += row.amount());
    sum
}
