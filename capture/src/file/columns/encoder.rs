//! Gathers events into columns.

use super::{
    ALLOCATION, ANCHOR_DISTANCE, COLUMNS, EXACT, FREE, MAP, RESIZE, SAME_SITE, SAME_SIZE, StampPrecision, UNMAP,
};
use crate::event::Event;
use crate::file::varint::{push, zigzag};
use crate::ids::{SiteId, Stamp};

/// The sizes that sites asked for last, for all encoders of a recording: a bounded memory, which may forget. An encoder
/// that has forgotten writes the size again.
pub struct RecentSizes {
    places: Vec<RecentSize>,
    chunks: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
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
    fn next_chunk(&mut self) -> u32 {
        self.chunks = self.chunks.wrapping_add(1).max(1);
        self.chunks
    }

    /// Remembers `size` and says whether it is the last one of the same site in the same chunk.
    #[inline]
    fn is_again(&mut self, site: SiteId, size: u64, chunk: u32) -> bool {
        let now = RecentSize { size, site, chunk };
        std::mem::replace(&mut self.places[site.index() % RECENT_SIZES], now) == now
    }
}

/// Gathers the events of one thread into a chunk's columns.
pub struct ColumnEncoder {
    precision: StampPrecision,
    columns: [Vec<u8>; COLUMNS],
    /// This chunk's number in [`RecentSizes`].
    chunk: u32,
    last_address: u64,
    last_site: SiteId,
    first: Stamp,
    last: Stamp,
    anchor: Stamp,
    since_anchor: u64,
    allocations: u64,
}

impl Default for ColumnEncoder {
    fn default() -> Self {
        let mut encoder = Self {
            precision: StampPrecision::Exact,
            columns: Default::default(),
            chunk: 0,
            last_address: 0,
            last_site: SiteId(0),
            first: Stamp(0),
            last: Stamp(0),
            anchor: Stamp(0),
            since_anchor: 0,
            allocations: 0,
        };
        encoder.clear();
        encoder
    }
}

impl ColumnEncoder {
    /// How the events are dated.
    #[must_use]
    pub const fn precision(&self) -> StampPrecision {
        self.precision
    }

    /// Dates the events to come. Only an empty encoder can change.
    ///
    /// # Panics
    /// When there are events already.
    pub fn set_precision(&mut self, precision: StampPrecision) {
        assert!(self.is_empty() || self.precision == precision, "a chunk's stamps are all exact or all anchored");
        self.precision = precision;
    }

    /// Events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns[0].is_empty()
    }

    /// Events so far that handed memory out.
    #[must_use]
    pub const fn allocations(&self) -> u64 {
        self.allocations
    }

    /// Gives back memory that an empty encoder holds in reserve.
    pub fn shrink(&mut self) {
        self.columns.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// The first event's stamp.
    #[must_use]
    pub const fn first(&self) -> Stamp {
        self.first
    }

    /// The last event's stamp.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// Appends an event. Stamps never go back within a thread; one that does is taken for the one before.
    #[inline]
    pub fn push(&mut self, stamp: Stamp, event: Event, sizes: &mut RecentSizes) {
        if self.is_empty() {
            (self.first, self.last, self.anchor) = (stamp, stamp, stamp);
            self.chunk = sizes.next_chunk();
        }
        self.push_stamp(stamp.max(self.last));
        let (kind, address) = match event {
            Event::Allocation { address, size, site } => (ALLOCATION | self.push_block(site, size, sizes), address),
            Event::Free { address } => (FREE, address),
            Event::Resize { address, size, site } => (RESIZE | self.push_block(site, size, sizes), address),
            Event::Map { address, size, site } => (MAP | self.push_block(site, size, sizes), address),
            Event::Unmap { address, size } => {
                push(&mut self.columns[2], size);
                (UNMAP, address)
            }
        };
        self.columns[0].push(kind);
        let difference = address.0.wrapping_sub(self.last_address).cast_signed();
        self.last_address = address.0;
        let coded = if difference & 15 == 0 { zigzag(difference >> 4) << 1 } else { zigzag(difference) << 1 | 1 };
        push(&mut self.columns[1], coded);
    }

    #[inline]
    fn push_block(&mut self, site: SiteId, size: u64, sizes: &mut RecentSizes) -> u8 {
        let mut flags = 0;
        self.allocations += 1;
        if sizes.is_again(site, size, self.chunk) {
            flags |= SAME_SIZE;
        } else {
            push(&mut self.columns[2], size);
        }
        if site == self.last_site {
            flags |= SAME_SITE;
        } else {
            push(&mut self.columns[3], zigzag(i64::from(site.0) - i64::from(self.last_site.0)));
            self.last_site = site;
        }
        flags
    }

    #[inline]
    fn push_stamp(&mut self, stamp: Stamp) {
        match self.precision {
            StampPrecision::Exact => push(&mut self.columns[4], stamp.0 - self.last.0),
            StampPrecision::Anchored => {
                if stamp.0 - self.anchor.0 >= ANCHOR_DISTANCE {
                    push(&mut self.columns[4], self.since_anchor);
                    push(&mut self.columns[4], stamp.0 - self.anchor.0);
                    (self.anchor, self.since_anchor) = (stamp, 0);
                }
                self.since_anchor += 1;
            }
        }
        self.last = stamp;
    }

    /// Appends the payload to `out` and starts the next chunk.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.push(if self.precision == StampPrecision::Exact { EXACT } else { 0 });
        for column in &self.columns {
            push(out, column.len() as u64);
        }
        for column in &self.columns {
            out.extend_from_slice(column);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.last_address = 0;
        self.last_site = SiteId(0);
        self.since_anchor = 0;
        self.allocations = 0;
    }
}
