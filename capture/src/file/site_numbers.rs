//! The numbers that sites have for a reader, by those that they have in the file: rows may be repeated there, and a reader may
//! want to know less than the file says.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::tables::{Site, Tables};
use crate::event::{ResolvedEvent, Timed};
use crate::ids::SiteId;

/// What the rows of sites have become, by the numbers that events have for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SiteNumbers(Vec<SiteId>);

impl SiteNumbers {
    /// Of rows that have become these.
    pub const fn new(numbers: Vec<SiteId>) -> Self {
        Self(numbers)
    }

    /// How many sites the file has.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// What has this number in the file.
    #[inline]
    pub fn of(&self, site: SiteId) -> SiteId {
        // Nobody refers to others: they are not in the table.
        self.0.get(site.index()).copied().unwrap_or(site)
    }

    /// Puts the sites' new numbers into events.
    pub fn apply(&self, events: &mut [Timed<ResolvedEvent>]) {
        for timed in events {
            if let ResolvedEvent::Allocation { site, .. }
            | ResolvedEvent::Resize { site, .. }
            | ResolvedEvent::Map { site, .. } = &mut timed.event
            {
                *site = self.of(*site);
            }
        }
    }

    /// After these numbers others have been given in turn.
    pub fn then(mut self, next: &Self) -> Self {
        self.0.iter_mut().for_each(|number| *number = next.of(*number));
        self
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
        let numbers = SiteNumbers(tables.sites.iter().enumerate().map(number).collect());
        Self { numbers, first_sites }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator::Allocator;
    use crate::ids::StackId;

    #[test]
    fn a_group_has_the_number_of_its_first_site_among_groups() {
        let site = |stack| Some(Site::new(StackId(stack), Allocator::Malloc));
        let sites = vec![site(7), None, site(4), site(9), None, site(2)];
        let tables = Tables { sites, ..Tables::default() };
        let groups = SiteGroups::by(&tables, |_, site| site.stack.0 % 2);
        assert_eq!(groups.first_sites, [site(7), None, site(4)]);
        let numbers = |numbers: &[u32]| SiteNumbers(numbers.iter().copied().map(SiteId).collect());
        assert_eq!(groups.numbers, numbers(&[0, 1, 2, 0, 1, 2]));
        // The file's own rows 0 to 2 are rows 5, 1 and 0 of the table.
        assert_eq!(numbers(&[5, 1, 0]).then(&groups.numbers), numbers(&[2, 1, 0]));
    }
}
