//! Which address ranges show something that a descriptor stands for: what `mremap` moves is that elsewhere.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::ids::{Address, SiteId, ThreadId};

/// What is known about sites where something is mapped.
pub trait MappedSites {
    /// Whether what is mapped there is something that a descriptor stands for.
    fn shows_something(&self, site: SiteId) -> bool;
    /// The site of who moved something: `by`, if it had been mapped at `from`, and begins so many bytes behind its beginning.
    fn moved(&mut self, by: SiteId, from: SiteId, bytes: u64) -> SiteId;
}

/// Nobody knows anything: what is moved is memory.
impl MappedSites for () {
    fn shows_something(&self, _: SiteId) -> bool {
        false
    }

    fn moved(&mut self, by: SiteId, _: SiteId, _: u64) -> SiteId {
        by
    }
}

/// Something that is shown in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    end: u64,
    site: SiteId,
    /// Where its beginning would lie in memory.
    begins: u64,
}

/// The ranges that are mapped at a moment.
#[derive(Default)]
pub struct ShownRanges {
    /// By first address. They do not overlap.
    ranges: BTreeMap<u64, Shown>,
    /// What a thread is moving: its site, and how many bytes behind its beginning it starts.
    moving: FxHashMap<ThreadId, (SiteId, u64)>,
}

impl ShownRanges {
    /// A range was mapped.
    pub fn map(&mut self, address: Address, size: u64, site: SiteId, sites: &impl MappedSites) {
        self.unmap(address, size);
        if sites.shows_something(site) {
            let end = page_end(address.0, size);
            self.ranges.insert(address.0, Shown { end, site, begins: address.0 });
        }
    }

    /// A range was unmapped.
    pub fn unmap(&mut self, address: Address, size: u64) {
        let (start, end) = (address.0, page_end(address.0, size));
        if self.ranges.is_empty() || start >= end {
            return;
        }
        let before = self.ranges.range(..start).next_back().map(|(&first, &shown)| (first, shown));
        if let Some((first, shown)) = before
            && shown.end > start
        {
            self.ranges.insert(first, Shown { end: start, ..shown });
            if shown.end > end {
                self.ranges.insert(end, shown);
            }
        }
        while let Some((&first, &shown)) = self.ranges.range(start..end).next() {
            self.ranges.remove(&first);
            if shown.end > end {
                self.ranges.insert(end, shown);
            }
        }
    }

    /// A thread moves a range; nothing of it goes if its size is 0.
    pub fn begin_move(&mut self, thread: ThreadId, address: Address, size: u64) {
        let shown = self.ranges.range(..=address.0).next_back().filter(|(_, shown)| shown.end > address.0);
        self.moving.remove(&thread);
        if let Some((_, shown)) = shown {
            self.moving.insert(thread, (shown.site, address.0 - shown.begins));
        }
        self.unmap(address, size);
    }

    /// The thread has moved it, at the site `by`. Returns the site that it has now.
    pub fn end_move(&mut self, thread: ThreadId, by: SiteId, sites: &mut impl MappedSites) -> SiteId {
        self.moving.remove(&thread).map_or(by, |(site, bytes)| sites.moved(by, site, bytes))
    }
}

/// Mappings begin and end with pages. Larger pages are multiples of these.
fn page_end(address: u64, size: u64) -> u64 {
    address.saturating_add(size).checked_next_multiple_of(4096).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sites with an even number show something. One that moves it says of what, and how far behind its beginning.
    #[derive(Default)]
    struct Sites(Vec<(SiteId, u64)>);

    const MOVED: u32 = 1 << 20;

    impl MappedSites for Sites {
        fn shows_something(&self, site: SiteId) -> bool {
            site.0.is_multiple_of(2)
        }

        fn moved(&mut self, _: SiteId, from: SiteId, bytes: u64) -> SiteId {
            self.0.push((from, bytes));
            SiteId(MOVED + 2 * (self.0.len() as u32 - 1))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Map(u64, u64, u32),
        Unmap(u64, u64),
        Move { from: u64, pages: u64, stays: bool, to: u64, new_pages: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let (page, pages) = (0..30_u64, 1..9_u64);
        prop_oneof![
            (page.clone(), pages.clone(), 0..9_u32).prop_map(|(at, pages, site)| Step::Map(at, pages, site)),
            (page.clone(), pages.clone()).prop_map(|(at, pages)| Step::Unmap(at, pages)),
            (page.clone(), pages.clone(), any::<bool>(), page, pages)
                .prop_map(|(from, pages, stays, to, new_pages)| Step::Move { from, pages, stays, to, new_pages }),
        ]
    }

    const PAGE: u64 = 4096;

    proptest! {
        #[test]
        fn what_is_moved_is_what_was_there(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut ranges, mut sites) = (ShownRanges::default(), Sites::default());
            // What each page shows: a site, and which of its pages.
            let mut model: [Option<(SiteId, u64)>; 64] = [None; 64];
            for step in steps {
                match step {
                    Step::Map(at, pages, site) => {
                        // Not to the byte: the kernel rounds up.
                        ranges.map(Address(at * PAGE), pages * PAGE - 5, SiteId(site), &sites);
                        for page in 0..pages {
                            model[(at + page) as usize] = site.is_multiple_of(2).then_some((SiteId(site), page));
                        }
                    }
                    Step::Unmap(at, pages) => {
                        ranges.unmap(Address(at * PAGE), pages * PAGE);
                        model[at as usize..(at + pages) as usize].fill(None);
                    }
                    Step::Move { from, pages, stays, to, new_pages } => {
                        let shown = model[from as usize];
                        ranges.begin_move(ThreadId(7), Address(from * PAGE), if stays { 0 } else { pages * PAGE });
                        if !stays {
                            model[from as usize..(from + pages) as usize].fill(None);
                        }
                        let known = sites.0.len();
                        let site = ranges.end_move(ThreadId(7), SiteId(1), &mut sites);
                        prop_assert_eq!(sites.0.get(known).copied(), shown.map(|(site, page)| (site, page * PAGE)));
                        ranges.map(Address(to * PAGE), new_pages * PAGE, site, &sites);
                        for page in 0..new_pages {
                            model[(to + page) as usize] = shown.is_some().then_some((site, page));
                        }
                    }
                }
            }
            prop_assert!(ranges.moving.is_empty());
        }
    }
}
