//! The heap blocks that are live at a moment of the replay.
//!
//! Blocks are numbered in the order in which they were allocated, and most of them are freed soon. So they are kept in
//! an array, in pages: eight bytes a block, mostly among those that were used just before. Of a page that is nearly
//! empty, what is left moves to a hash table: memory is some 64 bytes a live block at worst.

use memprof_capture::event::AllocationNumber;
use memprof_capture::page_index::PageIndex;
use rustc_hash::FxHashMap;

use crate::prefetching::prefetch;
use crate::slots::{SlotId, SlotNumbers};

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes that were asked for.
    pub size: u64,
    /// What it is attributed to.
    pub slot: SlotId,
}

/// What is kept of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    /// [`LONG`] for a size that does not fit; it is in [`LiveBlocks::long_sizes`] then.
    size: u32,
    slot: SlotId,
}

const LONG: u32 = u32::MAX;
/// A number whose block is not live. No replay has that many slots.
const VACANT: Place = Place { size: 0, slot: SlotId(u32::MAX) };

/// Numbers on a page, as a power of two.
const PAGE_BITS: u32 = 10;
const PAGE_PLACES: usize = 1 << PAGE_BITS;
/// So few blocks are not worth a page, except on the youngest one.
const FEW: u32 = PAGE_PLACES as u32 / 8;

/// Consecutive numbers.
struct Page {
    places: [Place; PAGE_PLACES],
    blocks: u32,
}

/// The number of pages that are found without hashing.
const RECENT: usize = 256;
/// No page has this key: pages have fewer bits.
const NO_KEY: u64 = u64::MAX;

/// All live heap blocks by number.
///
/// Where a page covers a number, its block is there and nowhere else.
pub struct LiveBlocks {
    /// In boxes: growth must not need room for a second copy of all.
    pages: Vec<Box<Page>>,
    /// Pages that cover no numbers at present. All their places are vacant.
    blank: Vec<u32>,
    by_key: PageIndex<u32, RECENT>,
    /// Key and page of the last block to be entered. It alone may have few blocks.
    youngest: (u64, u32),
    /// No page has had this key yet, nor a larger one.
    beyond: u64,
    /// Those that are left of other pages.
    stragglers: FxHashMap<u64, Place>,
    long_sizes: FxHashMap<u64, u64>,
    blocks: usize,
}

impl Default for LiveBlocks {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            blank: Vec::new(),
            by_key: PageIndex::default(),
            youngest: (NO_KEY, 0),
            beyond: 0,
            stragglers: FxHashMap::default(),
            long_sizes: FxHashMap::default(),
            blocks: 0,
        }
    }
}

impl LiveBlocks {
    /// Enters a block. The one that had its number already is returned: only damaged captures use numbers twice.
    #[inline(always)]
    pub fn insert(&mut self, number: AllocationNumber, block: Block) -> Option<Block> {
        let key = number.0 >> PAGE_BITS;
        if key != self.youngest.0 {
            self.begin_page(key);
        }
        let size = if block.size < u64::from(LONG) { block.size as u32 } else { LONG };
        let page = &mut self.pages[self.youngest.1 as usize];
        let place = &mut page.places[number.0 as usize % PAGE_PLACES];
        let before = std::mem::replace(place, Place { size, slot: block.slot });
        let old = if before == VACANT {
            page.blocks += 1;
            self.blocks += 1;
            None
        } else {
            Some(self.block(number, before))
        };
        if size == LONG {
            self.long_sizes.insert(number.0, block.size);
        }
        old
    }

    #[inline(always)]
    fn place(&mut self, number: AllocationNumber) -> Option<&Place> {
        let page = self.by_key.get(number.0 >> PAGE_BITS)?;
        Some(&self.pages[page as usize].places[number.0 as usize % PAGE_PLACES])
    }

    /// The block with this number will be asked for.
    #[inline(always)]
    pub fn expect(&mut self, number: AllocationNumber) {
        if let Some(place) = self.place(number) {
            prefetch(place);
        }
    }

    /// What the block with this number is attributed to, as far as that is at hand.
    #[inline(always)]
    pub fn slot_at_hand(&mut self, number: AllocationNumber) -> Option<SlotId> {
        self.place(number).filter(|place| **place != VACANT).map(|place| place.slot)
    }

    /// Takes the block with this number out, if it is live.
    #[inline(always)]
    pub fn remove(&mut self, number: AllocationNumber) -> Option<Block> {
        let key = number.0 >> PAGE_BITS;
        let place = match self.by_key.get(key) {
            Some(index) => {
                let page = &mut self.pages[index as usize];
                let place = std::mem::replace(&mut page.places[number.0 as usize % PAGE_PLACES], VACANT);
                if place == VACANT {
                    return None;
                }
                page.blocks -= 1;
                if page.blocks <= FEW && key != self.youngest.0 {
                    self.dissolve(key, index);
                }
                place
            }
            None => self.stragglers.remove(&number.0)?,
        };
        self.blocks -= 1;
        Some(self.block(number, place))
    }

    /// What a place held.
    #[inline]
    fn block(&mut self, number: AllocationNumber, Place { size, slot }: Place) -> Block {
        let size = match size {
            LONG => self.long_sizes.remove(&number.0).unwrap_or(0),
            size => size.into(),
        };
        Block { size, slot }
    }

    /// Makes a page the youngest one.
    #[cold]
    fn begin_page(&mut self, key: u64) {
        let page = self.by_key.get(key).unwrap_or_else(|| self.new_page(key));
        let (old_key, old) = std::mem::replace(&mut self.youngest, (key, page));
        if old_key != NO_KEY && self.pages[old as usize].blocks <= FEW {
            self.dissolve(old_key, old);
        }
    }

    fn new_page(&mut self, key: u64) -> u32 {
        let index = self.blank.pop().unwrap_or_else(|| {
            self.pages.push(Box::new(Page { places: [VACANT; PAGE_PLACES], blocks: 0 }));
            self.pages.len() as u32 - 1
        });
        self.by_key.insert(key, index);
        if key >= self.beyond {
            self.beyond = key + 1;
        } else {
            // Numbers that go back, in a damaged capture: the page may have been here before.
            let page = &mut self.pages[index as usize];
            for (number, place) in (key << PAGE_BITS..).zip(&mut page.places) {
                if let Some(straggler) = self.stragglers.remove(&number) {
                    *place = straggler;
                    page.blocks += 1;
                }
            }
        }
        index
    }

    /// Releases a page. What is left on it becomes stragglers.
    #[cold]
    fn dissolve(&mut self, key: u64, index: u32) {
        let page = &mut self.pages[index as usize];
        if page.blocks > 0 {
            for (number, place) in (key << PAGE_BITS..).zip(&mut page.places) {
                if *place != VACANT {
                    self.stragglers.insert(number, std::mem::replace(place, VACANT));
                }
            }
            page.blocks = 0;
        }
        self.by_key.remove(key);
        self.blank.push(index);
    }

    /// Slots have got other numbers.
    pub fn renumber_slots(&mut self, numbers: &SlotNumbers) {
        let on_pages = self.pages.iter_mut().flat_map(|page| &mut page.places).filter(|place| **place != VACANT);
        for place in on_pages.chain(self.stragglers.values_mut()) {
            place.slot = numbers.of(place.slot);
        }
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (AllocationNumber, Block)> {
        let of_page = |(key, index): (u64, u32)| (key << PAGE_BITS..).zip(self.pages[index as usize].places);
        let on_pages = self.by_key.iter().flat_map(of_page).filter(|(_, place)| *place != VACANT);
        let stragglers = self.stragglers.iter().map(|(&number, &place)| (number, place));
        on_pages.chain(stragglers).map(|(number, Place { size, slot })| {
            let size = match size {
                LONG => self.long_sizes.get(&number).copied().unwrap_or(0),
                size => size.into(),
            };
            (AllocationNumber(number), Block { size, slot })
        })
    }

    /// How many are live.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.blocks
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl LiveBlocks {
        /// What must hold at any time.
        fn check(&self) {
            assert_eq!(self.pages.len(), self.by_key.len() + self.blank.len());
            let mut on_pages = 0;
            for (key, index) in self.by_key.iter() {
                let page = &self.pages[index as usize];
                assert_eq!(page.places.iter().filter(|&&place| place != VACANT).count(), page.blocks as usize);
                assert!(page.blocks > FEW || (key, index) == self.youngest);
                assert!(self.stragglers.keys().all(|number| number >> PAGE_BITS != key));
                on_pages += page.blocks as usize;
            }
            assert!(self.blank.iter().all(|&index| self.pages[index as usize].places == [VACANT; PAGE_PLACES]));
            assert_eq!(on_pages + self.stragglers.len(), self.blocks);
        }
    }

    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 0..100_u64, 1 => (u64::from(LONG) - 2)..=(u64::from(LONG) + 2), 1 => Just(u64::MAX)]
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// This many blocks of this size, one number after the other.
        Allocate(u64, u64),
        /// The next number is this one, as after a gap in a damaged capture.
        Jump(u64),
        /// One of the live blocks, and this many beside it, from the end of all or from their beginning.
        Free(prop::sample::Index, usize),
        FreeYoung(usize),
        FreeUnknown(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1..2500_u64, size()).prop_map(|(count, size)| Step::Allocate(count, size)),
            1 => prop_oneof![any::<u64>(), 0..20_000_u64].prop_map(Step::Jump),
            6 => (any::<prop::sample::Index>(), 1..2000_usize).prop_map(|(at, count)| Step::Free(at, count)),
            4 => (1..2500_usize).prop_map(Step::FreeYoung),
            1 => prop_oneof![any::<u64>(), 0..20_000_u64].prop_map(Step::FreeUnknown),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        #[cfg_attr(miri, ignore = "goes through whole pages after each step, for minutes")]
        fn it_is_a_map(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut blocks, mut model) = (LiveBlocks::default(), BTreeMap::new());
            let (mut next, mut slot) = (0_u64, 0);
            for step in steps {
                let mut gone: Vec<u64> = Vec::new();
                match step {
                    Step::Allocate(count, size) => for _ in 0..count {
                        let block = Block { size: size.wrapping_add(u64::from(slot) % 3), slot: SlotId(slot) };
                        prop_assert_eq!(blocks.insert(AllocationNumber(next), block), model.insert(next, block));
                        next = next.wrapping_add(1);
                        slot += 1;
                    },
                    Step::Jump(to) => next = to,
                    Step::Free(at, count) if !model.is_empty() => {
                        let numbers = model.keys().skip(at.index(model.len()));
                        // With some that stay.
                        gone.extend(numbers.take(count).filter(|&&number| number % 9 != 0));
                    }
                    Step::FreeYoung(count) => gone.extend(model.keys().rev().take(count)),
                    Step::Free(..) => {}
                    Step::FreeUnknown(number) => gone.push(number),
                }
                for number in gone {
                    prop_assert_eq!(blocks.remove(AllocationNumber(number)), model.remove(&number));
                }
                prop_assert_eq!(blocks.len(), model.len());
                blocks.check();
                let all: BTreeMap<u64, Block> = blocks.iter().map(|(number, block)| (number.0, block)).collect();
                prop_assert_eq!(&all, &model);
            }
            for (number, block) in model {
                prop_assert_eq!(blocks.remove(AllocationNumber(number)), Some(block));
                prop_assert_eq!(blocks.remove(AllocationNumber(number)), None);
            }
            blocks.check();
            prop_assert!(blocks.is_empty() && blocks.long_sizes.is_empty());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "four million blocks take hours")]
    fn blocks_that_stay_among_many_that_go_take_little_memory() {
        let mut blocks = LiveBlocks::default();
        let block = Block { size: 8, slot: SlotId(0) };
        for number in 0..4_000_000 {
            blocks.insert(AllocationNumber(number), block);
            if number % 500 != 0 {
                blocks.remove(AllocationNumber(number));
            }
        }
        assert_eq!(blocks.len(), 8000);
        assert!(blocks.pages.len() < 4, "{}", blocks.pages.len());
    }
}
