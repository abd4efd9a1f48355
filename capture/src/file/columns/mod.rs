//! The events of one chunk, as columns: what is alike is stored together, which compresses better than whole records
//! do.
//!
//! A chunk holds events of all threads of a process image, in order. Heap blocks have numbers: see
//! [`resolution`](crate::resolution). A payload is the number of the chunk's first allocation, the lengths of the eight
//! columns (numbers as in [`varint`](super::varint)), and the columns:
//!
//! 1. operations, a byte an event: the kind in bits 0 to 2 (1 allocation, 2 free, 3 resize, 4 map, 5 unmap, 6 unknown
//!    free, 7 unseen free). In 1, 3 and 4, bit 3 says that the site is the one of the event before that had one, bit 4
//!    that the size is the last one of the same site. In 2, bits 3 to 7 say which block it is: 0, see column 5; 1, the
//!    one after the block named last; 2, see column 4; n from 3 to 31, the one n - 3 before the youngest;
//! 2. sizes, where bit 4 is not set, and those of unmapped ranges;
//! 3. sites, where bit 3 is not set: the difference to the one before, `zigzag`;
//! 4. distances: how many allocations a freed block is older than the youngest;
//! 5. steps: the difference of a freed, resized or unseen block's number to that of the block named last, `zigzag`;
//! 6. addresses of mapped and unmapped ranges and unknown blocks: the difference to the one before, `zigzag`;
//! 7. turns: the threads by whom the events are. The difference to the thread before, `zigzag`, and a number of events;
//! 8. anchors: a number of events that follow the anchor before, and the time passed since. The events up to the next
//!    anchor have the anchor's stamp. The first anchor is the chunk's first stamp.
//!
//! At the start of a chunk, the site before is 0, the block named last the chunk's first allocation, and address and
//! thread are 0: each chunk can be read on its own.

mod decoder;
mod encoder;
mod sizes;
#[cfg(test)]
mod tests;

pub use decoder::{ColumnDecoder, EventBatch, Limits, MalformedColumns, Turn};
pub use encoder::ColumnEncoder;
pub(in crate::file) use sizes::LastSizes;
pub use sizes::RecentSizes;

pub(in crate::file) const ALLOCATION: u8 = 1;
pub(in crate::file) const FREE: u8 = 2;
pub(in crate::file) const RESIZE: u8 = 3;
pub(in crate::file) const MAP: u8 = 4;
pub(in crate::file) const UNMAP: u8 = 5;
const UNKNOWN_FREE: u8 = 6;
const UNSEEN_FREE: u8 = 7;
pub(in crate::file) const KIND: u8 = 7;
pub(in crate::file) const SAME_SITE: u8 = 8;
pub(in crate::file) const SAME_SIZE: u8 = 16;

/// Where the way in which a freed block is named begins in its operation.
const NAMING_SHIFT: u32 = 3;
const BY_STEP: u8 = 0;
const NEXT: u8 = 1;
const BY_DISTANCE: u8 = 2;
/// Distances from here on to the largest naming are in the operation itself.
const AT_ONCE: u8 = 3;
const MOST_AT_ONCE: u64 = 31 - AT_ONCE as u64;

const COLUMNS: usize = 8;
const OPERATIONS: usize = 0;
const SIZES: usize = 1;
const SITES: usize = 2;
const DISTANCES: usize = 3;
const STEPS: usize = 4;
const ADDRESSES: usize = 5;
const TURNS: usize = 6;
const ANCHORS: usize = 7;
