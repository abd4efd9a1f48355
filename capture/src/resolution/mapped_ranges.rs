//! Which address ranges are mapped, and what is there: what `mremap` moves is that elsewhere, and what `mprotect` does
//! depends on it.

use std::collections::BTreeMap;
use std::ops::Range;

use memprof_channel::ids::{Address, SiteId, ThreadId};
use rustc_hash::FxHashMap;

use crate::file::site_numbers::SiteNumbers;

/// What somebody has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Memory of the process's own.
    Memory,
    /// Addresses that nobody may touch.
    Reserved,
    /// Something that a descriptor refers to: nobody's protection makes memory of it.
    Shown,
}

/// What is known about sites where something is mapped.
pub trait MappedSites {
    /// What is mapped there.
    fn content(&self, site: SiteId) -> Content;
    /// The site of who moved something that is not memory: `by`, if it had been mapped at `from`, and now begins
    /// `bytes` bytes after its beginning.
    fn moved(&mut self, by: SiteId, from: SiteId, bytes: u64) -> SiteId;
}

/// Nobody knows anything: all that is mapped is memory.
impl MappedSites for () {
    fn content(&self, _: SiteId) -> Content {
        Content::Memory
    }

    fn moved(&mut self, by: SiteId, _: SiteId, _: u64) -> SiteId {
        by
    }
}

/// A range that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapped {
    end: u64,
    content: Content,
    site: SiteId,
    /// Where its beginning would lie in memory.
    begins: u64,
}

/// The ranges that are mapped at a moment.
#[derive(Default)]
pub struct MappedRanges {
    /// By first address. They do not overlap.
    ranges: BTreeMap<u64, Mapped>,
    /// What a thread is moving that is not memory: its site, and how many bytes after its beginning it starts.
    moving: FxHashMap<ThreadId, (SiteId, u64)>,
}

impl MappedRanges {
    /// A range was mapped.
    pub fn map(&mut self, address: Address, size: u64, site: SiteId, sites: &impl MappedSites) {
        self.unmap(address, size);
        let (start, end) = (address.0, page_end(address.0, size));
        if start < end {
            self.ranges.insert(start, Mapped { end, content: sites.content(site), site, begins: start });
        }
    }

    /// Sites have got other numbers.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        let Self { ranges, moving } = self;
        let sites = ranges.values_mut().map(|mapped| &mut mapped.site);
        sites.chain(moving.values_mut().map(|(site, _)| site)).for_each(|site| *site = numbers.of(*site));
    }

    /// A range was unmapped.
    pub fn unmap(&mut self, address: Address, size: u64) {
        let range = address.0..page_end(address.0, size);
        if !range.is_empty() {
            self.split_at(range.start);
            self.split_at(range.end);
            while let Some((&first, _)) = self.ranges.range(range.clone()).next() {
                self.ranges.remove(&first);
            }
        }
    }

    /// Makes a range begin here, if one goes on here.
    fn split_at(&mut self, address: u64) {
        if let Some((_, before)) = self.ranges.range_mut(..address).next_back()
            && before.end > address
        {
            let rest = *before;
            before.end = address;
            self.ranges.insert(address, rest);
        }
    }

    /// From now on nobody may touch a range, or somebody may: what was memory in it, or reserved, is so no longer, and
    /// belongs to `site`. Each stretch of that is passed on to `changed`, with as many bytes of it as were asked for.
    pub fn protect(
        &mut self,
        address: Address,
        size: u64,
        site: SiteId,
        sites: &impl MappedSites,
        mut changed: impl FnMut(Address, u64),
    ) {
        let (before, after) = match sites.content(site) {
            Content::Reserved => (Content::Memory, Content::Reserved),
            _ => (Content::Reserved, Content::Memory),
        };
        let range = address.0..page_end(address.0, size);
        if range.is_empty() {
            return;
        }
        let mut stretch: Option<Range<u64>> = None;
        let mut stretches = Vec::new();
        let first = self.ranges.range(..range.start).next_back().map(|(&first, &mapped)| (first, mapped));
        for (first, mapped) in
            first.into_iter().chain(self.ranges.range(range.clone()).map(|(&at, &mapped)| (at, mapped)))
        {
            let part = first.max(range.start)..mapped.end.min(range.end);
            if mapped.content != before || part.is_empty() {
                continue;
            }
            match &mut stretch {
                Some(stretch) if stretch.end == part.start => stretch.end = part.end,
                _ => stretches.extend(stretch.replace(part)),
            }
        }
        stretches.extend(stretch);
        let asked_for = address.0.saturating_add(size);
        for Range { start, end } in stretches {
            self.unmap(Address(start), end - start);
            self.ranges.insert(start, Mapped { end, content: after, site, begins: start });
            changed(Address(start), end.min(asked_for) - start);
        }
    }

    /// A thread moves a range; nothing of it goes if its size is 0.
    pub fn begin_move(&mut self, thread: ThreadId, address: Address, size: u64) {
        let moved = self.ranges.range(..=address.0).next_back().filter(|(_, mapped)| mapped.end > address.0);
        self.moving.remove(&thread);
        if let Some((_, mapped)) = moved
            && mapped.content != Content::Memory
        {
            self.moving.insert(thread, (mapped.site, address.0 - mapped.begins));
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

    /// By their numbers, sites have memory, reserve addresses, or show something. One that moves what is not memory
    /// says of what, and how far after its beginning.
    #[derive(Default)]
    struct Sites(Vec<(SiteId, u64)>);

    const KINDS: [Content; 3] = [Content::Memory, Content::Reserved, Content::Shown];
    const MOVED: u32 = 1 << 20;

    impl MappedSites for Sites {
        fn content(&self, site: SiteId) -> Content {
            match site.0.checked_sub(MOVED) {
                Some(moved) => self.content(self.0[moved as usize].0),
                None => KINDS[site.0 as usize % KINDS.len()],
            }
        }

        fn moved(&mut self, _: SiteId, from: SiteId, bytes: u64) -> SiteId {
            self.0.push((from, bytes));
            SiteId(MOVED + self.0.len() as u32 - 1)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Map(u64, u64, u32),
        Unmap(u64, u64),
        Move { from: u64, pages: u64, stays: bool, to: u64, new_pages: u64 },
        Protect { at: u64, pages: u64, reserves: bool },
    }

    fn step() -> impl Strategy<Value = Step> {
        let (page, pages) = (0..30_u64, 1..9_u64);
        prop_oneof![
            (page.clone(), pages.clone(), 0..9_u32).prop_map(|(at, pages, site)| Step::Map(at, pages, site)),
            (page.clone(), pages.clone()).prop_map(|(at, pages)| Step::Unmap(at, pages)),
            (page.clone(), pages.clone(), any::<bool>()).prop_map(|(at, pages, reserves)| Step::Protect {
                at,
                pages,
                reserves
            }),
            (page.clone(), pages.clone(), any::<bool>(), page, pages)
                .prop_map(|(from, pages, stays, to, new_pages)| Step::Move { from, pages, stays, to, new_pages }),
        ]
    }

    const PAGE: u64 = 4096;
    const SHORT: u64 = 5;

    /// Page by page: the site that mapped it, what it has there, and how many pages after its beginning.
    type Model = [Option<(SiteId, Content, u64)>; 64];

    /// What changes in a model: each stretch of pages, as addresses and bytes.
    fn protect(model: &mut Model, at: u64, pages: u64, reserves: bool) -> Vec<(u64, u64)> {
        let (site, [before, after]) = if reserves {
            (SiteId(1), [Content::Memory, Content::Reserved])
        } else {
            (SiteId(0), [Content::Reserved, Content::Memory])
        };
        let changes =
            |page: u64, model: &Model| matches!(model[page as usize], Some((_, content, _)) if content == before);
        let (mut stretches, mut page) = (Vec::new(), at);
        while page < at + pages {
            let first = page;
            while page < at + pages && changes(page, model) {
                page += 1;
            }
            if page > first {
                let asked_for = if page == at + pages { SHORT } else { 0 };
                stretches.push((first * PAGE, (page - first) * PAGE - asked_for));
                (first..page).for_each(|page| model[page as usize] = Some((site, after, page - first)));
            }
            page += u64::from(page == first);
        }
        stretches
    }

    proptest! {
        #[test]
        fn what_is_moved_or_protected_is_what_was_there(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut ranges, mut sites) = (MappedRanges::default(), Sites::default());
            let mut model: Model = [None; 64];
            for step in steps {
                match step {
                    Step::Map(at, pages, site) => {
                        // Not to the byte: the kernel rounds up.
                        ranges.map(Address(at * PAGE), pages * PAGE - SHORT, SiteId(site), &sites);
                        for page in 0..pages {
                            model[(at + page) as usize] = Some((SiteId(site), sites.content(SiteId(site)), page));
                        }
                    }
                    Step::Unmap(at, pages) => {
                        ranges.unmap(Address(at * PAGE), pages * PAGE);
                        model[at as usize..(at + pages) as usize].fill(None);
                    }
                    Step::Protect { at, pages, reserves } => {
                        let (site, mut changed) = (SiteId(u32::from(reserves)), Vec::new());
                        ranges.protect(Address(at * PAGE), pages * PAGE - SHORT, site, &sites, |Address(start), bytes| {
                            changed.push((start, bytes));
                        });
                        prop_assert_eq!(changed, protect(&mut model, at, pages, reserves));
                    }
                    Step::Move { from, pages, stays, to, new_pages } => {
                        let moved = model[from as usize].filter(|(_, content, _)| *content != Content::Memory);
                        ranges.begin_move(ThreadId(7), Address(from * PAGE), if stays { 0 } else { pages * PAGE });
                        if !stays {
                            model[from as usize..(from + pages) as usize].fill(None);
                        }
                        let known = sites.0.len();
                        let site = ranges.end_move(ThreadId(7), SiteId(0), &mut sites);
                        let entered = sites.0.get(known).copied();
                        prop_assert_eq!(entered, moved.map(|(site, _, page)| (site, page * PAGE)));
                        ranges.map(Address(to * PAGE), new_pages * PAGE, site, &sites);
                        for page in 0..new_pages {
                            model[(to + page) as usize] = Some((site, sites.content(site), page));
                        }
                    }
                }
            }
            prop_assert!(ranges.moving.is_empty());
        }
    }
}
