//! What the sites of a capture map that is not memory of the process's own: files, reserved addresses, and shared
//! memory.

use memprof_capture::file::{Site, Tables};
use memprof_channel::ids::SiteId;
use rustc_hash::FxHashMap;

/// A file or shared memory, numbered among those of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId(pub u32);

/// A part of an object: from some byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The object.
    pub object: ObjectId,
    /// The byte.
    pub offset: u64,
}

/// What a site maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedSite {
    /// Whether it is a file, a device, or what nobody may touch, and no memory that the program takes: it is counted
    /// apart.
    pub is_address_space: bool,
    /// Of what, where all who map it see the same.
    pub part: Option<ObjectPart>,
}

/// Those sites, by number.
#[derive(Clone, Debug, Default)]
pub struct MappedSites {
    sites: FxHashMap<SiteId, MappedSite>,
    objects: FxHashMap<(u64, u64), ObjectId>,
    /// How many rows of the table have been gone through.
    seen: usize,
}

impl MappedSites {
    /// Those in these tables.
    #[must_use]
    pub fn of(tables: &Tables) -> Self {
        let mut sites = Self::default();
        sites.update(tables);
        sites
    }

    /// Goes through the rows that have come since the last time.
    pub fn update(&mut self, tables: &Tables) {
        for (index, site) in tables.sites.iter().enumerate().skip(self.seen) {
            if let Some(Site { allocator, part, .. }) = *site
                && (allocator.is_address_space() || part.is_some())
            {
                let part = part.and_then(|part| tables.part(part)).map(|part| {
                    let next = ObjectId(self.objects.len() as u32);
                    let object = *self.objects.entry((part.device, part.inode)).or_insert(next);
                    ObjectPart { object, offset: part.offset }
                });
                let mapped = MappedSite { is_address_space: allocator.is_address_space(), part };
                self.sites.insert(SiteId::from_index(index), mapped);
            }
        }
        self.seen = self.seen.max(tables.sites.len());
    }

    /// The sites of the tables have got other numbers.
    pub fn learn_anew(&mut self, tables: &Tables) {
        // What is mapped keeps its number.
        self.sites.clear();
        self.seen = 0;
        self.update(tables);
    }

    /// What a site maps; nothing where that is memory of the process's own.
    #[must_use]
    pub fn get(&self, site: SiteId) -> Option<MappedSite> {
        if self.sites.is_empty() { None } else { self.sites.get(&site).copied() }
    }

    /// Whether what is allocated at a site is counted apart.
    #[must_use]
    pub fn is_address_space(&self, site: SiteId) -> bool {
        self.get(site).is_some_and(|mapped| mapped.is_address_space)
    }
}
