//! The sites that a thread has used last: the number of each stack and allocator, by hash.
//!
//! The table is bounded, however many stacks a program has. What it evicts is emitted again when it comes again, and
//! may have another number then; the number that it had is another site's.

use memprof_channel::layout::MOST_SITES;

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

/// Places of a set: two cache lines. What came last is in front, and what goes is at the end.
const WAYS: usize = 8;
const _: () = assert!(size_of::<Place>() == 16);

/// A table of sets from stack hashes (of which it keeps 96 bits) to site numbers.
pub struct SiteTable {
    places: MappedVec<Place>,
    used: usize,
    most_places: usize,
}

/// A page of places to begin with.
const FIRST_PLACES: usize = 256;

impl SiteTable {
    /// A table without sites.
    pub fn new() -> Result<Self, OutOfMemory> {
        Self::with(FIRST_PLACES, MOST_SITES as usize)
    }

    /// One with `first_places` places in the beginning, and at most `most_places`; both are powers of two.
    fn with(first_places: usize, most_places: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { places: MappedVec::zeroed(first_places)?, used: 0, most_places })
    }

    /// Where the set of a hash begins.
    #[inline]
    fn start(places: usize, low: u64) -> usize {
        low as usize & (places - 1) & !(WAYS - 1)
    }

    /// The number of a site, if it is known.
    #[inline]
    pub fn get(&self, hash: StackHash) -> Option<u32> {
        let start = Self::start(self.places.len(), hash.low);
        let set = &self.places[start..start + WAYS];
        let is_it = |place: &&Place| place.low == hash.low && place.high == hash.high as u32 && place.number != 0;
        set.iter().find(is_it).map(|place| place.number - 1)
    }

    /// Gives a number below [`MOST_SITES`] to a site that [`Self::get`] does not know.
    pub fn insert_new(&mut self, hash: StackHash) -> u32 {
        let is_full = |places: &[Place]| places[Self::start(places.len(), hash.low) + WAYS - 1].number != 0;
        // While a quarter is used, one set of some thousand is full.
        if is_full(&self.places) && self.used * 4 >= self.places.len() && self.places.len() < self.most_places {
            self.grow();
        }
        let start = Self::start(self.places.len(), hash.low);
        let set = &mut self.places[start..start + WAYS];
        set.rotate_right(1);
        let number = match set[0].number {
            0 => {
                self.used += 1;
                self.used as u32
            }
            evicted => evicted,
        };
        set[0] = Place { low: hash.low, high: hash.high as u32, number };
        number - 1
    }

    /// Twice as many places, if there is memory for them.
    #[cold]
    fn grow(&mut self) {
        let Ok(mut larger) = MappedVec::<Place>::zeroed(self.places.len() * 2) else { return };
        // A set becomes two. From its end on, so that what came last is in front again.
        for place in self.places.iter().rev().filter(|place| place.number != 0) {
            let start = Self::start(larger.len(), place.low);
            larger[start..start + WAYS].rotate_right(1);
            larger[start] = *place;
        }
        self.places = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a recorder would have under each number is what the table finds under it.
        #[test]
        fn a_number_is_that_of_the_site_that_was_emitted_last_with_it(
            most in 3..10_u32, keys in proptest::collection::vec(0..2000_u64, 1..4000),
        ) {
            let mut table = SiteTable::with(WAYS, 1 << most).unwrap();
            let mut emitted = Vec::new();
            for key in keys {
                let hash = StackHash::EMPTY.with(key);
                let number = table.get(hash).unwrap_or_else(|| {
                    let number = table.insert_new(hash);
                    emitted.resize(emitted.len().max(number as usize + 1), u64::MAX);
                    emitted[number as usize] = key;
                    number
                });
                prop_assert_eq!(emitted[number as usize], key);
                prop_assert_eq!(table.get(hash), Some(number));
                prop_assert!(emitted.len() <= 1 << most && table.places.len() <= 1 << most);
            }
        }
    }

    #[test]
    fn what_there_is_room_for_is_found_again_after_growth() {
        let mut table = SiteTable::new().unwrap();
        let hash = |n: u64| StackHash::EMPTY.with(n);
        for n in 0..10_000 {
            assert_eq!(table.get(hash(n)), None);
            table.insert_new(hash(n));
        }
        let evicted = (0..10_000).filter(|&n| table.get(hash(n)).is_none()).count();
        assert!(evicted < 10, "{evicted}");
        assert_eq!(table.get(hash(10_000)), None);
    }
}
