//! The code objects that have been described to the recorder.
//!
//! A code object can die, and another one can be born at its address. The table therefore learns of every death: the
//! interpreter's code type gets a `tp_dealloc` of ours, which forgets the address and then calls the interpreter's own.
//! (`PyCode_AddWatcher` exists from 3.12 on only, for one interpreter, and must be called by a thread with the GIL.)

use core::hint::spin_loop;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize};

use crate::memory::OutOfMemory;
use crate::platform::memory::map;

/// A code object's number, which the recorder knows it by.
pub type CodeNumber = u32;

const EMPTY: usize = 0;
/// Where an address was forgotten: no code object is at address 1.
const FORGOTTEN: usize = 1;

#[repr(C)]
struct Place {
    address: AtomicUsize,
    number: AtomicU32,
    unused: u32,
}

/// Places of one size of the table, in pages of their own that are never given back: a reader may still be there.
/// All generations together are no larger than the present one.
#[repr(C)]
struct Generation {
    places: usize,
    first: Place,
}

/// From the address of a code object to its number. Reading takes no lock; a new code object does.
pub struct CodeTable {
    generation: AtomicPtr<Generation>,
    lock: AtomicBool,
    taken: AtomicUsize,
    numbers: AtomicU32,
    deaths: AtomicU32,
}

const FIRST_PLACES: usize = 4096;

impl CodeTable {
    /// A table without memory.
    pub const fn new() -> Self {
        Self {
            generation: AtomicPtr::new(core::ptr::null_mut()),
            lock: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            numbers: AtomicU32::new(0),
            deaths: AtomicU32::new(0),
        }
    }

    fn places(&self) -> &[Place] {
        let generation = self.generation.load(Acquire);
        if generation.is_null() {
            return &[];
        }
        // SAFETY: a generation starts with the number of its places, which follow it in the same mapping; it is
        // complete before its address is stored, and never unmapped.
        unsafe { core::slice::from_raw_parts(&raw const (*generation).first, (*generation).places) }
    }

    /// How many described code objects have died: a changed number means that addresses may have a new meaning.
    #[inline]
    pub fn deaths(&self) -> u32 {
        self.deaths.load(Acquire)
    }

    fn start(address: usize) -> usize {
        ((address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize
    }

    /// The number of the code object at `address`, if it has been described.
    #[inline]
    pub fn get(&self, address: usize) -> Option<CodeNumber> {
        let places = self.places();
        let mask = places.len().checked_sub(1)?;
        let mut at = Self::start(address) & mask;
        loop {
            match places[at].address.load(Acquire) {
                found if found == address => return Some(places[at].number.load(Relaxed)),
                EMPTY => return None,
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The number of the code object at `address`, which `describe` tells the recorder if nobody has yet. The
    /// description is complete before any other thread can see the number.
    #[cold]
    pub fn get_or_describe<E: From<OutOfMemory>>(
        &self,
        address: usize,
        describe: impl FnOnce(CodeNumber) -> Result<(), E>,
    ) -> Result<CodeNumber, E> {
        let _held = Held::new(&self.lock);
        if let Some(number) = self.get(address) {
            return Ok(number);
        }
        self.make_room()?;
        let number = self.numbers.fetch_add(1, Relaxed);
        describe(number)?;
        put(self.places(), address, number);
        self.taken.fetch_add(1, Relaxed);
        Ok(number)
    }

    /// The code object at `address` dies.
    pub fn forget(&self, address: usize) {
        if self.get(address).is_none() {
            return;
        }
        let _held = Held::new(&self.lock);
        let places = self.places();
        let mask = places.len() - 1;
        let mut at = Self::start(address) & mask;
        loop {
            match places[at].address.load(Relaxed) {
                found if found == address => break,
                EMPTY => return,
                _ => at = (at + 1) & mask,
            }
        }
        places[at].address.store(FORGOTTEN, Release);
        self.deaths.fetch_add(1, AcqRel);
    }

    /// Keeps all others from describing code objects, around a fork.
    pub fn hold(&self) {
        core::mem::forget(Held::new(&self.lock));
    }

    /// See [`Self::hold`].
    pub fn release(&self) {
        self.lock.store(false, Release);
    }

    /// A forked child describes all code objects again. It has no other threads yet.
    pub fn forget_all(&self) {
        let _held = Held::new(&self.lock);
        self.generation.store(core::ptr::null_mut(), Release);
        self.taken.store(0, Relaxed);
        self.numbers.store(0, Relaxed);
        self.deaths.fetch_add(1, AcqRel);
    }

    /// Makes sure that half of the places are empty, so that every search ends soon. The caller holds the lock.
    fn make_room(&self) -> Result<(), OutOfMemory> {
        let old = self.places();
        if !old.is_empty() && (self.taken.load(Relaxed) + 1) * 2 <= old.len() {
            return Ok(());
        }
        let living = old.iter().filter(|place| place.address.load(Relaxed) > FORGOTTEN);
        // Where most places are only forgotten ones, the same size will do again.
        let wanted = (living.clone().count() * 4).next_power_of_two().max(FIRST_PLACES);
        let bytes = size_of::<Generation>() + wanted * size_of::<Place>();
        let fresh = map(bytes).ok_or(OutOfMemory)?.cast::<Generation>().as_ptr();
        // SAFETY: the mapping is large enough, zeroed (which is an empty place), and nobody else's yet.
        let places = unsafe {
            (*fresh).places = wanted;
            core::slice::from_raw_parts(&raw const (*fresh).first, wanted)
        };
        let mut taken = 0;
        for place in living {
            put(places, place.address.load(Relaxed), place.number.load(Relaxed));
            taken += 1;
        }
        self.taken.store(taken, Relaxed);
        self.generation.store(fresh, Release);
        Ok(())
    }
}

fn put(places: &[Place], address: usize, number: CodeNumber) {
    let mask = places.len() - 1;
    let mut at = CodeTable::start(address) & mask;
    while places[at].address.load(Relaxed) != EMPTY {
        at = (at + 1) & mask;
    }
    places[at].number.store(number, Relaxed);
    places[at].address.store(address, Release);
}

/// Holds a spin lock: what it guards is short and rare, and a futex would be no safer inside `malloc`.
struct Held<'a>(&'a AtomicBool);

impl<'a> Held<'a> {
    fn new(lock: &'a AtomicBool) -> Self {
        while lock.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            spin_loop();
            // The holder may wait for this very processor.
            // SAFETY: it only gives up the rest of the time slice.
            unsafe { libc::syscall(libc::SYS_sched_yield) };
        }
        Self(lock)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn number_of(table: &CodeTable, address: usize) -> CodeNumber {
        match table.get(address) {
            Some(number) => number,
            None => table.get_or_describe::<OutOfMemory>(address, |_| Ok(())).unwrap(),
        }
    }

    #[test]
    fn numbers_stay_until_death_and_never_come_back() {
        let table = CodeTable::new();
        let mut model: HashMap<usize, CodeNumber> = HashMap::new();
        let mut used = std::collections::HashSet::new();
        let mut random = 1_u64;
        for _ in 0..200_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let address = 0x1000 + (random >> 33) as usize % 20_000 * 16;
            if random >> 60 == 0 {
                let deaths = table.deaths();
                table.forget(address);
                assert_eq!(table.deaths() - deaths, u32::from(model.remove(&address).is_some()));
                assert_eq!(table.get(address), None);
            } else {
                let number = number_of(&table, address);
                let known = *model.entry(address).or_insert_with(|| {
                    assert!(used.insert(number), "a number was given out twice");
                    number
                });
                assert_eq!(number, known);
            }
        }
    }

    #[test]
    fn threads_agree_on_numbers() {
        let table = CodeTable::new();
        let numbers = || (1..5000).map(|n| number_of(&table, n * 16)).collect::<Vec<_>>();
        let (first, second) = std::thread::scope(|scope| {
            let threads = (scope.spawn(numbers), scope.spawn(numbers));
            (threads.0.join().unwrap(), threads.1.join().unwrap())
        });
        assert_eq!(first, second);
    }
}
