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

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub use decoder::{ColumnDecoder, MalformedColumns};
pub use encoder::{ColumnEncoder, RecentSizes};

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
