//! The last size of each site, as the encoder and the decoder remember it: most sites ask for the same size again.

use crate::ids::SiteId;

/// The sizes that sites asked for last, for all encoders of a recording: a bounded memory, which may forget. An encoder
/// that has forgotten writes the size again.
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
    /// Size, and the chunk in which it was seen.
    sizes: Vec<(u64, u32)>,
    chunk: u32,
}

impl LastSizes {
    pub fn start_chunk(&mut self) {
        self.chunk = self.chunk.wrapping_add(1);
        if self.chunk == 0 {
            self.sizes.clear();
            self.chunk = 1;
        }
    }

    #[inline]
    pub fn set(&mut self, site: SiteId, size: u64) {
        let index = site.index();
        if index >= self.sizes.len() {
            self.sizes.resize((index + 1).next_power_of_two(), (0, 0));
        }
        self.sizes[index] = (size, self.chunk);
    }

    #[inline]
    pub fn get(&self, site: SiteId) -> Option<u64> {
        self.sizes.get(site.index()).filter(|(_, chunk)| *chunk == self.chunk).map(|&(size, _)| size)
    }
}
