//! The report `summary`: functions, by what they allocated themselves and with all that they called.

mod json;
mod text;

use std::cmp::Reverse;

use memprof_replay::metric::Metric;
use rustc_hash::FxHashMap;

pub use json::write_json;
pub(crate) use text::head;
pub use text::write_text;

use crate::amounts::Amounts;
use crate::call_sums::{CallSums, PlaceGroups};
use crate::places::{PlaceId, PlaceKind, Places};
use crate::report::Report;
use crate::view::View;

/// How many functions the text has, unless asked otherwise.
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

/// A function of a file.
struct FunctionRow {
    /// One of its places.
    place: PlaceId,
    own: Amounts,
    with_callees: Amounts,
}

/// The functions of all places, by name and file.
fn functions(places: &Places) -> (Vec<PlaceId>, PlaceGroups) {
    let (mut firsts, mut known) = (Vec::new(), FxHashMap::default());
    let of_place = places.ids().map(|id| {
        let place = places.get(id);
        let group = *known.entry((place.function, place.file)).or_insert_with(|| {
            firsts.push(id);
            firsts.len() as u32 - 1
        });
        Some(group)
    });
    let of_place = of_place.collect();
    let count = firsts.len();
    (firsts, PlaceGroups { of_place, count })
}

/// The rows of the report, in order.
fn rows(report: &Report, view: View, metric: Metric, sort: SortBy) -> Vec<FunctionRow> {
    let places = &report.places;
    let (firsts, groups) = functions(places);
    let sums = CallSums::of(report, view, &report.row_places(view), &groups);
    let both = sums.own.into_iter().zip(sums.with_callees);
    let rows =
        firsts.into_iter().zip(both).map(|(place, (own, with_callees))| FunctionRow { place, own, with_callees });
    let mut rows: Vec<FunctionRow> = rows
        .filter(|row| {
            // Marks such as `<new thread>` are no functions; what stands for a stack that is not shown has its memory.
            let is_function = places.get(row.place).kind != PlaceKind::Special || !row.own.is_zero();
            is_function && !row.with_callees.is_zero()
        })
        .collect();
    let name = |row: &FunctionRow| (places.function(row.place), places.file(row.place));
    let largest = |row: &FunctionRow| {
        let (own, total) = (row.own.get(metric), row.with_callees.get(metric));
        match sort {
            SortBy::Own => (own.bytes, total.bytes, own.allocations),
            SortBy::Total => (total.bytes, own.bytes, own.allocations),
            SortBy::Allocations => (own.allocations, own.bytes, total.bytes),
            SortBy::Of(metric) => (row.with_callees.get(metric).bytes, row.own.get(metric).bytes, own.bytes),
            SortBy::Name => (0, 0, 0),
        }
    };
    rows.sort_by(|a, b| Reverse(largest(a)).cmp(&Reverse(largest(b))).then_with(|| name(a).cmp(&name(b))));
    rows
}
