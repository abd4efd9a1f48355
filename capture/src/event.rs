//! Events in terms of allocations, as a capture keeps them, and their moments.

use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};

/// The number of a heap allocation of a process image, from 0, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct AllocationNumber(pub u64);

/// What an event did, in terms of allocations instead of addresses: what the capture file keeps. Only mappings, which
/// are unmapped in parts, keep their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedEvent {
    /// A heap block was allocated.
    Allocation {
        /// Its number: one more than that of the last [`Allocation`](Self::Allocation) or [`Resize`](Self::Resize).
        number: AllocationNumber,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// A heap block was deallocated.
    Free {
        /// Which one.
        number: AllocationNumber,
    },
    /// `realloc` changed a block's size and left it where it was: in one step, the old one is gone and there is a new
    /// one.
    Resize {
        /// The old one.
        old: AllocationNumber,
        /// The new one's number, as of an allocation.
        number: AllocationNumber,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// See [`Event::Map`].
    Map {
        /// Its first byte.
        address: Address,
        /// The length that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// See [`Event::Unmap`].
    Unmap {
        /// Its first byte.
        address: Address,
        /// The length that was given.
        size: u64,
    },
    /// A block was deallocated that was not known to be live: allocated before the recording, or by a process of which
    /// this one began as a copy.
    UnknownFree {
        /// Its first byte.
        address: Address,
    },
    /// A block must have been deallocated unseen: the allocation that follows has its address.
    UnseenFree {
        /// Which one.
        number: AllocationNumber,
    },
}

/// An event, or a resolved one, and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed<E> {
    /// When it happened.
    pub stamp: Stamp,
    /// What happened.
    pub event: E,
}

/// An event at an address, and its moment.
pub type TimedEvent = Timed<Event>;
