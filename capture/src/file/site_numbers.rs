//! The numbers that sites have for a reader, by those that they have in the file: rows may be repeated there, and a
//! reader may want to know less than the file says.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::Range;

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{SiteId, StackId};
use rustc_hash::FxHashMap;

use super::tables::{SharedPart, Site, Tables};
use crate::event::{ResolvedEvent, Timed};

/// What the rows of sites have become, by the numbers that events have for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteNumbers {
    /// Each something of its own.
    Each(Vec<SiteId>),
    /// All rows the same, but for a few.
    Few {
        /// How many rows there are.
        rows: usize,
        /// Those that are not the same, and what they are.
        these: FxHashMap<SiteId, SiteId>,
        /// What all others are.
        others: SiteId,
    },
}

impl SiteNumbers {
    /// How many sites the file has.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Each(numbers) => numbers.len(),
            Self::Few { rows, .. } => *rows,
        }
    }

    /// What has this number in the file.
    #[inline]
    #[must_use]
    pub fn of(&self, site: SiteId) -> SiteId {
        match self {
            // Nobody refers to others: they are not in the table.
            Self::Each(numbers) => numbers.get(site.index()).copied().unwrap_or(site),
            Self::Few { these, others, .. } => these.get(&site).copied().unwrap_or(*others),
        }
    }

    /// Puts the sites' new numbers into events.
    pub fn apply(&self, events: &mut [Timed<ResolvedEvent>]) {
        renumber(events, |site| self.of(site));
    }

    /// After these numbers others have been given in turn.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        match &mut self {
            Self::Each(numbers) => numbers.iter_mut().for_each(|number| *number = next.of(*number)),
            Self::Few { these, others, .. } => {
                these.values_mut().chain([others]).for_each(|number| *number = next.of(*number));
            }
        }
        self
    }
}

fn renumber(events: &mut [Timed<ResolvedEvent>], number: impl Fn(SiteId) -> SiteId) {
    for timed in events {
        if let ResolvedEvent::Allocation { site, .. }
        | ResolvedEvent::Resize { site, .. }
        | ResolvedEvent::Map { site, .. } = &mut timed.event
        {
            *site = number(*site);
        }
    }
}

/// Which sites have numbers of their own in the events that are read, while others have one together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteWindow {
    /// Sites below this always have them.
    pub always: SiteId,
    /// These have them at present.
    pub present: Range<SiteId>,
    /// What all others are called.
    pub others: SiteId,
}

impl SiteWindow {
    /// What a site is called.
    #[inline]
    #[must_use]
    pub fn of(&self, site: SiteId) -> SiteId {
        if site < self.always || self.present.contains(&site) { site } else { self.others }
    }

    /// Puts that into events.
    pub(super) fn apply(&self, events: &mut [Timed<ResolvedEvent>]) {
        renumber(events, |site| self.of(site));
    }
}

/// Sites between which a reader makes no difference.
#[derive(Clone, Debug)]
pub struct SiteGroups {
    pub(super) numbers: SiteNumbers,
    /// The first site of each group.
    pub(super) first_sites: Vec<Option<Site>>,
}

impl SiteGroups {
    /// Groups by their numbers: that of each site, and the first site of each.
    #[must_use]
    pub const fn new(numbers: Vec<SiteId>, first_sites: Vec<Option<Site>>) -> Self {
        Self { numbers: SiteNumbers::Each(numbers), first_sites }
    }

    /// A group for each key that sites have, and one for all that the file has lost.
    pub fn by<K: Eq + Hash>(tables: &Tables, key: impl Fn(SiteId, Site) -> K) -> Self {
        let mut groups: FxHashMap<Option<K>, SiteId> = FxHashMap::default();
        let mut first_sites = Vec::new();
        let number = |(row, &site): (usize, &Option<Site>)| match groups
            .entry(site.map(|site| key(SiteId::from_index(row), site)))
        {
            Entry::Occupied(group) => *group.get(),
            Entry::Vacant(group) => {
                first_sites.push(site);
                *group.insert(SiteId::from_index(first_sites.len() - 1))
            }
        };
        let numbers = SiteNumbers::Each(tables.sites.iter().enumerate().map(number).collect());
        Self { numbers, first_sites }
    }
}

/// Sites of which totals alone are wanted: in memory are those that map something which is counted apart, or that
/// others see as well, and one that represents all others.
#[derive(Debug)]
pub(super) struct SitesForTotals {
    rows: usize,
    these: FxHashMap<SiteId, SiteId>,
    groups: FxHashMap<(Allocator, Option<SharedPart>), SiteId>,
    first_sites: Vec<Option<Site>>,
}

impl Default for SitesForTotals {
    fn default() -> Self {
        let other = Site::new(StackId::EMPTY, Allocator::Malloc);
        Self { rows: 0, these: FxHashMap::default(), groups: FxHashMap::default(), first_sites: vec![Some(other)] }
    }
}

impl SitesForTotals {
    /// Takes rows of the table from this one on.
    pub fn add(&mut self, first: u64, rows: &[Site]) -> Option<()> {
        let first = u32::try_from(first).ok()?;
        let end = first.checked_add(u32::try_from(rows.len()).ok()?)?;
        self.rows = self.rows.max(end as usize);
        for (number, site) in (first..end).map(SiteId).zip(rows) {
            let Site { allocator, part, .. } = *site;
            if allocator.is_address_space() || part.is_some() {
                let group = *self.groups.entry((allocator, part)).or_insert_with(|| {
                    self.first_sites.push(Some(Site { stack: StackId::EMPTY, ..*site }));
                    SiteId::from_index(self.first_sites.len() - 1)
                });
                self.these.insert(number, group);
            }
        }
        Some(())
    }

    /// Their groups.
    pub fn finish(self) -> SiteGroups {
        let numbers = SiteNumbers::Few { rows: self.rows, these: self.these, others: SiteId(0) };
        SiteGroups { numbers, first_sites: self.first_sites }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::ids::PartId;

    #[test]
    fn a_group_has_the_number_of_its_first_site_among_groups() {
        let site = |stack| Some(Site::new(StackId(stack), Allocator::Malloc));
        let sites = vec![site(7), None, site(4), site(9), None, site(2)];
        let tables = Tables { sites, ..Tables::default() };
        let groups = SiteGroups::by(&tables, |_, site| site.stack.0 % 2);
        assert_eq!(groups.first_sites, [site(7), None, site(4)]);
        let numbers = |numbers: &[u32]| SiteNumbers::Each(numbers.iter().copied().map(SiteId).collect());
        assert_eq!(groups.numbers, numbers(&[0, 1, 2, 0, 1, 2]));
        // The file's own rows 0 to 2 are rows 5, 1 and 0 of the table.
        assert_eq!(numbers(&[5, 1, 0]).then(&groups.numbers), numbers(&[2, 1, 0]));
    }

    #[test]
    fn a_window_leaves_what_is_in_it_and_what_is_always_seen() {
        let window = SiteWindow { always: SiteId(2), present: SiteId(5)..SiteId(7), others: SiteId(9) };
        let seen = (0..10).map(|site| window.of(SiteId(site)).0).collect::<Vec<_>>();
        assert_eq!(seen, [0, 1, 9, 9, 9, 5, 6, 9, 9, 9]);
    }

    #[test]
    fn totals_distinguish_what_counts_otherwise() {
        let shared = Site { part: Some(SharedPart::from(PartId(3))), ..Site::new(StackId(5), Allocator::Mmap) };
        let file = Site::new(StackId(6), Allocator::MmapFile);
        let plain = Site::new(StackId(7), Allocator::Mmap);
        let mut sites = SitesForTotals::default();
        sites.add(10, &[plain, file, shared, file]).unwrap();
        sites.add(2, &[plain, shared]).unwrap();
        assert_eq!(sites.add(u32::MAX.into(), &[plain, plain]), None);
        let SiteGroups { numbers, first_sites } = sites.finish();
        assert_eq!(numbers.len(), 14);
        assert_eq!([2, 3, 7, 10, 11, 12, 13].map(|site| numbers.of(SiteId(site)).0), [0, 2, 0, 0, 1, 2, 1]);
        let kinds = first_sites.iter().flatten().map(|site| (site.allocator, site.part));
        let expected = [(Allocator::Malloc, None), (Allocator::MmapFile, None), (Allocator::Mmap, shared.part)];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
    }
}
