//! Memory by whole stack and allocator, of all threads and processes together.

use memprof_capture::allocator::Allocator;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::naming::places::PlaceId;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::Ranking;
use crate::sums::stack_paths::{PathId, StackPaths};

/// What was allocated with one allocator below one stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackGroup {
    /// The stack.
    pub path: PathId,
    /// How; nothing where a damaged capture lost it.
    pub allocator: Option<Allocator>,
    /// The place that the stack is listed under in tables.
    pub place: PlaceId,
    /// How much.
    pub amount: Amount,
}

/// The groups with anything of a metric, in the order of a ranking.
pub(crate) fn groups(
    report: &Report,
    paths: &StackPaths,
    row_places: &RowPlaces,
    metric: Metric,
    ranking: Ranking,
) -> Vec<StackGroup> {
    let mut sums: FxHashMap<(PathId, Option<Allocator>), StackGroup> = FxHashMap::default();
    for slot in &report.aggregate.slots {
        let amount = slot.sums[metric];
        if amount.is_zero() {
            continue;
        }
        let site = report.tables().site(slot.site);
        let path = paths.get(site.map(|site| site.stack));
        let allocator = site.map(|site| site.allocator);
        let group = sums.entry((path, allocator)).or_insert_with(|| {
            let place = site.map_or(report.places.lost_stack(), |site| row_places.get(site.stack));
            StackGroup { path, allocator, place, amount: Amount::default() }
        });
        group.amount.add(amount);
    }
    let mut groups: Vec<StackGroup> = sums.into_values().collect();
    // The numbers of paths depend on the capture only.
    groups.sort_by_key(|group| (std::cmp::Reverse(ranking.key(group.amount)), group.path, group.allocator));
    groups
}
