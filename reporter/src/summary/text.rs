//! `summary` for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::{FunctionRow, SortBy, rows};
use crate::report::Report;
use crate::report_title;
use crate::size_units::{count, counted, percent, size};
use crate::text::{Align, Cell, Columns, Location, TextStyle, write_paragraph};
use crate::view::View;

/// A column for another metric is worth it where the function keeps so much room.
const FUNCTION_NEEDS: usize = 40;

/// Writes the first `most` functions as text.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    report: &Report,
    view: View,
    metric: Metric,
    sort: SortBy,
    most: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    report_title::write(report, view, metric, style, out)?;
    let mut rows = rows(report, view, metric, sort);
    if !matches!(sort, SortBy::Of(_)) {
        // What has nothing of the metric is of interest to who asks for another one only.
        rows.retain(|row| !row.with_callees.get(metric).is_zero());
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let shown = &rows[..most.min(rows.len())];
    let others: Vec<Metric> = Metric::ALL.into_iter().filter(|&other| other != metric).collect();
    let layouts = (0..=others.len()).rev().map(|number| columns(report, metric, &others[..number], shown));
    let mut layouts = layouts.collect::<Vec<_>>().into_iter();
    let roomy = layouts.find(|columns| columns.room(style) >= FUNCTION_NEEDS);
    roomy.unwrap_or_else(|| columns(report, metric, &[], shown)).print(out, style)?;
    if rows.len() > most {
        let mut rest = Amount::default();
        rows[most..].iter().for_each(|row| rest.add(row.own.get(metric)));
        let more = counted((rows.len() - most) as u64, "more function");
        let rest =
            format!("and {more}: {} in {} of their own", size(rest.bytes), counted(rest.allocations, "allocation"));
        write_paragraph(&rest, 2, style, out)?;
    }
    Ok(())
}

/// The name of a column for what a metric counts, with all that was called.
pub(crate) const fn head(metric: Metric) -> &'static str {
    match metric {
        Metric::Peak => "Peak",
        Metric::Leaks => "Leaked",
        Metric::Total => "Allocated",
        Metric::Temporary => "Temporary",
    }
}

fn columns(report: &Report, metric: Metric, others: &[Metric], rows: &[FunctionRow]) -> Columns {
    let whole = report.total(metric);
    let own = ["Own", "Share", "Total", "Share", "Allocs"];
    let heads: Vec<(&str, Align)> =
        own.into_iter().chain(others.iter().map(|&other| head(other))).map(|head| (head, Align::Right)).collect();
    let mut columns = Columns::new(&heads, "Function");
    for row in rows {
        let (own, total) = (row.own.get(metric), row.with_callees.get(metric));
        let mut cells = vec![
            size(own.bytes),
            percent(own.bytes, whole.bytes),
            size(total.bytes),
            percent(total.bytes, whole.bytes),
            count(own.allocations),
        ];
        cells.extend(others.iter().map(|&other| size(row.with_callees.get(other).bytes)));
        let place = report.places.get(row.place);
        let (function, file) = (report.places.function(row.place), report.places.file(row.place));
        let location = if place.kind.is_native() {
            Location::native(function, file, 0)
        } else {
            Location::of_function(function, file)
        };
        columns.push(cells, Cell::Place(location));
    }
    columns
}
