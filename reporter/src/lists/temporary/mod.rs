//! The report `temporary`: where memory was allocated to be freed at once, with the stacks.

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
use crate::sums::rows::{Ranking, by_place};
use crate::sums::stack_paths::StackPaths;
use crate::sums::stacks::{StackGroup, Stacks};

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
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allocations, Self::Bytes, Self::Share];

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
    let stacks = Stacks::of(report, view);
    let ranking = if sort == SortBy::Bytes { Ranking::Bytes } else { Ranking::Allocations };
    let totals = by_place(report, &stacks.places, Metric::Total, ranking);
    let totals: FxHashMap<PlaceId, Amount> = totals.into_iter().map(|row| (row.place, row.amount)).collect();
    let mut of_place: FxHashMap<PlaceId, Vec<StackGroup>> = FxHashMap::default();
    for group in stacks.groups(report, Metric::Temporary, ranking) {
        of_place.entry(group.place).or_default().push(group);
    }
    let rows = by_place(report, &stacks.places, Metric::Temporary, ranking).into_iter();
    let mut places: Vec<TemporaryPlace> = rows
        .map(|row| TemporaryPlace {
            place: row.place,
            temporary: row.amount,
            total: totals.get(&row.place).copied().unwrap_or_default(),
            stacks: of_place.remove(&row.place).unwrap_or_default(),
        })
        .collect();
    if sort == SortBy::Share {
        // Stable: otherwise as ranked. In parts of a million, so that the order is a total one.
        let share = |place: &TemporaryPlace| {
            u128::from(place.temporary.allocations) * 1_000_000 / u128::from(place.total.allocations.max(1))
        };
        places.sort_by_key(|place| Reverse(share(place)));
    }
    (places, stacks.paths)
}
