//! The events of one chunk, as columns: what is alike stands together, which compresses better than whole records do.
//!
//! A payload is one byte of flags (bit 0: stamps are exact), the lengths of the five columns (numbers as in
//! [`varint`]), and the columns:
//!
//! 1. operations, a byte an event: the kind in bits 0 to 2 (1 allocation, 2 free, 3 resize, 4 map, 5 unmap), bit 3 if
//!    the site is the one of the event before that had one, bit 4 if the size is the last one of the same site;
//! 2. addresses: the difference to the event before, `d`, as `zigzag(d / 16) * 2` where 16 divides it, else
//!    `zigzag(d) * 2 + 1`;
//! 3. sizes, where bit 4 is not set;
//! 4. sites, where bit 3 is not set: the difference to the one before, `zigzag`;
//! 5. stamps. Exact: the difference to the event before (to the chunk's first stamp, for the first). Otherwise
//!    anchors, each a number of events that follow the anchor before and the time passed since: the events up to the
//!    next anchor have the anchor's stamp. The first anchor is the chunk's first stamp.
//!
//! Stamps are exact where the events of several threads must be merged. Where only one thread had ever made an event
//! when the chunk was complete, their order is all that matters, and anchors some 0.8 ms apart say when.

use super::varint::{push, take, unzigzag, zigzag};
use crate::event::{Event, TimedEvent};
use crate::ids::{Address, SiteId, Stamp};

const ALLOCATION: u8 = 1;
const FREE: u8 = 2;
const RESIZE: u8 = 3;
const MAP: u8 = 4;
const UNMAP: u8 = 5;
const KIND: u8 = 7;
const SAME_SITE: u8 = 8;
const SAME_SIZE: u8 = 16;
const EXACT: u8 = 1;
const COLUMNS: usize = 5;

/// The time between two anchors, in stamp units.
const ANCHOR_DISTANCE: u64 = 1 << 16;

/// How precisely a chunk's events are dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampPrecision {
    /// Each event has its own stamp.
    Exact,
    /// Events share the stamps of anchors.
    Anchored,
}

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

/// The last size of each site in the chunk that is being decoded.
#[derive(Default)]
struct LastSizes {
    /// Size, and the chunk in which it was seen.
    sizes: Vec<(u64, u32)>,
    chunk: u32,
}

impl LastSizes {
    fn start_chunk(&mut self) {
        self.chunk = self.chunk.wrapping_add(1);
        if self.chunk == 0 {
            self.sizes.clear();
            self.chunk = 1;
        }
    }

    #[inline]
    fn set(&mut self, site: SiteId, size: u64) {
        let index = site.index();
        if index >= self.sizes.len() {
            self.sizes.resize((index + 1).next_power_of_two(), (0, 0));
        }
        self.sizes[index] = (size, self.chunk);
    }

    #[inline]
    fn get(&self, site: SiteId) -> Option<u64> {
        self.sizes.get(site.index()).filter(|(_, chunk)| *chunk == self.chunk).map(|&(size, _)| size)
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

/// The columns contradict themselves or the chunk's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedColumns;

/// Reads chunks back. Keeps its memory from one chunk to the next.
#[derive(Default)]
pub struct ColumnDecoder {
    last_sizes: LastSizes,
}

impl ColumnDecoder {
    /// Appends the events of `payload` to `out`. `first` is the chunk's first stamp, `rows` its number of events, and
    /// `sites` the number of sites that the capture knows.
    ///
    /// # Errors
    /// When the payload is malformed. Some of its events may have been appended.
    pub fn decode(
        &mut self,
        payload: &[u8],
        first: Stamp,
        rows: u32,
        sites: usize,
        out: &mut Vec<TimedEvent>,
    ) -> Result<(), MalformedColumns> {
        self.decode_columns(payload, first, rows, sites, out).ok_or(MalformedColumns)
    }

    fn decode_columns(
        &mut self,
        payload: &[u8],
        first: Stamp,
        rows: u32,
        sites: usize,
        out: &mut Vec<TimedEvent>,
    ) -> Option<()> {
        let (&flags, mut rest) = payload.split_first()?;
        let mut lengths = [0; COLUMNS];
        for length in &mut lengths {
            *length = usize::try_from(take(&mut rest)?).ok()?;
        }
        let mut columns: [&[u8]; COLUMNS] = [&[]; COLUMNS];
        for (column, length) in columns.iter_mut().zip(lengths) {
            (*column, rest) = rest.split_at_checked(length)?;
        }
        let [operations, mut addresses, mut sizes, mut site_column, mut stamps] = columns;
        if operations.len() != rows as usize || flags & !EXACT != 0 {
            return None;
        }
        self.last_sizes.start_chunk();
        let exact = flags & EXACT != 0;
        let (mut stamp, mut address, mut site) = (first.0, 0_u64, SiteId(0));
        let mut until_anchor = take_anchor(exact, &mut stamps);
        out.reserve(operations.len());
        for &operation in operations {
            if exact {
                stamp = stamp.checked_add(take(&mut stamps)?)?;
            } else if let Some((events, passed)) = until_anchor {
                if events == 0 {
                    stamp = stamp.checked_add(passed)?;
                    until_anchor = take_anchor(exact, &mut stamps);
                }
                until_anchor = until_anchor.map(|(events, passed)| (events.wrapping_sub(1), passed));
            }
            let coded = take(&mut addresses)?;
            let half = unzigzag(coded >> 1);
            let difference = if coded & 1 == 0 { half << 4 } else { half };
            address = address.wrapping_add_signed(difference);
            let at = Address(address);
            let kind = operation & KIND;
            let event = match kind {
                FREE => Event::Free { address: at },
                UNMAP => Event::Unmap { address: at, size: take(&mut sizes)? },
                ALLOCATION | RESIZE | MAP => {
                    if operation & SAME_SITE == 0 {
                        let next = i64::from(site.0).checked_add(unzigzag(take(&mut site_column)?))?;
                        site = SiteId(u32::try_from(next).ok()?);
                    }
                    if site.index() >= sites {
                        return None;
                    }
                    let size = if operation & SAME_SIZE == 0 {
                        let size = take(&mut sizes)?;
                        self.last_sizes.set(site, size);
                        size
                    } else {
                        self.last_sizes.get(site)?
                    };
                    match kind {
                        ALLOCATION => Event::Allocation { address: at, size, site },
                        RESIZE => Event::Resize { address: at, size, site },
                        _ => Event::Map { address: at, size, site },
                    }
                }
                _ => return None,
            };
            out.push(TimedEvent { stamp: Stamp(stamp), event });
        }
        Some(())
    }
}

fn take_anchor(exact: bool, stamps: &mut &[u8]) -> Option<(u64, u64)> {
    if exact { None } else { Some((take(stamps)?, take(stamps)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SITES: u32 = 50;

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![0..1_u64 << 57, (0..1000_u64).prop_map(|block| 0x7f00_0000_0000 + block * 16)].prop_map(Address)
    }

    fn event() -> impl Strategy<Value = Event> {
        let size = prop_oneof![Just(600_u64), any::<u64>()];
        (0..5, address(), size, (0..SITES).prop_map(SiteId)).prop_map(|(kind, address, size, site)| match kind {
            0 => Event::Allocation { address, size, site },
            1 => Event::Free { address },
            2 => Event::Resize { address, size, site },
            3 => Event::Map { address, size, site },
            _ => Event::Unmap { address, size },
        })
    }

    fn events() -> impl Strategy<Value = Vec<TimedEvent>> {
        let gap = prop_oneof![0..300_u64, 0..1_u64 << 30];
        proptest::collection::vec((gap, event()), 1..200).prop_map(|steps| {
            let mut now = 1 << 40;
            steps
                .into_iter()
                .map(|(gap, event)| {
                    now += gap;
                    TimedEvent { stamp: Stamp(now), event }
                })
                .collect()
        })
    }

    fn round_trip(chunks: &[Vec<TimedEvent>], precision: StampPrecision) -> Vec<Vec<TimedEvent>> {
        let (mut encoder, mut decoder) = (ColumnEncoder::default(), ColumnDecoder::default());
        let mut sizes = RecentSizes::default();
        let mut back = Vec::new();
        for chunk in chunks {
            encoder.set_precision(precision);
            for event in chunk {
                encoder.push(event.stamp, event.event, &mut sizes);
            }
            let (first, rows) = (encoder.first(), encoder.len() as u32);
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            encoder.finish(&mut payload);
            decoder.decode(&payload, first, rows, SITES as usize, &mut out).expect("what was encoded can be decoded");
            back.push(out);
        }
        back
    }

    proptest! {
        #[test]
        fn exact_events_are_read_back(chunks in proptest::collection::vec(events(), 1..4)) {
            prop_assert_eq!(round_trip(&chunks, StampPrecision::Exact), chunks);
        }

        #[test]
        fn anchored_events_are_read_back_in_order_and_dated_within_a_millisecond(
            chunks in proptest::collection::vec(events(), 1..4)
        ) {
            let back = round_trip(&chunks, StampPrecision::Anchored);
            for (chunk, back) in chunks.iter().zip(&back) {
                prop_assert_eq!(chunk.len(), back.len());
                for (event, read) in chunk.iter().zip(back) {
                    prop_assert_eq!(event.event, read.event);
                    prop_assert!(read.stamp <= event.stamp);
                    prop_assert!(event.stamp.0 - read.stamp.0 < ANCHOR_DISTANCE);
                }
            }
        }

        #[test]
        fn any_payload_is_decoded_or_refused(payload: Vec<u8>, rows in 0..100_u32) {
            let mut out = Vec::new();
            let _ = ColumnDecoder::default().decode(&payload, Stamp(0), rows, SITES as usize, &mut out);
            prop_assert!(out.len() <= rows as usize);
        }

        #[test]
        fn a_damaged_payload_is_decoded_or_refused(events in events(), at: prop::sample::Index, bit in 0..8_u8) {
            let (mut encoder, mut sizes) = (ColumnEncoder::default(), RecentSizes::default());
            for event in &events {
                encoder.push(event.stamp, event.event, &mut sizes);
            }
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            encoder.finish(&mut payload);
            let at = at.index(payload.len());
            payload[at] ^= 1_u8 << bit;
            let rows = events.len() as u32;
            let _ = ColumnDecoder::default().decode(&payload, events[0].stamp, rows, SITES as usize, &mut out);
            prop_assert!(out.len() <= rows as usize);
        }
    }
}
