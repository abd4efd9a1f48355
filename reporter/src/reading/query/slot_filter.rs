//! Selects slots by thread, allocator, and the files and modules of their stacks.

use memprof_capture::file::Tables;
use memprof_channel::ids::{SiteId, ThreadId};
use memprof_replay::aggregate::{Aggregate, SlotSummary, SlotTotals};
use memprof_replay::processes::Processes;

use super::{PathPattern, Query};
use crate::naming::places::{PlaceId, Places};

/// Which slots a query lets through.
pub(crate) struct SlotFilter<'a> {
    query: &'a Query,
    tables: &'a Tables,
    /// By thread.
    threads: Vec<bool>,
    /// By stack.
    stacks: Vec<bool>,
}

impl<'a> SlotFilter<'a> {
    /// The filter of a query. What is mapped of files is let through if it is asked for.
    pub(crate) fn of(query: &'a Query, tables: &'a Tables, places: &Places) -> Self {
        let is_wanted = |thread: &Option<_>| {
            let matches = |thread| query.threads.iter().any(|pattern| pattern.matches(thread));
            query.threads.is_empty() || thread.as_ref().is_some_and(matches)
        };
        let through = |patterns: &[PathPattern]| stacks_through(patterns, tables, places);
        let (mut stacks, excluded) = (through(&query.only), through(&query.exclude));
        if query.only.is_empty() {
            stacks.fill(true);
        }
        stacks.iter_mut().zip(excluded).for_each(|(wanted, excluded)| *wanted &= !excluded);
        Self { query, tables, threads: tables.threads.iter().map(is_wanted).collect(), stacks }
    }

    /// Whether it lets through what a thread does.
    pub(crate) fn admits_thread(&self, thread: ThreadId) -> bool {
        self.query.threads.is_empty() || self.threads.get(thread.index()).is_some_and(|&wanted| wanted)
    }

    /// Whether it lets through what is allocated at a site.
    pub(crate) fn admits_site(&self, site: SiteId) -> bool {
        // What a damaged capture lost is neither in a file nor of an allocator.
        let Some(site) = self.tables.site(site) else {
            return self.query.allocators.is_empty() && self.query.only.is_empty();
        };
        let is_wanted = match self.query.allocators.as_slice() {
            [] => !site.allocator.is_address_space(),
            wanted => wanted.contains(&site.allocator),
        };
        is_wanted && self.stacks.get(site.stack.index()).copied().unwrap_or(self.query.only.is_empty())
    }

    /// Whether it may leave slots of a site: all of them, where the query selects none.
    pub(crate) fn may_leave(&self, site: SiteId) -> bool {
        !self.query.filters_slots() || self.admits_site(site)
    }

    fn admits(&self, slot: &SlotSummary) -> bool {
        self.admits_thread(slot.thread) && self.admits_site(slot.site)
    }

    /// Leaves of an aggregate of these processes what is admitted, and sums it up again. What belongs to no slot
    /// (releases, sizes, the time line) stays that of all.
    pub(crate) fn apply(&self, aggregate: &mut Aggregate, processes: &Processes) {
        let admitted: Vec<bool> = aggregate.slots.iter().map(|slot| self.admits(slot)).collect();
        let mut next = 0..;
        let numbers: Vec<Option<u32>> =
            admitted.iter().map(|&admitted| if admitted { next.next() } else { None }).collect();
        aggregate.bins = aggregate.bins.take().map(|bins| bins.renumbered(|slot| numbers[slot as usize]));
        let mut admitted = admitted.into_iter();
        aggregate.slots.retain(|_| admitted.next().unwrap_or_default());
        aggregate.sums = SlotTotals::of(&aggregate.slots, processes);
    }
}

/// By stack: whether it has a frame in a file or module that one of the patterns is for.
fn stacks_through(patterns: &[PathPattern], tables: &Tables, places: &Places) -> Vec<bool> {
    if patterns.is_empty() {
        return vec![false; tables.stacks.len() + 1];
    }
    let matches = |path: &str| !path.is_empty() && patterns.iter().any(|pattern| pattern.matches(path));
    let of_place: Vec<bool> =
        places.ids().map(|id| matches(places.file(id)) || places.module(id).is_some_and(matches)).collect();
    let is_in = |&place: &PlaceId| of_place[place.index()];
    tables.fold_stacks(false, false, |callers, node| callers || places.of_frame(node.frame).iter().any(is_in))
}
