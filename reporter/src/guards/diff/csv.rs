//! `diff` as comma-separated values: the rows of `diff --json`, a line each.

use std::io;

use super::json::{FunctionJson, RowJson, SubjectJson, function_json, row_json};
use super::{By, Diff, Row, Subject};
use crate::formatting::csv_records::write_records;
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};

/// What a row takes without its stack.
const ROW_BYTES: u64 = 80;

/// The name of a field of JSON, after that of the object that it is in, and what a row has there.
type Column = (&'static str, fn(&RowJson<'_>) -> String);

const STATUS: Column = ("status", |row| row.status.name().to_owned());

/// Of rows that are about a function.
const FUNCTION: [Column; 4] = [
    ("function", |row| of_function(row, |function| function.function)),
    ("file", |row| of_function(row, |function| function.file)),
    ("kind", |row| of_function(row, |function| function.kind)),
    ("file_before", |row| of_function(row, |function| function.file_before.unwrap_or_default())),
];

const LINE: Column = ("line", |row| match row.subject {
    SubjectJson::Line { line, .. } => line.to_string(),
    _ => String::new(),
});

const STACK: Column = ("stack", |row| match &row.subject {
    SubjectJson::Stack { stack } => stack.iter().map(frame).collect::<Vec<_>>().join("|"),
    _ => String::new(),
});

const MODULE: [Column; 2] = [
    ("module", |row| match row.subject {
        SubjectJson::Module { module, .. } => module.to_owned(),
        _ => String::new(),
    }),
    ("module_before", |row| match row.subject {
        SubjectJson::Module { module_before, .. } => module_before.unwrap_or_default().to_owned(),
        _ => String::new(),
    }),
];

const PACKAGE: Column = ("package", |row| match row.subject {
    SubjectJson::Package { package } => package.to_owned(),
    _ => String::new(),
});

const FIGURES: [Column; 7] = [
    ("before_bytes", |row| row.figures.before.bytes.to_string()),
    ("before_allocations", |row| row.figures.before.allocations.to_string()),
    ("after_bytes", |row| row.figures.after.bytes.to_string()),
    ("after_allocations", |row| row.figures.after.allocations.to_string()),
    ("difference_bytes", |row| row.figures.difference.bytes.to_string()),
    ("difference_allocations", |row| row.figures.difference.allocations.to_string()),
    ("percent", |row| row.figures.percent.map(|percent| percent.to_string()).unwrap_or_default()),
];

fn of_function<'a>(row: &RowJson<'a>, text: fn(&FunctionJson<'a>) -> &'a str) -> String {
    match &row.subject {
        SubjectJson::Function(function) | SubjectJson::Line { function, .. } => text(function).to_owned(),
        _ => String::new(),
    }
}

/// A function in a stack, which has no line.
fn frame(function: &FunctionJson<'_>) -> String {
    format!("{};{}", function.function, function.file)
}

fn columns(by: By) -> Vec<Column> {
    let subject = match by {
        By::Stack => vec![STACK],
        By::Function => FUNCTION.to_vec(),
        By::Line => [&FUNCTION[..], &[LINE]].concat(),
        By::Module => MODULE.to_vec(),
        By::Package => vec![PACKAGE],
    };
    [&[STATUS], &subject[..], &FIGURES].concat()
}

/// Writes all rows that differ below the names of their fields.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_csv(diff: &Diff, out: &mut impl SizedWrite) -> io::Result<()> {
    if diff.comparison.by == By::Stack {
        let lengths = diff.tree.lengths(|function| frame(&function_json(diff, function)).len() as u64 + 1);
        let bytes = diff.rows().iter().map(|row| match row.subject {
            Subject::Stack(stack) => lengths[stack.index()].saturating_add(ROW_BYTES),
            _ => ROW_BYTES,
        });
        out.expect(ExpectedSize::About(bytes.fold(0, u64::saturating_add)))?;
    }
    let columns = columns(diff.comparison.by);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let record = |row: &Row| {
        let row = row_json(diff, row);
        columns.iter().map(|(_, text)| text(&row)).collect()
    };
    write_records(&names, diff.rows().iter().map(record), out)
}
