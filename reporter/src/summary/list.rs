//! What `summary` shows of its functions.

use memprof_replay::metric::Metric;

use super::SummaryRow;
use crate::list::{Column, List, Room, sum_in_words};
use crate::places_by::PlacesBy;
use crate::report::Report;

/// A column for another metric is worth it where the function keeps so much room.
const FUNCTION_NEEDS: usize = 40;

type SummaryColumn<'a> = Column<'a, SummaryRow>;

/// Functions with their columns.
pub(super) fn list<'a>(
    report: &'a Report,
    metric: Metric,
    by: PlacesBy,
    rows: &'a [SummaryRow],
) -> List<'a, SummaryRow> {
    let whole = report.total(metric).bytes;
    let own = move |row: &SummaryRow| row.own[metric];
    let total = move |row: &SummaryRow| row.with_callees[metric];
    let mut columns = vec![
        SummaryColumn::amounts(|row| row.own).named("own"),
        SummaryColumn::amounts(|row| row.with_callees).named("with_callees"),
        SummaryColumn::bytes("Own", move |row| own(row).bytes),
        SummaryColumn::share(move |row| (own(row).bytes, whole)),
        SummaryColumn::bytes("Total", move |row| total(row).bytes),
        SummaryColumn::share(move |row| (total(row).bytes, whole)),
        SummaryColumn::count("Allocs", move |row| own(row).allocations),
    ];
    let others = Metric::ALL.into_iter().filter(|&other| other != metric);
    columns.extend((1..).zip(others).map(|(number, other)| {
        let bytes = move |row: &SummaryRow| row.with_callees[other].bytes;
        SummaryColumn::bytes(head(other), bytes).with_room(Room::IfThereIs(number))
    }));
    List {
        report,
        rows,
        unit: by.name(),
        subject: by.subject(&report.places, |row: &SummaryRow| row.place),
        columns,
        sum: Box::new(move |rows| sum_in_words(rows.iter().map(own)) + " of their own"),
        subject_needs: FUNCTION_NEEDS,
    }
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
