//! What `temporary` shows of its rows, where it is a table.

use std::io;

use memprof_replay::metric::Metric;

use super::{Temporary, TemporaryRow, TemporarySettings, TextLimits, json, json_by, text};
use crate::formatting::expected_size::SizedWrite;
use crate::lists::list::{Column, List, ListFormat, sum_in_words};
use crate::reading::report::Report;
use crate::sums::stacks::Stacks;
use crate::text::TextStyle;

/// Writes the rows; as text and JSON with their stacks.
///
/// # Errors
/// What `out` answers to a write.
pub fn write(
    report: &Report,
    settings: TemporarySettings,
    limits: TextLimits,
    (format, style): (ListFormat, &TextStyle),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    let stacks = Stacks::of(report, settings.view);
    let temporary = Temporary::of(report, &stacks, settings);
    match format {
        ListFormat::Text => text::write(&temporary, limits, style, out),
        ListFormat::Json if settings.by.is_some() => json_by::write(&temporary, out),
        ListFormat::Json => json::write(&temporary, out),
        ListFormat::Markdown => temporary.list().write_markdown(limits.rows, out),
        ListFormat::Csv => temporary.list().write_csv(out),
    }
}

type RowColumn<'a> = Column<'a, TemporaryRow>;

impl Temporary<'_> {
    /// Its rows with their columns.
    pub(super) fn list(&self) -> List<'_, TemporaryRow> {
        let whole = self.report.total(Metric::Temporary);
        let mut columns = vec![
            RowColumn::count("Temporary", |row| row.row.amount.allocations).named("temporary_allocations"),
            RowColumn::share(move |row| (row.row.amount.allocations, whole.allocations)),
            RowColumn::bytes("Bytes", |row| row.row.amount.bytes).named("temporary_bytes"),
            RowColumn::count("Of allocations", |row| row.total.allocations).named("allocations"),
            RowColumn::bytes("Of bytes", |row| row.total.bytes).named("bytes"),
        ];
        columns.extend(self.name_columns());
        List {
            report: self.report,
            rows: &self.rows,
            unit: self.unit(),
            subject: self.rows_by.subject(),
            columns,
            sum: Box::new(|rows| sum_in_words(rows.iter().map(|row| row.row.amount))),
            subject_needs: 0,
        }
    }

    /// Its rows with what distinguishes them alone.
    pub(super) fn names(&self) -> List<'_, TemporaryRow> {
        List::without_sum(self.report, &self.rows, self.unit(), self.rows_by.subject(), self.name_columns())
    }

    /// A place says all, unless something else is asked for.
    fn name_columns(&self) -> Vec<RowColumn<'_>> {
        self.settings.by.map_or(Vec::new(), |_| self.rows_by.columns(&self.rows))
    }

    /// What a row is called where they are counted.
    pub(super) const fn unit(&self) -> &'static str {
        if self.settings.by.is_some() { "row" } else { "place" }
    }
}
