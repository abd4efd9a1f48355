//! The report `summary`: functions, by what they allocated themselves and with all that they called.

mod list;

use std::cmp::Reverse;
use std::io;

use memprof_replay::metric::{Metric, Sums};
use memprof_replay::slots::Amount;
use serde::Serialize;

use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_head::JsonHead;
use crate::formatting::report_title;
use crate::lists::list::{JsonRows, ListFormat};
use crate::naming::places::{PlaceId, PlaceKind};
use crate::naming::places_by::{GroupedPlaces, PlacesBy};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::call_sums::CallSums;
use crate::text::TextStyle;

/// How many functions text and Markdown have, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 20;

/// What the functions are sorted by: most first, but names alphabetically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// Bytes of the metric, by the function itself.
    #[default]
    Own,
    /// Bytes of the metric, with all that it called.
    Total,
    /// Allocations of the metric, by the function itself.
    Allocations,
    /// The function's name, then its file.
    Name,
    /// Bytes of a metric, with all that it called, whatever the report is on.
    Of(Metric),
}

impl SortBy {
    /// All that have different names.
    pub const ALL: [Self; 7] = [
        Self::Own,
        Self::Total,
        Self::Allocations,
        Self::Name,
        Self::Of(Metric::Peak),
        Self::Of(Metric::Leaks),
        Self::Of(Metric::Temporary),
    ];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Total => "total",
            Self::Allocations => "allocations",
            Self::Name => "name",
            Self::Of(metric) => metric.name(),
        }
    }
}

/// A function, or whatever functions are put together by.
struct SummaryRow {
    /// The first of its places.
    place: PlaceId,
    own: Sums,
    with_callees: Sums,
}

const SCHEMA: &str = "memprof-summary-2";

/// # memprof summary --json
/// docs/metrics.md defines every figure. All functions, or whatever --by asks for, that have anything, in the
/// order of --sort.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What the rows are for: --by. Rows have the fields of these only.
    #[cfg_attr(test, schemars(extend("enum" = PlacesBy::ALL.map(PlacesBy::name))))]
    by: &'static str,
    /// What the functions are sorted by: --sort.
    #[cfg_attr(test, schemars(extend("enum" = SortBy::ALL.map(SortBy::name))))]
    sort: &'static str,
    total: Amount,
    rows: R,
}

/// The functions of a capture, by what they allocated.
pub struct Summary<'a> {
    report: &'a Report,
    view: View,
    metric: Metric,
    by: PlacesBy,
    grouped: GroupedPlaces,
    sort: SortBy,
    /// All that have anything by any metric.
    rows: Vec<SummaryRow>,
}

impl<'a> Summary<'a> {
    /// Of a report in a view, on a metric.
    #[must_use]
    pub fn of(report: &'a Report, view: View, metric: Metric, (by, sort): (PlacesBy, SortBy)) -> Self {
        let grouped = by.grouped(report.tables(), report.places());
        let rows = rows(report, view, metric, (&grouped, sort));
        Self { report, view, metric, by, grouped, sort, rows }
    }

    /// Writes it; as text and in Markdown the first `most` functions.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub fn write(
        mut self,
        format: ListFormat,
        most: usize,
        style: &TextStyle,
        out: &mut impl SizedWrite,
    ) -> io::Result<()> {
        let (report, metric) = (self.report, self.metric);
        if matches!(format, ListFormat::Text | ListFormat::Markdown) && !matches!(self.sort, SortBy::Of(_)) {
            // What has nothing of the metric is of interest to who asks for another one only.
            self.rows.retain(|row| !row.with_callees[metric].is_zero());
        }
        let list = list::list(report, metric, (self.by, &self.grouped), &self.rows);
        match format {
            ListFormat::Text => {
                report_title::write(report, self.view, metric, style, out)?;
                if self.rows.is_empty() {
                    return Ok(());
                }
                writeln!(out)?;
                list.write_text(most, style, out)
            }
            ListFormat::Markdown => list.write_markdown(most, out),
            ListFormat::Csv => list.write_csv(out),
            ListFormat::Json => {
                let document = Document {
                    head: JsonHead::new(SCHEMA, report, self.view, metric),
                    by: self.by.name(),
                    sort: self.sort.name(),
                    total: report.total(metric),
                    rows: JsonRows(&list),
                };
                serde_json::to_writer_pretty(&mut *out, &document)?;
                writeln!(out)
            }
        }
    }
}

/// The rows of the report, in order.
fn rows(report: &Report, view: View, metric: Metric, (grouped, sort): (&GroupedPlaces, SortBy)) -> Vec<SummaryRow> {
    let places = report.places();
    let sums = CallSums::of(report, view, &report.row_places(view), &grouped.groups());
    let both = sums.own.into_iter().zip(sums.with_callees);
    let rows =
        grouped.firsts().iter().zip(both).map(|(&place, (own, with_callees))| SummaryRow { place, own, with_callees });
    let mut rows: Vec<SummaryRow> = rows
        .filter(|row| {
            // Marks such as `<new thread>` are no functions; the placeholder of a stack that is not shown has its
            // memory.
            let is_function = places.get(row.place).kind != PlaceKind::Special || !row.own.is_zero();
            is_function && !row.with_callees.is_zero()
        })
        .collect();
    // People look for functions by their names.
    let name = |row: &SummaryRow| {
        let (file, line, function) = grouped.name(places, row.place);
        (function, line, file)
    };
    let largest = |row: &SummaryRow| {
        let (own, total) = (row.own[metric], row.with_callees[metric]);
        match sort {
            SortBy::Own => (own.bytes, total.bytes, own.allocations),
            SortBy::Total => (total.bytes, own.bytes, own.allocations),
            SortBy::Allocations => (own.allocations, own.bytes, total.bytes),
            SortBy::Of(metric) => (row.with_callees[metric].bytes, row.own[metric].bytes, own.bytes),
            SortBy::Name => (0, 0, 0),
        }
    };
    rows.sort_by(|a, b| Reverse(largest(a)).cmp(&Reverse(largest(b))).then_with(|| name(a).cmp(&name(b))));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_in_docs;
    use crate::lists::list::{RowSchema, report_on_nothing};
    use serde_json::Value;

    #[test]
    fn the_schema_is_in_docs() {
        let report = report_on_nothing();
        let mut rows = RowSchema::new();
        for by in PlacesBy::ALL {
            let grouped = by.grouped(report.tables(), report.places());
            rows.add(&list::list(&report, Metric::Peak, (by, &grouped), &[]));
        }
        assert_in_docs(rows.document::<Document<Value>>(), SCHEMA, &[]);
    }
}
