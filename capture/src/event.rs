//! What happened to the program's memory, one event at a time.

use crate::ids::{Address, SiteId, Stamp};

/// One call that changed what the program holds.
///
/// A stamp taken before the call orders what gives memory back, one taken after it what hands memory out. Merged over
/// all threads by stamp, events never show an address handed out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A heap block was handed out.
    Allocation {
        /// Its first byte.
        address: Address,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// A heap block was given back (`free`, or the old block of a `realloc` that moved).
    Free {
        /// Its first byte.
        address: Address,
    },
    /// `realloc` changed a block's size and left it where it was: in one step, the old block is gone and the new one is
    /// attributed to the caller of `realloc`.
    Resize {
        /// The block's first byte, before and after.
        address: Address,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// An address range was mapped; what was mapped there before is replaced.
    Map {
        /// Its first byte.
        address: Address,
        /// The length that the program asked for; the range itself ends at the next boundary of a page.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// An address range was unmapped: parts of mappings, several, or nothing at all.
    Unmap {
        /// Its first byte.
        address: Address,
        /// The length that was given; the range itself ends at the next boundary of a page.
        size: u64,
    },
}

/// An event and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it happened.
    pub stamp: Stamp,
    /// What happened.
    pub event: Event,
}
