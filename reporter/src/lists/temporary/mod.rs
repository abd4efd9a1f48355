//! The report `temporary`: where memory was allocated to be given back at once, with the stacks.

mod json;
mod list;
mod text;

use std::cmp::Reverse;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

pub use list::write;
pub use text::TextLimits;

use crate::naming::places::PlaceId;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::rows::Ranking;
use crate::sums::stack_groups::{StackGroup, groups};
use crate::sums::stack_paths::StackPaths;

/// How many places text and Markdown have, unless asked otherwise.
pub const DEFAULT_PLACES: usize = 10;
/// How many stacks of each place.
pub const DEFAULT_STACKS: usize = 2;
/// How many lines of each stack.
pub const DEFAULT_FRAMES: usize = 10;

/// What places are sorted by: most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// Temporary allocations.
    Allocations,
    /// Bytes of temporary allocations.
    Bytes,
    /// The share of the place's allocations that were temporary.
    Share,
}

impl SortBy {
    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::Bytes => "bytes",
            Self::Share => "share",
        }
    }
}

/// A place with temporary allocations.
struct TemporaryPlace {
    place: PlaceId,
    temporary: Amount,
    /// All that was allocated there.
    total: Amount,
    /// Those with temporary allocations, most first.
    stacks: Vec<StackGroup>,
}

/// The places of the report, in order, with the paths of their stacks.
fn places(report: &Report, view: View, sort: SortBy) -> (Vec<TemporaryPlace>, StackPaths) {
    let row_places = report.row_places(view);
    let paths = StackPaths::of(report.tables(), &report.places, &row_places, view);
    let ranking = if sort == SortBy::Bytes { Ranking::Bytes } else { Ranking::Allocations };
    let totals = report.by_place(&row_places, Metric::Total, ranking);
    let totals: FxHashMap<PlaceId, Amount> = totals.into_iter().map(|row| (row.place, row.amount)).collect();
    let mut stacks: FxHashMap<PlaceId, Vec<StackGroup>> = FxHashMap::default();
    for group in groups(report, &paths, &row_places, Metric::Temporary, ranking) {
        stacks.entry(group.place).or_default().push(group);
    }
    let rows = report.by_place(&row_places, Metric::Temporary, ranking).into_iter();
    let mut places: Vec<TemporaryPlace> = rows
        .map(|row| TemporaryPlace {
            place: row.place,
            temporary: row.amount,
            total: totals.get(&row.place).copied().unwrap_or_default(),
            stacks: stacks.remove(&row.place).unwrap_or_default(),
        })
        .collect();
    if sort == SortBy::Share {
        // Stable: otherwise as ranked. In parts of a million, so that the order is a total one.
        let share = |place: &TemporaryPlace| {
            u128::from(place.temporary.allocations) * 1_000_000 / u128::from(place.total.allocations.max(1))
        };
        places.sort_by_key(|place| Reverse(share(place)));
    }
    (places, paths)
}
