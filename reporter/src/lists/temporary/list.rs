//! What `temporary` shows of places, where it is a table.

use std::io;

use memprof_replay::metric::Metric;

use super::{SortBy, TemporaryPlace, TextLimits, json, places, text};
use crate::formatting::expected_size::SizedWrite;
use crate::lists::list::{Column, List, ListFormat, Subject, sum_in_words};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::text::TextStyle;

/// Writes the places; as text and JSON with their stacks.
///
/// # Errors
/// What `out` answers to a write.
pub fn write(
    report: &Report,
    (view, sort): (View, SortBy),
    limits: TextLimits,
    (format, style): (ListFormat, &TextStyle),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    match format {
        ListFormat::Text => text::write(report, view, sort, limits, style, out),
        ListFormat::Json => json::write(report, view, sort, out),
        ListFormat::Markdown => list(report, &places(report, view, sort).0).write_markdown(limits.places, out),
        ListFormat::Csv => list(report, &places(report, view, sort).0).write_csv(out),
    }
}

type PlaceColumn<'a> = Column<'a, TemporaryPlace>;

fn list<'a>(report: &'a Report, rows: &'a [TemporaryPlace]) -> List<'a, TemporaryPlace> {
    let whole = report.total(Metric::Temporary);
    List {
        report,
        rows,
        unit: "place",
        subject: Subject::Place(Box::new(|row| row.place)),
        columns: vec![
            PlaceColumn::count("Temporary", |row| row.temporary.allocations).named("temporary_allocations"),
            PlaceColumn::share(move |row| (row.temporary.allocations, whole.allocations)),
            PlaceColumn::bytes("Bytes", |row| row.temporary.bytes).named("temporary_bytes"),
            PlaceColumn::count("Of allocations", |row| row.total.allocations).named("allocations"),
            PlaceColumn::bytes("Of bytes", |row| row.total.bytes).named("bytes"),
        ],
        sum: Box::new(|rows| sum_in_words(rows.iter().map(|row| row.temporary))),
        subject_needs: 0,
    }
}
