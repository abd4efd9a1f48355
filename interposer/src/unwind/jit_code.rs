//! Unwinding information for code that the program makes while it runs, as LLVM's just-in-time compiler does: it passes an
//! `.eh_frame` section to `__register_frame`, which is hooked.

use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire};

use crate::memory::MappedVec;
use crate::spin_lock::SpinLock;

/// Where the sections begin.
static SECTIONS: SpinLock<MappedVec<usize>> = SpinLock::new(MappedVec::new());

/// What the calling thread was doing here will never go on.
pub fn give_up() {
    SECTIONS.give_back();
}
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Keeps all others from changing them, around a fork.
pub fn hold() {
    SECTIONS.hold();
}

/// See [`hold`].
pub fn release() {
    SECTIONS.release();
}

/// A section was registered.
pub fn add(section: usize) {
    let mut sections = SECTIONS.lock();
    // Without memory for it, frames of that code end their stacks.
    if sections.push(section).is_ok() {
        COUNT.fetch_add(1, AcqRel);
    }
}

/// A section is about to be taken back. False if it was not known.
pub fn remove(section: usize) -> bool {
    let mut sections = SECTIONS.lock();
    let Some(at) = sections.iter().position(|&known| known == section) else { return false };
    let last = sections.len() - 1;
    sections.swap(at, last);
    sections.truncate(last);
    COUNT.fetch_sub(1, AcqRel);
    true
}

/// Calls `look` with each section until it finds something.
pub fn find<R>(mut look: impl FnMut(&'static [u8]) -> Option<R>) -> Option<R> {
    if COUNT.load(Acquire) == 0 {
        return None;
    }
    let sections = SECTIONS.lock();
    // The latest first: code that replaces other code comes later.
    sections.iter().rev().find_map(|&section| {
        // SAFETY: the section stays in place until it is taken back, which waits for the lock.
        look(unsafe { whole_section(section) })
    })
}

/// The section's entries with their end, a length of zero (LSB, "The .eh_frame section").
///
/// # Safety
/// `start` is that of an `.eh_frame` section.
unsafe fn whole_section(start: usize) -> &'static [u8] {
    const LONG: u32 = u32::MAX;
    let mut end = start;
    // SAFETY: entries follow each other, each with its length in front.
    unsafe {
        loop {
            let length = (end as *const u32).read_unaligned();
            end += match length {
                0 => break,
                LONG => 12 + ((end + 4) as *const u64).read_unaligned() as usize,
                short => 4 + short as usize,
            };
        }
        core::slice::from_raw_parts(start as *const u8, end + 4 - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_until_they_are_removed() {
        let section: [u32; 6] = [8, 1, 2, 4, 3, 0];
        let address = section.as_ptr() as usize;
        assert_eq!(find(|bytes| Some(bytes.len())), None);
        add(address);
        assert_eq!(find(|bytes| Some(bytes.len())), Some(24));
        assert!(remove(address) && !remove(address));
        assert_eq!(find(|bytes| Some(bytes.len())), None);
    }
}
