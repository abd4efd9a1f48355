//! A list: rows, what each is about, and what the columns show of it. A report says that once; text, Markdown, CSV and JSON
//! are four renderings of it.

mod call_columns;
mod column;
mod csv;
mod data;
mod json;
mod markdown;
#[cfg(test)]
mod schema;
mod subject;
mod text;

use memprof_replay::slots::Amount;

pub(crate) use call_columns::{call_columns, head};
pub(crate) use column::{Column, Room};
pub(crate) use json::JsonRows;
#[cfg(test)]
pub(crate) use schema::{RowSchema, report_on_nothing};
pub(crate) use subject::{Subject, SubjectName};

use crate::formatting::size_units::{counted, size};
use crate::reading::report::Report;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// For a terminal, with as many rows as are asked for.
    Text,
    /// A table in GitHub's Markdown, with as many rows as are asked for.
    Markdown,
    /// Comma-separated values (RFC 4180), with all rows.
    Csv,
    /// One object with all rows.
    Json,
}

/// The end of a sentence on some rows.
type SumOf<'a, R> = Box<dyn Fn(&[R]) -> String + 'a>;

/// Rows with their columns.
pub(crate) struct List<'a, R> {
    /// Whose places the rows name.
    pub report: &'a Report,
    /// In order.
    pub rows: &'a [R],
    /// What one is called where they are counted: `place`, `function`.
    pub unit: &'static str,
    /// What they are about. People read it last, programs first.
    pub subject: Subject<'a, R>,
    /// The figures, from left to right.
    pub columns: Vec<Column<'a, R>>,
    /// What rows have together, for those that are not shown: the end of a sentence, or nothing.
    pub sum: SumOf<'a, R>,
    /// Columns that are there if there is room give way until the subject has so many characters.
    pub subject_needs: usize,
}

impl<'a, R> List<'a, R> {
    /// A list of which nothing is said about rows that are not shown but their number.
    pub(crate) fn without_sum(
        report: &'a Report,
        rows: &'a [R],
        unit: &'static str,
        subject: Subject<'a, R>,
        columns: Vec<Column<'a, R>>,
    ) -> Self {
        Self { report, rows, unit, subject, columns, sum: Box::new(|_| String::new()), subject_needs: 0 }
    }

    /// How many rows are not among the first `most`, and what these have together; nothing where there is none.
    fn more(&self, most: usize) -> Option<String> {
        let rest = self.rows.get(most..).filter(|rest| !rest.is_empty())?;
        let more = counted(rest.len() as u64, &["more ", self.unit].concat());
        let sum = (self.sum)(rest);
        Some(if sum.is_empty() { more } else { format!("{more}: {sum}") })
    }
}

/// What amounts have together: `1.0 MiB in 3 allocations`.
pub(crate) fn sum_in_words(amounts: impl Iterator<Item = Amount>) -> String {
    let mut sum = Amount::default();
    amounts.for_each(|amount| sum.add(amount));
    format!("{} in {}", size(sum.bytes), counted(sum.allocations, "allocation"))
}
