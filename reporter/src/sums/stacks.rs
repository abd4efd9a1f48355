//! The stacks of a report as a view shows them, and memory by whole stack.

use std::cmp::Reverse;
use std::hash::Hash;

use memprof_capture::file::Site;
use memprof_channel::allocator::Allocator;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::naming::places::PlaceId;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::Ranking;
use crate::sums::stack_paths::{PathId, StackPaths};

/// Of each stack, the place that it is listed under and the frames that are shown.
pub(crate) struct Stacks {
    pub places: RowPlaces,
    pub paths: StackPaths,
}

/// What was allocated with one allocator below one stack, by all threads and processes together.
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

impl Stacks {
    /// Those of a report in a view.
    pub(crate) fn of(report: &Report, view: View) -> Self {
        let places = report.row_places(view);
        let paths = StackPaths::of(report.tables(), report.places(), &places, view);
        Self { places, paths }
    }

    /// The groups with anything of a metric, in the order of a ranking.
    pub(crate) fn groups(&self, report: &Report, metric: Metric, ranking: Ranking) -> Vec<StackGroup> {
        self.groups_within(report, metric, ranking, |_, _| ()).into_iter().map(|((), group)| group).collect()
    }

    /// Likewise, where `within` says what else has to be the same in a group.
    pub(crate) fn groups_within<K: Copy + Eq + Hash>(
        &self,
        report: &Report,
        metric: Metric,
        ranking: Ranking,
        within: impl Fn(&SlotSummary, Option<Site>) -> K,
    ) -> Vec<(K, StackGroup)> {
        let mut sums: FxHashMap<(K, PathId, Option<Allocator>), StackGroup> = FxHashMap::default();
        for (slot, site, amount) in report.with_any(metric) {
            let (path, allocator) = (self.paths.of_site(site), site.map(|site| site.allocator));
            let group = sums.entry((within(slot, site), path, allocator)).or_insert_with(|| {
                let place = self.places.of_site(site);
                StackGroup { path, allocator, place, amount: Amount::default() }
            });
            group.amount.add(amount);
        }
        let mut groups: Vec<(K, StackGroup)> = sums.into_iter().map(|((key, ..), group)| (key, group)).collect();
        // The numbers of paths depend on the capture only. Groups that are equal up to there are of different keys.
        groups.sort_by_key(|(_, group)| (Reverse(ranking.key(group.amount)), group.path, group.allocator));
        groups
    }
}
