//! The last size of each site, as the encoder and the decoder remember it: most sites ask for the same size again.

use memprof_channel::ids::SiteId;
use rustc_hash::FxHashMap;

use crate::file::format::MAX_CHUNK_EVENTS;

/// The sizes that sites asked for last, for all encoders of a recording: a bounded memory, from which sizes may be
/// evicted. An encoder writes an evicted size again.
pub struct RecentSizes {
    places: Vec<RecentSize>,
    chunks: u32,
}

#[derive(Clone, Copy)]
struct RecentSize {
    size: u64,
    site: SiteId,
    chunk: u32,
}

const RECENT_SIZES: usize = 1 << 14;

impl Default for RecentSizes {
    fn default() -> Self {
        Self { places: vec![RecentSize { size: 0, site: SiteId(0), chunk: 0 }; RECENT_SIZES], chunks: 0 }
    }
}

impl RecentSizes {
    /// A number for a chunk that begins.
    pub(super) fn next_chunk(&mut self) -> u32 {
        self.chunks = self.chunks.wrapping_add(1).max(1);
        self.chunks
    }

    /// Remembers `size` and says whether it is the last one of the same site in the same chunk.
    #[inline]
    pub(super) fn is_again(&mut self, site: SiteId, size: u64, chunk: u32) -> bool {
        let place = &mut self.places[site.index() % RECENT_SIZES];
        // By fields: as a whole they would be compared by a call.
        let again = place.size == size && place.site == site && place.chunk == chunk;
        *place = RecentSize { size, site, chunk };
        again
    }
}

/// The last size of each site in the chunk that is being decoded.
#[derive(Default)]
pub(in crate::file) struct LastSizes {
    /// By the lower bits of the site. Sites of a chunk that are new have numbers in a row, and do not meet here.
    places: Vec<LastSize>,
    /// Of sites of the chunk whose place another one has taken since.
    evicted: FxHashMap<SiteId, u64>,
    chunk: u32,
}

#[derive(Clone, Copy, Default)]
struct LastSize {
    size: u64,
    site: SiteId,
    /// The chunk in which this was seen: 0 is none.
    chunk: u32,
}

/// Twice as many as a chunk has events.
const PLACES: usize = 2 * MAX_CHUNK_EVENTS as usize;

impl LastSizes {
    pub fn start_chunk(&mut self) {
        self.evicted.clear();
        self.chunk = self.chunk.wrapping_add(1);
        if self.chunk == 0 {
            self.places.clear();
            self.chunk = 1;
        }
    }

    #[inline]
    pub fn set(&mut self, site: SiteId, size: u64) {
        let index = site.index() % PLACES;
        if index >= self.places.len() {
            self.places.resize((index + 1).next_power_of_two(), LastSize::default());
        }
        let place = &mut self.places[index];
        if place.chunk == self.chunk && place.site != site {
            self.evicted.insert(place.site, place.size);
        }
        *place = LastSize { size, site, chunk: self.chunk };
    }

    #[inline]
    pub fn get(&self, site: SiteId) -> Option<u64> {
        let place = self.places.get(site.index() % PLACES).filter(|place| place.chunk == self.chunk)?;
        if place.site == site { Some(place.size) } else { self.evicted.get(&site).copied() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_size_of_a_site_is_that_of_the_same_chunk(
            steps in prop::collection::vec((0..4_usize, 0..10_usize, any::<u64>(), prop::bool::weighted(0.05)), 0..200)
        ) {
            let (mut sizes, mut model) = (LastSizes::default(), HashMap::new());
            sizes.start_chunk();
            for (base, offset, size, is_next_chunk) in steps {
                if is_next_chunk {
                    sizes.start_chunk();
                    model.clear();
                }
                // Some have the same place.
                let site = SiteId::from_index([0, PLACES - 5, PLACES, 1 << 30][base] + offset);
                prop_assert_eq!(sizes.get(site), model.get(&site).copied());
                sizes.set(site, size);
                model.insert(site, size);
            }
        }
    }
}
