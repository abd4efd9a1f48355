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
    /// The same, by `mremap`: the next event of the thread is the [`MapMoved`](Self::MapMoved) of what was there.
    Move {
        /// Its first byte.
        address: Address,
        /// Its length; 0 where it stays mapped there, too.
        size: u64,
    },
    /// [`Map`](Self::Map), of what was mapped elsewhere before.
    MapMoved {
        /// Its first byte.
        address: Address,
        /// The length that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// Who may touch a range has changed. Where the site's allocator is [`MmapReserved`](crate::allocator::Allocator::MmapReserved)
    /// nobody may any more, else somebody may.
    Protect {
        /// Its first byte.
        address: Address,
        /// The length that was given; the range itself ends at the next boundary of a page.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
}

/// The number of a heap allocation of a process image, from 0, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct AllocationNumber(pub u64);

/// What an event did, in terms of allocations instead of addresses: what the capture file keeps. Only mappings, which
/// are given back in parts, keep their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedEvent {
    /// A heap block was handed out.
    Allocation {
        /// Its number: one more than that of the last [`Allocation`](Self::Allocation) or [`Resize`](Self::Resize).
        number: AllocationNumber,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// A heap block was given back.
    Free {
        /// Which one.
        number: AllocationNumber,
    },
    /// `realloc` changed a block's size and left it where it was: in one step, the old one is gone and there is a new one.
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
    /// A block was given back that was not known to be live: handed out before the recording, or by a process of which
    /// this one began as a copy.
    UnknownFree {
        /// Its first byte.
        address: Address,
    },
    /// A block must have been given back unseen: the allocation that follows has its address.
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

impl Event {
    /// Who asked, for what somebody asks for.
    pub const fn site_mut(&mut self) -> Option<&mut SiteId> {
        match self {
            Self::Allocation { site, .. }
            | Self::Resize { site, .. }
            | Self::Map { site, .. }
            | Self::MapMoved { site, .. }
            | Self::Protect { site, .. } => Some(site),
            Self::Free { .. } | Self::Unmap { .. } | Self::Move { .. } => None,
        }
    }

    /// Whether it gives memory to the program. At one stamp such events come after those that take it back, for a block
    /// is given back before it is handed out again.
    #[must_use]
    pub const fn hands_out(&self) -> bool {
        !matches!(self, Self::Free { .. } | Self::Unmap { .. } | Self::Move { .. })
    }
}
