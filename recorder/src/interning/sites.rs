//! Numbers for sites, and their rows until they are written. Of those where mappings are made, what they map is known.

use memprof_capture::file::{MappedPart, Site};
use memprof_capture::resolution::{Content, MappedSites};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{FrameId, SiteId, StackId};
use memprof_channel::record::Mapped;
use rustc_hash::{FxHashMap, FxHashSet};

use super::mapped_files::MappedFiles;
use super::recent_ids::RecentIds;
use super::stacks::FoundStack;

/// The sites of a recording, as far as they are remembered.
pub struct Sites {
    ids: RecentIds<Site>,
    rows: Vec<Site>,
    /// The sites where mappings are made, all of them, and their numbers.
    mappings: FxHashMap<SiteId, Site>,
    mapping_ids: FxHashMap<Site, SiteId>,
    mapped_files: MappedFiles,
    /// The frames that have called `mmap` or `sbrk`.
    mapping_frames: FxHashSet<FrameId>,
}

impl Sites {
    /// Remembers all.
    pub fn all() -> Self {
        Self::with(RecentIds::all())
    }

    /// Remembers at most `sites` sites, a power of two, and those where mappings are made.
    pub fn at_most(sites: usize) -> Self {
        Self::with(RecentIds::at_most(sites, Site::new(StackId::EMPTY, Allocator::Malloc)))
    }

    fn with(ids: RecentIds<Site>) -> Self {
        Self {
            ids,
            rows: Vec::new(),
            mappings: FxHashMap::default(),
            mapping_ids: FxHashMap::default(),
            mapped_files: MappedFiles::default(),
            mapping_frames: FxHashSet::default(),
        }
    }

    /// The site of this stack, whose innermost frame this is, and allocator.
    pub fn site(&mut self, stack: FoundStack, caller: Option<FrameId>, allocator: Allocator) -> SiteId {
        if let Allocator::Mmap | Allocator::MmapReserved | Allocator::Sbrk = allocator {
            self.mapping_frames.extend(caller);
        }
        let site = Site::new(stack.id, allocator);
        if stack.is_new && !maps(allocator) {
            let row = self.ids.new_number(site);
            self.rows.push(site);
            return SiteId(row);
        }
        self.id(site)
    }

    fn id(&mut self, site: Site) -> SiteId {
        let maps = maps(site.allocator);
        if maps && let Some(&known) = self.mapping_ids.get(&site) {
            return known;
        }
        let (row, is_new) = self.ids.number(site);
        if is_new {
            self.rows.push(site);
        }
        let id = SiteId(row);
        if maps {
            self.mappings.insert(id, site);
            self.mapping_ids.insert(site, id);
        }
        id
    }

    /// Whether it is `mremap` that maps there.
    pub fn is_of_mremap(&self, site: SiteId) -> bool {
        self.mappings.get(&site).is_some_and(|site| site.allocator == Allocator::Mremap)
    }

    /// The site of who has mapped something at an address of a process, at a site where mappings are made.
    pub fn mapping_site(&mut self, site: SiteId, mapped: Mapped, pid: u32, address: u64) -> SiteId {
        match (self.mappings.get(&site), self.mapped_files.shown(mapped, pid, address)) {
            (Some(&known), Some((allocator, part))) => self.id(Site { allocator, part, ..known }),
            _ => site,
        }
    }

    /// Whether this frame has called `mmap` or `sbrk`.
    pub fn is_mapping_frame(&self, frame: FrameId) -> bool {
        self.mapping_frames.contains(&frame)
    }

    /// Drops all, but for what was mapped. What is to be renumbered takes no memory meanwhile.
    pub fn clear(&mut self) {
        self.ids = RecentIds::all();
    }

    /// Remembers these in place of all that there were, by their new numbers.
    pub fn renumber(&mut self, rows: impl ExactSizeIterator<Item = Site> + Clone) {
        self.ids = RecentIds::of(rows.clone());
        self.mappings = (0..).map(SiteId).zip(rows).filter(|(_, site)| maps(site.allocator)).collect();
        self.mapping_ids = self.mappings.iter().map(|(&id, &site)| (site, id)).collect();
    }

    /// Whether rows may be equal to earlier ones.
    pub const fn may_repeat(&self) -> bool {
        self.ids.may_repeat()
    }

    /// The rows of sites that have come since the last call, and of what is mapped there.
    pub fn take_rows(&mut self) -> (Vec<Site>, Vec<MappedPart>) {
        (std::mem::take(&mut self.rows), self.mapped_files.take_rows())
    }
}

impl MappedSites for Sites {
    fn content(&self, site: SiteId) -> Content {
        match self.mappings.get(&site).map(|site| site.allocator) {
            Some(Allocator::MmapFile | Allocator::MmapShared) => Content::Shown,
            Some(Allocator::MmapReserved) => Content::Reserved,
            _ => Content::Memory,
        }
    }

    fn moved(&mut self, by: SiteId, from: SiteId, bytes: u64) -> SiteId {
        match (self.mappings.get(&by).copied(), self.mappings.get(&from).copied()) {
            (Some(by), Some(Site { allocator, part, .. })) => {
                let part = part.map(|part| self.mapped_files.at_offset(part, bytes));
                self.id(Site { stack: by.stack, allocator, part })
            }
            _ => by,
        }
    }
}

/// Whether its sites are those of mappings, of which it must be known later what they are.
const fn maps(allocator: Allocator) -> bool {
    matches!(
        allocator,
        Allocator::Mmap | Allocator::Mremap | Allocator::MmapFile | Allocator::MmapShared | Allocator::MmapReserved
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sites_have_one_number_and_one_row() {
        let mut sites = Sites::all();
        let mut site = |allocator| sites.site(FoundStack::known(StackId(2)), None, allocator);
        let known = site(Allocator::Malloc);
        assert_eq!(site(Allocator::Malloc), known);
        assert_ne!(site(Allocator::Calloc), known);
        assert_eq!(sites.take_rows().0.len(), 2);
    }
}
