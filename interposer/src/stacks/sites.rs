//! The sites that a thread has used: the number of each stack and allocator, by hash.

use super::hash::StackHash;
use crate::memory::{MappedVec, OutOfMemory, Plain};

/// A taken place has a number above zero.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    low: u64,
    high: u32,
    /// The site's number, plus one.
    number: u32,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Place {}
const _: () = assert!(size_of::<Place>() == 16);

/// An open hash table from stack hashes (of which it keeps 96 bits) to site numbers.
pub struct SiteTable {
    places: MappedVec<Place>,
    used: usize,
}

/// A page of places to begin with.
const FIRST_PLACES: usize = 256;

impl SiteTable {
    /// A table without sites.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self { places: MappedVec::zeroed(FIRST_PLACES)?, used: 0 })
    }

    /// The number of a site, if it was used before.
    #[inline]
    pub fn get(&self, hash: StackHash) -> Option<u32> {
        let mask = self.places.len() - 1;
        let mut at = hash.low as usize & mask;
        loop {
            let place = &self.places[at];
            if place.low == hash.low && place.high == hash.high as u32 && place.number != 0 {
                return Some(place.number - 1);
            }
            if place.number == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes sure that [`Self::insert_new`] has a place.
    pub fn reserve(&mut self) -> Result<(), OutOfMemory> {
        if (self.used + 1) * 2 <= self.places.len() {
            return Ok(());
        }
        let mut larger = MappedVec::<Place>::zeroed(self.places.len() * 2)?;
        for place in self.places.iter().filter(|place| place.number != 0) {
            let at = Self::free_place(&larger, place.low);
            larger[at] = *place;
        }
        self.places = larger;
        Ok(())
    }

    /// Gives the next number to a site that [`Self::get`] does not know, after [`Self::reserve`].
    pub fn insert_new(&mut self, hash: StackHash) -> u32 {
        let at = Self::free_place(&self.places, hash.low);
        self.used += 1;
        self.places[at] = Place { low: hash.low, high: hash.high as u32, number: self.used as u32 };
        self.used as u32 - 1
    }

    fn free_place(places: &[Place], low: u64) -> usize {
        let mask = places.len() - 1;
        let mut at = low as usize & mask;
        while places[at].number != 0 {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_found_again_after_growth() {
        let mut table = SiteTable::new().unwrap();
        let hash = |n: u64| StackHash::EMPTY.with(n);
        for n in 0..10_000 {
            assert_eq!(table.get(hash(n)), None);
            table.reserve().unwrap();
            assert_eq!(table.insert_new(hash(n)), n as u32);
        }
        assert!((0..10_000).all(|n| table.get(hash(n)) == Some(n as u32)));
        assert_eq!(table.get(hash(10_000)), None);
    }
}
