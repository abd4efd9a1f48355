//! Unwinding information for code that the program makes while it runs, as LLVM's just-in-time compiler does: it passes
//! an `.eh_frame` section to `__register_frame`, which is hooked.
//!
//! That happens in the middle of the program, where a signal handler may interrupt and be recorded, and look for a
//! section itself. So there is no lock: the list is an append-only one of atomic words. Whoever reads a section holds
//! the lock of [`call_frame_information`](super::call_frame_information); so a section that was taken out is nobody's
//! any more when that lock's present holder has released it.
//!
//! A section in which an address was found says so, since what was read from it must be dropped with it. Most never do:
//! programs make a thousand functions, and few of them are seen on a stack.

use core::ptr;
use core::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};

use crate::platform::memory::{map, unmap};

const PAGE: usize = 4096;
/// Sections in a block of one page.
const SECTIONS: usize = (PAGE - 2 * size_of::<usize>()) / size_of::<usize>();

/// Some sections. Blocks are never unmapped.
#[repr(C)]
struct Block {
    /// The block before it; null for the first one.
    older: *const Self,
    /// How many places have been taken, and, in the upper half, how many of them are not free again. When none is, all
    /// may be taken once more.
    taken: AtomicU64,
    /// Where each begins, in the order in which they came, with [`USED`] and [`GONE`]; 0 in a place that is free.
    sections: [AtomicUsize; SECTIONS],
}

/// An address was found in the section. (No address of a program has these bits.)
const USED: usize = 1 << 63;
/// The program is taking the section away: nobody begins to read it.
const GONE: usize = 1 << 62;

// SAFETY: what changes is atomic, and the block before it lives for ever.
unsafe impl Sync for Block {}

const _: () = assert!(size_of::<Block>() == PAGE);
const LIVING: u64 = 1 << 32;

static NEWEST: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());

/// All blocks, the newest first.
fn blocks() -> impl Iterator<Item = &'static Block> {
    let mut next = NEWEST.load(Acquire).cast_const();
    core::iter::from_fn(move || {
        // SAFETY: a block is complete before its address is stored, and stays.
        let block = unsafe { next.as_ref() }?;
        next = block.older;
        Some(block)
    })
}

impl Block {
    /// Takes the next place, if there is one.
    fn take(&self) -> Option<&AtomicUsize> {
        let place = |taken: u64| (taken % LIVING) as usize;
        let more = |taken: u64| (place(taken) < SECTIONS).then_some(taken + LIVING + 1);
        let before = self.taken.fetch_update(AcqRel, Acquire, more).ok()?;
        Some(&self.sections[place(before)])
    }

    /// A place has become free.
    fn release(&self) {
        let less = |taken: u64| Some(if taken / LIVING == 1 { 0 } else { taken - LIVING });
        // The closure always has an answer.
        let _ = self.taken.fetch_update(AcqRel, Acquire, less);
    }
}

/// A section was registered.
pub fn add(section: usize) {
    loop {
        let newest = NEWEST.load(Acquire);
        // SAFETY: as in `blocks`.
        if let Some(place) = unsafe { newest.as_ref() }.and_then(Block::take) {
            place.store(section, SeqCst);
            return;
        }
        // Without memory for it, frames of that code end their stacks.
        let Some(page) = map(PAGE) else { return };
        let fresh = page.cast::<Block>().as_ptr();
        // SAFETY: the page is as large, aligned, zeroed, which is a block without sections, and nobody else's yet.
        unsafe { (*fresh).older = newest };
        if NEWEST.compare_exchange(newest, fresh, AcqRel, Acquire).is_err() {
            // SAFETY: nobody has seen it.
            unsafe { unmap(page, PAGE) };
        }
    }
}

/// What became of a section that the program takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was not known.
    Unknown,
    /// Nothing was ever found in it.
    Unused,
    /// Something was: what was read from it must be dropped.
    Used,
}

/// Takes a section out that the program is about to take away. `wait_for_readers` returns when nobody reads it any
/// more.
pub fn remove(section: usize, wait_for_readers: impl FnOnce()) -> Removed {
    let take = |place: &AtomicUsize| {
        let is_it = |found: usize| (found & !USED == section).then_some(found | GONE);
        place.fetch_update(SeqCst, Acquire, is_it).is_ok()
    };
    let found = blocks().find_map(|block| block.sections.iter().find(|place| take(place)).map(|place| (block, place)));
    let Some((block, place)) = found else { return Removed::Unknown };
    wait_for_readers();
    let was_used = place.swap(0, SeqCst) & USED != 0;
    block.release();
    if was_used { Removed::Used } else { Removed::Unused }
}

/// Calls `try_section` with each section until it finds something. The latest comes first, since code that replaces
/// other code is registered later.
///
/// # Safety
/// The caller holds the lock that those wait for who take sections out.
pub unsafe fn find<R>(mut try_section: impl FnMut(&'static [u8]) -> Option<R>) -> Option<R> {
    blocks().flat_map(|block| block.sections.iter().rev()).find_map(|place| {
        let found = place.load(SeqCst);
        let section = found & !USED;
        if section == 0 || section & GONE != 0 {
            return None;
        }
        // SAFETY: the program leaves a section where it is until it has been taken out, which waits for the caller.
        let answer = try_section(unsafe { whole_section(section) });
        if answer.is_some() && found & USED == 0 {
            place.fetch_or(USED, SeqCst);
        }
        answer
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

    fn lengths() -> Vec<usize> {
        let mut lengths = Vec::new();
        // SAFETY: the one test here takes sections out only in its own thread.
        unsafe {
            find(|bytes| {
                lengths.push(bytes.len());
                None::<()>
            })
        };
        lengths
    }

    #[test]
    fn sections_are_found_until_they_are_taken_out_the_latest_first() {
        let section: [u32; 6] = [8, 1, 2, 4, 3, 0];
        let other: [u32; 3] = [4, 1, 0];
        let (address, other) = (section.as_ptr() as usize, other.as_ptr() as usize);
        assert!(lengths().is_empty());
        add(address);
        add(other);
        assert_eq!(lengths(), [12, 24]);
        assert_eq!((remove(address, || ()), remove(address, || ())), (Removed::Unused, Removed::Unknown));
        assert_eq!(lengths(), [12]);
        // More than a block holds, over and over.
        for _ in 0..5 * SECTIONS {
            add(address);
            assert_eq!(lengths(), [24, 12]);
            assert_eq!(remove(address, || ()), Removed::Unused);
        }
        assert!(blocks().count() <= 2);
        for _ in 0..3 * SECTIONS {
            add(address);
        }
        assert_eq!(lengths().len(), 3 * SECTIONS + 1);
        for _ in 0..3 * SECTIONS {
            assert_eq!(remove(address, || ()), Removed::Unused);
        }
        assert_eq!(remove(other, || ()), Removed::Unused);
        assert!(lengths().is_empty());
        // A section in which something was found says so, even if that was while it was being taken out; only its own
        // place does.
        let use_section = |wanted: usize| {
            // SAFETY: as above.
            let answer = unsafe { find(|bytes| (bytes.as_ptr().addr() == wanted).then_some(())) };
            assert_eq!(answer, Some(()));
        };
        add(address);
        add(other);
        use_section(address);
        assert_eq!((remove(other, || ()), remove(address, || ())), (Removed::Unused, Removed::Used));
        add(address);
        assert_eq!(remove(address, || assert!(lengths().is_empty())), Removed::Unused);
    }

    #[test]
    fn places_are_taken_once_by_several_threads() {
        let block: Box<Block> = Box::new(Block {
            older: ptr::null(),
            taken: AtomicU64::new(0),
            sections: [const { AtomicUsize::new(0) }; SECTIONS],
        });
        let take =
            || (0..1000).filter_map(|_| block.take()).map(|place| ptr::from_ref(place).addr()).collect::<Vec<_>>();
        let mut places = std::thread::scope(|scope| {
            let threads = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), SECTIONS);
        (0..SECTIONS).for_each(|_| block.release());
        assert!(block.take().is_some());
    }
}
