//! Which sites a report on the nodes of a tree distinguishes: programs have more sites than nodes.

use std::num::NonZeroU32;

use memprof_capture::file::site_numbers::{SiteGroups, SiteWindow};
use memprof_capture::file::{Site, Tables};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{SiteId, StackId};

use crate::sums::site_tree::SiteTree;

/// Groups of sites, by which a tree's sites are called from then on.
pub(crate) struct NodeGroups {
    /// By site.
    numbers: Vec<SiteId>,
    first_sites: Vec<Option<Site>>,
    /// How many of the first groups map memory: parts and sizes are asked of each.
    mapping: u32,
}

impl NodeGroups {
    /// A group for each node and allocator, as far as `is_same` sees no difference.
    pub(crate) fn of(tables: &Tables, tree: &mut SiteTree, is_same: impl Fn(SiteId, SiteId) -> bool) -> Self {
        let maps = |site: SiteId| tables.site(site).is_some_and(maps);
        let allocator = |site: SiteId| tables.site(site).map(|site| site.allocator);
        let all = || (0..tables.sites.len()).map(SiteId::from_index);
        let mut firsts: Vec<SiteId> = all().filter(|&site| maps(site)).collect();
        let mapping = firsts.len() as u32;
        let mut next_mapping = (0..).map(SiteId);
        // A list for each node: allocators are few.
        let mut last_of_node: Vec<Option<Link>> = vec![None; tree.nodes().len()];
        let mut before: Vec<Option<Link>> = Vec::new();
        let number = |site: SiteId| {
            if maps(site) {
                return next_mapping.next().unwrap_or(site);
            }
            let list = &mut last_of_node[tree.of_site(site).index()];
            let mut at = *list;
            while let Some(Link(group)) = at {
                let first = firsts[(mapping + group.get() - 1) as usize];
                if allocator(first) == allocator(site) && is_same(first, site) {
                    break;
                }
                at = before[(group.get() - 1) as usize];
            }
            let link = at.unwrap_or_else(|| {
                let link = Link(NonZeroU32::MIN.saturating_add(before.len() as u32));
                firsts.push(site);
                before.push(list.replace(link));
                link
            });
            SiteId(mapping + link.0.get() - 1)
        };
        let numbers = all().map(number).collect();
        drop((last_of_node, before));
        let of_groups = firsts.iter().map(|&first| tree.of_site(first)).collect();
        tree.renumber_sites(of_groups);
        let first_sites = firsts.iter().map(|&first| tables.site(first)).collect();
        Self { numbers, first_sites, mapping }
    }

    /// The groups, and windows through which all of them can be seen, no more than `most` at a time. Those that map are
    /// seen in each.
    pub(crate) fn in_windows(self, most: u32) -> (SiteGroups, Vec<SiteWindow>) {
        let Self { numbers, mut first_sites, mapping } = self;
        let windows = windows(mapping, first_sites.len() as u32, most);
        if windows.len() > 1 {
            // What is not in the window: memory of the program's own.
            first_sites.push(Some(Site::new(StackId::EMPTY, Allocator::Malloc)));
        }
        (SiteGroups::new(numbers, first_sites), windows)
    }

    /// The groups, all of them at once.
    pub(crate) fn at_once(self) -> SiteGroups {
        SiteGroups::new(self.numbers, self.first_sites)
    }
}

fn windows(mapping: u32, count: u32, most: u32) -> Vec<SiteWindow> {
    let windows = (count - mapping).div_ceil(most.max(1)).max(1);
    // All of the same width, so that the widest is as narrow as can be.
    let width = (count - mapping).div_ceil(windows);
    let window = |number: u32| {
        let start = mapping.saturating_add(width.saturating_mul(number)).min(count);
        let present = SiteId(start)..SiteId(start.saturating_add(width).min(count));
        SiteWindow { always: SiteId(mapping), present, others: SiteId(count) }
    };
    (0..windows).map(window).collect()
}

/// A group that does not map, in a list: its number among these, from 1, so that it takes four bytes also where there
/// is none.
#[derive(Clone, Copy)]
struct Link(NonZeroU32);

fn maps(site: Site) -> bool {
    site.allocator == Allocator::Mmap || site.allocator.is_address_space() || site.part.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_group_is_seen_through_one_window_or_through_all(mapping in 0..5_u32, plain in 0..50_u32, most in 0..60_u32) {
            let count = mapping + plain;
            let windows = windows(mapping, count, most);
            prop_assert!(windows.len() == 1 || plain > most);
            for group in (0..count).map(SiteId) {
                let seen = windows.iter().filter(|window| window.of(group) == group).count();
                prop_assert_eq!(seen, if group.0 < mapping { windows.len() } else { 1 });
            }
            for window in &windows {
                prop_assert!(window.present.end.0 - window.present.start.0 <= most.max(1));
                prop_assert_eq!(window.of(SiteId(count)), SiteId(count));
            }
        }
    }
}
