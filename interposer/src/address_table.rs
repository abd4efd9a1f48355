//! From the addresses of things that are freed to numbers.
//!
//! A thing can be freed, and another one can be made at its address. So whoever frees one removes it here first.
//! Reading and removing take no lock: they happen in the middle of the program, where a signal handler may interrupt
//! and be recorded. Only what is new is inserted under a lock.

use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, fence};

use crate::lock::{AnyLock, Busy, Lock, Recording};
use crate::memory::OutOfMemory;
use crate::platform::memory::map;

/// A place that nobody has taken: nothing is at address 0.
const EMPTY: usize = 0;
/// The number of a thing that has been removed. Its address stays in its place, where a search goes past it, until
/// another thing is inserted at this address or the table grows.
const REMOVED: u32 = u32::MAX;
/// This bit of a number says that whoever inserts it has not found yet that the thing is alive. Numbers are below it.
const DOUBTED: u32 = 1 << 31;

#[repr(C)]
struct Place {
    address: AtomicUsize,
    number: AtomicU32,
    unused: u32,
}

/// Places of one size of the table, in pages of their own that are never unmapped: a reader may still be there.
/// All generations together are no larger than the present one.
#[repr(C)]
struct Generation {
    places: usize,
    first: Place,
}

/// The table.
pub struct AddressTable {
    generation: AtomicPtr<Generation>,
    /// The next one, while what is alive is copied into it, which takes the lock; nobody reads there yet.
    next: AtomicPtr<Generation>,
    /// How many places of the present generation are taken, by what is alive and by what was removed.
    taken: Lock<usize>,
    first_places: usize,
}

/// Why something could not be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInserted {
    /// The kernel gives no more memory.
    OutOfMemory,
    /// The lock cannot be had.
    Busy,
}

impl From<OutOfMemory> for NotInserted {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<Busy> for NotInserted {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl AddressTable {
    /// A table without memory. It takes `first_places` places, a power of two, when something is inserted.
    pub const fn new(first_places: usize) -> Self {
        assert!(first_places.is_power_of_two(), "places are found by the lower bits of a hash");
        let (generation, next) = (AtomicPtr::new(core::ptr::null_mut()), AtomicPtr::new(core::ptr::null_mut()));
        Self { generation, next, taken: Lock::new(0, || 0), first_places }
    }

    /// The lock under which something is inserted.
    pub const fn lock(&self) -> &dyn AnyLock {
        &self.taken
    }

    /// Drops everything, in a forked child.
    ///
    /// # Safety
    /// The process has one thread, and that uses neither this table nor its lock.
    pub unsafe fn renew(&self) {
        self.generation.store(core::ptr::null_mut(), SeqCst);
        self.next.store(core::ptr::null_mut(), SeqCst);
        // SAFETY: the caller says so. The first insertion finds no places, and counts from zero.
        unsafe { self.taken.renew() };
    }

    /// The number of the thing at `address`.
    #[inline]
    pub fn get(&self, address: usize) -> Option<u32> {
        let generation = self.generation.load(Acquire);
        // SAFETY: it was stored here.
        let place = find(unsafe { places_of(generation) }, address)?;
        Some(place.number.load(Acquire)).filter(|&number| number & DOUBTED == 0)
    }

    /// Inserts the thing at `address`, if it is alive, unless somebody else was quicker. Returns its number; nothing if
    /// it is not alive. `is_alive` is called when its place has been taken already: whoever frees it after the answer
    /// finds it there.
    #[cold]
    pub fn insert(
        &self,
        address: usize,
        number: u32,
        recording: &mut Recording,
        is_alive: impl FnOnce() -> bool,
    ) -> Result<Option<u32>, NotInserted> {
        let mut taken = self.taken.lock(recording)?;
        let places = self.room_for_one(&mut taken)?;
        let place = match find(places, address) {
            Some(place) => {
                let known = place.number.load(Acquire);
                if known & DOUBTED == 0 {
                    return Ok(Some(known));
                }
                // It has been removed, or was left in doubt by who held the lock before.
                place.number.store(number | DOUBTED, SeqCst);
                place
            }
            None => {
                *taken += 1;
                put(places, address, number | DOUBTED)
            }
        };
        // Not while the table grows, which takes the same lock: there is no copy of this place.
        fence(SeqCst);
        let settled = if is_alive() { number } else { REMOVED };
        let doubted = place.number.compare_exchange(number | DOUBTED, settled, SeqCst, SeqCst);
        Ok(Some(number).filter(|_| settled == number && doubted.is_ok()))
    }

    /// Removes the thing at `address`, which is about to be freed. Returns its number, if it had one.
    #[inline]
    pub fn remove(&self, address: usize) -> Option<u32> {
        let generation = self.generation.load(SeqCst);
        // SAFETY: it was stored here.
        find(unsafe { places_of(generation) }, address)?;
        self.remove_known(address)
    }

    #[cold]
    fn remove_known(&self, address: usize) -> Option<u32> {
        let mut removed = None;
        let mut remove_in = |generation: *const Generation| {
            // SAFETY: it was stored here.
            if let Some(place) = find(unsafe { places_of(generation) }, address) {
                let number = place.number.swap(REMOVED, SeqCst);
                removed = removed.or(Some(number).filter(|&number| number & DOUBTED == 0));
            }
        };
        loop {
            let generation = self.generation.load(SeqCst);
            remove_in(generation);
            // Either the copy is found here, or who copies sees that the thing has been removed.
            fence(SeqCst);
            remove_in(self.next.load(SeqCst));
            // If the table has grown meanwhile, the thing may have been copied alive before.
            if self.generation.load(SeqCst) == generation {
                return removed;
            }
        }
    }

    /// Makes sure that half of the places are empty, so that every search ends soon.
    fn room_for_one(&self, taken: &mut usize) -> Result<&'static [Place], OutOfMemory> {
        // SAFETY: it was stored here.
        let old = unsafe { places_of(self.generation.load(Acquire)) };
        if !old.is_empty() && (*taken + 1) * 2 <= old.len() {
            return Ok(old);
        }
        let living = |place: &&Place| place.address.load(Acquire) != EMPTY && place.number.load(Acquire) != REMOVED;
        // Where most things have been removed, the same size will do again.
        let wanted = (old.iter().filter(living).count() * 4).next_power_of_two().max(self.first_places);
        let bytes = size_of::<Generation>() + wanted * size_of::<Place>();
        let fresh = map(bytes).ok_or(OutOfMemory)?.cast::<Generation>().as_ptr();
        // SAFETY: the mapping is large enough, zeroed, which is empty places, and nobody else's yet.
        let places = unsafe {
            (*fresh).places = wanted;
            places_of(fresh)
        };
        *taken = 0;
        self.next.store(fresh, SeqCst);
        for place in old.iter().filter(living) {
            let copy = put(places, place.address.load(Relaxed), place.number.load(Relaxed));
            // It may have been removed before others could find the copy, which must not be seen alive.
            fence(SeqCst);
            if place.number.load(SeqCst) == REMOVED {
                copy.number.store(REMOVED, SeqCst);
            }
            *taken += 1;
        }
        self.generation.store(fresh, SeqCst);
        self.next.store(core::ptr::null_mut(), SeqCst);
        Ok(places)
    }
}

/// The places of a generation; none of null.
///
/// # Safety
/// The generation is one that this file has made, or null.
unsafe fn places_of(generation: *const Generation) -> &'static [Place] {
    if generation.is_null() {
        return &[];
    }
    // SAFETY: a generation starts with the number of its places, which follow it in the same mapping; it is complete
    // before its address is stored, and never unmapped.
    unsafe { core::slice::from_raw_parts(&raw const (*generation).first, (*generation).places) }
}

#[inline]
fn start(address: usize) -> usize {
    ((address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize
}

/// The place of an address.
#[inline]
fn find(places: &'static [Place], address: usize) -> Option<&'static Place> {
    let mask = places.len().checked_sub(1)?;
    let mut at = start(address) & mask;
    loop {
        match places[at].address.load(Acquire) {
            found if found == address => return Some(&places[at]),
            EMPTY => return None,
            _ => at = (at + 1) & mask,
        }
    }
}

fn put(places: &[Place], address: usize, number: u32) -> &Place {
    let mask = places.len() - 1;
    let mut at = start(address) & mask;
    while places[at].address.load(Relaxed) != EMPTY {
        at = (at + 1) & mask;
    }
    places[at].number.store(number, Relaxed);
    places[at].address.store(address, SeqCst);
    &places[at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    fn recording() -> Recording {
        // SAFETY: no signal handler of the test program allocates, and each thread has one right at a time.
        unsafe { Recording::begin() }
    }

    #[test]
    fn it_agrees_with_a_map() {
        let table = AddressTable::new(64);
        let mut model: HashMap<usize, u32> = HashMap::new();
        let mut random = 1_u64;
        for number in 0..200_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let address = 0x1000 + (random >> 33) as usize % 20_000 * 16;
            if random >> 60 < 4 {
                assert_eq!(table.remove(address), model.remove(&address));
                assert_eq!(table.get(address), None);
            } else {
                let expected = *model.entry(address).or_insert(number);
                assert_eq!(table.insert(address, number, &mut recording(), || true), Ok(Some(expected)));
            }
        }
        assert!((0..20_000).all(|at| table.get(0x1000 + at * 16) == model.get(&(0x1000 + at * 16)).copied()));
        // SAFETY: no other thread knows the table.
        unsafe { table.renew() };
        assert!((0..20_000).all(|at| table.get(0x1000 + at * 16).is_none()));
    }

    #[test]
    fn threads_agree_on_numbers() {
        let table = AddressTable::new(64);
        let insert = |offset: u32| {
            let number = |n: usize| table.insert(n * 16, n as u32 * 2 + offset, &mut recording(), || true).unwrap();
            (1..5000).map(number).collect::<Vec<_>>()
        };
        let (first, second) = std::thread::scope(|scope| {
            let threads = (scope.spawn(|| insert(0)), scope.spawn(|| insert(1)));
            (threads.0.join().unwrap(), threads.1.join().unwrap())
        });
        assert_eq!(first, second);
    }

    #[test]
    fn what_is_not_found_to_be_alive_is_not_there() {
        let table = AddressTable::new(64);
        let recording = &mut recording();
        assert_eq!(table.insert(0x1000, 1, recording, || false), Ok(None));
        assert_eq!((table.get(0x1000), table.remove(0x1000)), (None, None));
        // It is not there before it was found to be alive, and is removed right after that.
        let removed_meanwhile = || {
            assert_eq!(table.get(0x1000), None);
            assert_eq!(table.remove(0x1000), None);
            true
        };
        assert_eq!(table.insert(0x1000, 2, recording, removed_meanwhile), Ok(None));
        assert_eq!(table.get(0x1000), None);
        assert_eq!(table.insert(0x1000, 3, recording, || true), Ok(Some(3)));
        assert_eq!(table.insert(0x1000, 4, recording, || panic!("it is there")), Ok(Some(3)));
        assert_eq!(table.remove(0x1000), Some(3));
    }

    /// One thread removes things whose neighbours make the table grow meanwhile.
    #[test]
    fn nothing_that_was_removed_comes_back_when_the_table_grows() {
        for round in 0..200 {
            let table = AddressTable::new(64);
            let (together, done) = (Barrier::new(2), AtomicBool::new(false));
            let address = |n: usize| 0x10_0000 + n * 16;
            for n in 0..20 {
                table.insert(address(n), n as u32, &mut recording(), || true).unwrap();
            }
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    together.wait();
                    for n in 1000..1000 + 50 * (round % 20 + 1) {
                        table.insert(address(n), n as u32, &mut recording(), || true).unwrap();
                    }
                    done.store(true, SeqCst);
                });
                together.wait();
                for n in 0..20 {
                    assert_eq!(table.remove(address(n)), Some(n as u32));
                    assert!((0..=n).all(|n| table.get(address(n)).is_none()));
                }
                while !done.load(SeqCst) {
                    assert!((0..20).all(|n| table.get(address(n)).is_none()));
                }
            });
            assert!((0..20).all(|n| table.get(address(n)).is_none()));
        }
    }
}
