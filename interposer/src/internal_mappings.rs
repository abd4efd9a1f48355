//! What an allocator maps for itself, within a call that is recorded: pages to make blocks of, or its own tables.
//!
//! Such a mapping is not recorded: the blocks are. But any thread may unmap it outside of such a call, when it ends,
//! say. To whoever reads the capture that would be a release of memory that nobody has seen. So these mappings are
//! remembered, and their end is not recorded either.

use core::ops::Range;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use crate::address_ranges::AddressRanges;
use crate::lock::{AnyLock, Lock, Recording};

static RANGES: Lock<AddressRanges> = Lock::new(AddressRanges::new(), AddressRanges::new);
/// Whether there has been one. Most programs have none, and take no lock.
static ANY: AtomicBool = AtomicBool::new(false);
/// No kernel has smaller pages.
const PAGE: usize = 4096;

/// The lock of this file.
pub fn lock() -> &'static dyn AnyLock {
    &RANGES
}

/// The kernel maps and unmaps whole pages.
fn pages(start: usize, length: usize) -> Range<usize> {
    let bytes = length.checked_next_multiple_of(PAGE).unwrap_or(usize::MAX);
    start..start.saturating_add(bytes)
}

/// An allocator has mapped a range for itself. Where that cannot be remembered, its end is recorded.
pub fn insert(start: usize, length: usize, recording: &mut Recording) {
    if let Ok(mut ranges) = RANGES.lock(recording)
        && ranges.insert(pages(start, length)).is_ok()
    {
        ANY.store(true, Relaxed);
    }
}

/// A range is about to be unmapped, so that others may map it, or has been mapped by the program. Whether all of it was
/// an allocator's own.
pub fn remove(start: usize, length: usize, recording: &mut Recording) -> bool {
    let pages = pages(start, length);
    let bytes = pages.len();
    let internal = RANGES.lock(recording).map_or(0, |mut ranges| ranges.remove(pages));
    internal > 0 && internal == bytes
}

/// Whether there may be one.
#[inline]
pub fn are_any() -> bool {
    ANY.load(Relaxed)
}
