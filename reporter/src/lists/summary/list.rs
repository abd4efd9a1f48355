//! What `summary` shows of its rows.

use memprof_replay::metric::Metric;

use super::SummaryRow;
use crate::lists::list::{List, call_columns, sum_in_words};
use crate::naming::places_by::{GroupedPlaces, PlacesBy};
use crate::reading::report::Report;

/// A column for another metric is worth it where the function keeps so much room.
const FUNCTION_NEEDS: usize = 40;

/// Functions, or whatever they are put together by, with their columns.
pub(super) fn list<'a>(
    report: &'a Report,
    metric: Metric,
    (by, grouped): (PlacesBy, &'a GroupedPlaces),
    rows: &'a [SummaryRow],
) -> List<'a, SummaryRow> {
    List {
        report,
        rows,
        unit: by.name(),
        subject: grouped.subject(report.places(), |row: &SummaryRow| row.place),
        columns: call_columns(metric, report.total(metric).bytes, |row| row.own, |row| row.with_callees),
        sum: Box::new(move |rows| sum_in_words(rows.iter().map(|row| row.own[metric])) + " of their own"),
        subject_needs: FUNCTION_NEEDS,
    }
}
