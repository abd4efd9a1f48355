//! Which allocation is live at each address.
//!
//! Not a hash table of blocks: allocators allocate neighbours one after the other, so that a table in the order of
//! addresses is mostly in the processor's cache. It takes four bytes for every sixteen of those pages of the program on
//! which many blocks begin, a quarter of what they occupy; and some seventy bytes for a page on which few do.

use memprof_channel::ids::Address;
use rustc_hash::FxHashMap;

use super::sparse_page::{PLACES, SparsePage, VACANT};
use crate::event::AllocationNumber;
use crate::page_index::PageIndex;

/// Allocators align to this power of two, nearly all of them.
const ALIGNMENT_BITS: u32 = 4;
/// The bytes of the program that a page of this table represents, as a power of two.
const PAGE_BITS: u32 = PLACES.ilog2() + ALIGNMENT_BITS;

/// The place's block is so old that its number is among [`LiveAddresses::others`].
const OLD: u32 = u32::MAX;
/// Any other place holds this many low bits of a number, and one more than them.
const NUMBER_BITS: u32 = 31;

/// How many pages are found without hashing.
const RECENT: usize = 1024;

/// A page of the table.
#[derive(Clone, Copy)]
enum Page {
    /// One with many blocks, by its number.
    Dense(u32),
    /// One that never had many.
    Sparse(u32),
}

impl Default for Page {
    fn default() -> Self {
        Self::Dense(0)
    }
}

/// The numbers of all live heap blocks, by their addresses.
///
/// `BITS` of a number are kept at a block's place; it is 31 except in tests.
#[derive(Default)]
pub struct LiveAddresses<const BITS: u32 = NUMBER_BITS> {
    pages: PageIndex<Page, RECENT>,
    /// The places of the pages with many blocks, page after page.
    places: Vec<u32>,
    /// How many blocks each of them has.
    blocks_of: Vec<u16>,
    /// Those that are not in use at present. They are blank.
    blank_dense: Vec<u32>,
    sparse: Vec<SparsePage>,
    blank_sparse: Vec<u32>,
    /// Blocks that are not aligned, and old ones.
    others: FxHashMap<u64, AllocationNumber>,
    /// When this is reached, blocks have to be searched for old ones.
    next_ageing: u64,
    /// The number that was entered last.
    latest: u64,
    blocks: usize,
}

impl<const BITS: u32> LiveAddresses<BITS> {
    const LOW: u64 = (1 << BITS) - 1;
    /// A block is old when half of the numbers that its place can distinguish have been assigned since.
    const AGE: u64 = 1 << (BITS - 1);

    /// How many are live.
    pub const fn len(&self) -> usize {
        self.blocks
    }

    const fn is_aligned(address: Address) -> bool {
        address.0 & ((1 << ALIGNMENT_BITS) - 1) == 0
    }

    /// Its place on its page.
    const fn place_of(address: Address) -> u8 {
        (address.0 >> ALIGNMENT_BITS) as u8
    }

    /// The number that an entry represents, when `latest` was entered last: the youngest with its low bits.
    #[inline(always)]
    fn number(&mut self, address: Address, entry: u32, latest: u64) -> AllocationNumber {
        if entry == OLD {
            return self.others.remove(&address.0).unwrap_or_default();
        }
        let age = latest.wrapping_sub(u64::from(entry) - 1) & Self::LOW;
        AllocationNumber(latest - age)
    }

    /// Enters the block that was allocated last. Returns the one that was live at its address.
    #[inline(always)]
    pub fn insert(&mut self, address: Address, number: AllocationNumber) -> Option<AllocationNumber> {
        if number.0 >= self.next_ageing {
            self.age(number.0);
        }
        self.latest = number.0;
        if !Self::is_aligned(address) {
            return self.insert_unaligned(address, number);
        }
        let (key, place) = (address.0 >> PAGE_BITS, Self::place_of(address));
        let entry = (number.0 & Self::LOW) as u32 + 1;
        let before = match self.pages.get(key) {
            Some(Page::Dense(page)) => self.enter(page, place, entry),
            page => self.enter_few(key, page, place, entry),
        };
        if before == VACANT {
            self.blocks += 1;
            return None;
        }
        Some(self.number(address, before, number.0))
    }

    #[cold]
    fn insert_unaligned(&mut self, address: Address, number: AllocationNumber) -> Option<AllocationNumber> {
        let before = self.others.insert(address.0, number);
        self.blocks += usize::from(before.is_none());
        before
    }

    /// Enters a block on a page with many, and returns what was there.
    #[inline(always)]
    fn enter(&mut self, page: u32, place: u8, entry: u32) -> u32 {
        let place = &mut self.places[page as usize * PLACES + usize::from(place)];
        let before = std::mem::replace(place, entry);
        self.blocks_of[page as usize] += u16::from(before == VACANT);
        before
    }

    /// Likewise on one with few, or on one that is not there yet.
    fn enter_few(&mut self, key: u64, page: Option<Page>, place: u8, entry: u32) -> u32 {
        let sparse = match page {
            Some(Page::Sparse(sparse)) => sparse,
            _ => self.new_sparse_page(key),
        };
        if let Ok(before) = self.sparse[sparse as usize].enter(place, entry) {
            return before;
        }
        let mut few = std::mem::take(&mut self.sparse[sparse as usize]);
        self.blank_sparse.push(sparse);
        let dense = self.new_dense_page(key);
        for (place, entry) in few.blocks() {
            self.enter(dense, place, *entry);
        }
        self.enter(dense, place, entry)
    }

    fn new_sparse_page(&mut self, key: u64) -> u32 {
        let page = self.blank_sparse.pop().unwrap_or_else(|| {
            self.sparse.push(SparsePage::default());
            self.sparse.len() as u32 - 1
        });
        self.pages.insert(key, Page::Sparse(page));
        page
    }

    fn new_dense_page(&mut self, key: u64) -> u32 {
        let page = self.blank_dense.pop().unwrap_or_else(|| {
            self.places.resize(self.places.len() + PLACES, VACANT);
            self.blocks_of.push(0);
            self.blocks_of.len() as u32 - 1
        });
        self.pages.insert(key, Page::Dense(page));
        page
    }

    /// Takes the block away that is live at an address.
    #[inline(always)]
    pub fn remove(&mut self, address: Address) -> Option<AllocationNumber> {
        if !Self::is_aligned(address) {
            return self.remove_unaligned(address);
        }
        let (key, place) = (address.0 >> PAGE_BITS, Self::place_of(address));
        let (before, is_blank) = match self.pages.get(key)? {
            Page::Dense(page) => {
                let blocks = &mut self.blocks_of[page as usize];
                let place = &mut self.places[page as usize * PLACES + usize::from(place)];
                let before = std::mem::replace(place, VACANT);
                *blocks -= u16::from(before != VACANT);
                (before, *blocks == 0)
            }
            Page::Sparse(page) => {
                let page = &mut self.sparse[page as usize];
                (page.take(place), page.is_blank())
            }
        };
        if is_blank {
            self.release(key);
        }
        if before == VACANT {
            return None;
        }
        self.blocks -= 1;
        Some(self.number(address, before, self.latest))
    }

    #[cold]
    fn remove_unaligned(&mut self, address: Address) -> Option<AllocationNumber> {
        let before = self.others.remove(&address.0);
        self.blocks -= usize::from(before.is_some());
        before
    }

    /// Releases a page that has no block left.
    #[cold]
    fn release(&mut self, key: u64) {
        match self.pages.remove(key) {
            Some(Page::Dense(page)) => self.blank_dense.push(page),
            Some(Page::Sparse(page)) => self.blank_sparse.push(page),
            None => {}
        }
    }

    /// Moves the numbers of old blocks to where they are kept whole.
    #[cold]
    fn age(&mut self, latest: u64) {
        self.next_ageing = latest + Self::AGE;
        let Self { pages, places, sparse, others, .. } = self;
        let mut age_block = |key: u64, place: u8, entry: &mut u32| {
            if matches!(*entry, VACANT | OLD) {
                return;
            }
            let age = latest.wrapping_sub(u64::from(*entry) - 1) & Self::LOW;
            if age >= Self::AGE {
                let address = key << PAGE_BITS | u64::from(place) << ALIGNMENT_BITS;
                others.insert(address, AllocationNumber(latest - age));
                *entry = OLD;
            }
        };
        for (key, page) in pages.iter() {
            match page {
                Page::Dense(page) => {
                    let of_page = &mut places[page as usize * PLACES..][..PLACES];
                    (0..=u8::MAX).zip(of_page).for_each(|(place, entry)| age_block(key, place, entry));
                }
                Page::Sparse(page) => {
                    sparse[page as usize].blocks().for_each(|(place, entry)| age_block(key, place, entry));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![
            4 => (0..600_u64).prop_map(|block| block * 16),
            4 => (0..20_u64).prop_map(|block| block << 20),
            1 => 0..100_u64,
            1 => Just(u64::MAX),
        ]
        .prop_map(Address)
    }

    proptest! {
        /// With so few bits that blocks grow old again and again.
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((address(), any::<bool>()), 1..if cfg!(miri) { 60 } else { 3000 })) {
            let (mut live, mut model) = (LiveAddresses::<6>::default(), HashMap::new());
            let mut next = 0;
            for (address, enters) in steps {
                if enters {
                    let number = AllocationNumber(next);
                    next += 1;
                    prop_assert_eq!(live.insert(address, number), model.insert(address, number));
                } else {
                    prop_assert_eq!(live.remove(address), model.remove(&address));
                }
                prop_assert_eq!(live.len(), model.len());
            }
            for (address, number) in model {
                prop_assert_eq!(live.remove(address), Some(number));
            }
            prop_assert!(live.len() == 0 && live.others.is_empty() && live.pages.is_empty());
            prop_assert!(live.places.iter().all(|&place| place == VACANT));
            prop_assert!(live.sparse.iter().all(SparsePage::is_blank));
        }
    }
}
