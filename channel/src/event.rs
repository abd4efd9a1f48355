//! What happened to the program's memory, one event at a time, as the program's side sees it: at addresses.

use crate::ids::{Address, SiteId};

/// One call that changed what the program holds.
///
/// The stamp of a deallocation is taken before the call, that of an allocation after it. So when the events of all
/// threads are merged by stamp, no address is allocated twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A heap block was allocated.
    Allocation {
        /// Its first byte.
        address: Address,
        /// The bytes that the program asked for.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
    /// A heap block was deallocated (`free`, or the old block of a `realloc` that moved).
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
    /// Who may touch a range has changed. Where the site's allocator is
    /// [`MmapReserved`](crate::allocator::Allocator::MmapReserved) nobody may any more, else somebody may.
    Protect {
        /// Its first byte.
        address: Address,
        /// The length that was given; the range itself ends at the next boundary of a page.
        size: u64,
        /// Who asked.
        site: SiteId,
    },
}

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

    /// Whether it gives memory to the program. At one stamp, such events come after those that take memory away: a
    /// block is deallocated before it is allocated again.
    #[must_use]
    pub const fn allocates(&self) -> bool {
        !matches!(self, Self::Free { .. } | Self::Unmap { .. } | Self::Move { .. })
    }
}
