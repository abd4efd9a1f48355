//! The heap blocks that are live at a moment of the replay.
//!
//! A table with open addressing, sixteen bytes a place, because this is where a replay spends its time: with millions of
//! live blocks, every event is a cache miss. [`LiveBlocks::touch`] starts the misses of several events together.

use memprof_capture::ids::Address;
use rustc_hash::FxHashMap;

use crate::slots::SlotId;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes that were asked for.
    pub size: u64,
    /// What it is attributed to.
    pub slot: SlotId,
}

/// A place of the table.
#[derive(Clone, Copy)]
struct Place {
    key: u64,
    /// [`LONG`] for a size that does not fit; it is in [`LiveBlocks::long_sizes`] then.
    size: u32,
    slot: SlotId,
}

/// The key of a place without a block.
const VACANT: u64 = u64::MAX;
const LONG: u32 = u32::MAX;
const EMPTY: Place = Place { key: VACANT, size: 0, slot: SlotId(0) };
/// The smallest table, as a power of two.
const SMALLEST_BITS: u32 = 10;
/// Tables up to this size stay in the processor's nearer caches.
const CACHED_PLACES: usize = 1 << 16;
/// Tables up to this size hold few blocks.
const SPARSE_PLACES: usize = 1 << 15;

/// All live heap blocks by address.
pub struct LiveBlocks {
    /// A power of two of them.
    places: Vec<Place>,
    /// 64 less the power of two.
    shift: u32,
    blocks: usize,
    long_sizes: FxHashMap<u64, u64>,
}

impl Default for LiveBlocks {
    fn default() -> Self {
        Self::with_bits(SMALLEST_BITS)
    }
}

impl LiveBlocks {
    fn with_bits(bits: u32) -> Self {
        Self { places: vec![EMPTY; 1 << bits], shift: 64 - bits, blocks: 0, long_sizes: FxHashMap::default() }
    }

    /// No block begins at the very last byte of the address space, whatever a damaged capture says.
    #[inline]
    const fn key(address: Address) -> u64 {
        if address.0 == VACANT { VACANT - 1 } else { address.0 }
    }

    /// Where the search for a key starts: Fibonacci hashing, which spreads equally spaced addresses evenly.
    #[inline]
    const fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The place that holds the key, or the vacant one where it belongs.
    #[inline]
    fn find(&self, key: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut at = self.home(key);
        while self.places[at & mask].key != key && self.places[at & mask].key != VACANT {
            at += 1;
        }
        at & mask
    }

    /// Whether touching pays: whether the table is so large that its places are far away.
    #[inline]
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.places.len() > CACHED_PLACES
    }

    /// How many blocks the table may hold: small tables are sparse, for the sake of short searches, large ones dense, for
    /// the sake of memory.
    #[inline]
    const fn most_blocks(&self) -> usize {
        if self.places.len() <= SPARSE_PLACES { self.places.len() / 4 } else { self.places.len() / 8 * 5 }
    }

    /// Brings the place of an address near, and returns something that depends on it.
    #[inline]
    #[must_use]
    pub fn touch(&self, address: Address) -> u64 {
        self.places[self.home(Self::key(address))].key
    }

    /// Enters a block. What the address held before is returned: its release was not seen.
    #[inline(always)]
    pub fn insert(&mut self, address: Address, block: Block) -> Option<Block> {
        let key = Self::key(address);
        let at = self.find(key);
        let old = (self.places[at].key == key).then(|| self.take_block(at));
        let size = if block.size < u64::from(LONG) { block.size as u32 } else { LONG };
        if size == LONG {
            self.long_sizes.insert(key, block.size);
        }
        self.places[at] = Place { key, size, slot: block.slot };
        if old.is_none() {
            self.blocks += 1;
            if self.blocks > self.most_blocks() {
                self.grow();
            }
        }
        old
    }

    /// Takes the block at this address out, if one is live there.
    #[inline(always)]
    pub fn remove(&mut self, address: Address) -> Option<Block> {
        let at = self.find(Self::key(address));
        if self.places[at].key == VACANT {
            return None;
        }
        let block = self.take_block(at);
        self.blocks -= 1;
        self.close_gap(at);
        Some(block)
    }

    /// What the place holds.
    #[inline]
    fn take_block(&mut self, at: usize) -> Block {
        let Place { key, size, slot } = self.places[at];
        let size = match size {
            LONG => self.long_sizes.remove(&key).unwrap_or(0),
            size => size.into(),
        };
        Block { size, slot }
    }

    /// Moves up the blocks behind a place that became vacant, as far as that is nearer to where they belong: a search
    /// ends at the first vacant place.
    #[inline]
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.places.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.key == VACANT {
                break;
            }
            let from_home = at.wrapping_sub(self.home(place.key)) & mask;
            if from_home >= (at.wrapping_sub(gap) & mask) {
                self.places[gap] = place;
                gap = at;
            }
        }
        self.places[gap] = EMPTY;
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Self::with_bits(64 - self.shift + 1);
        for place in self.places.iter().filter(|place| place.key != VACANT) {
            let at = larger.find(place.key);
            larger.places[at] = *place;
        }
        larger.blocks = self.blocks;
        larger.long_sizes = std::mem::take(&mut self.long_sizes);
        *self = larger;
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

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn address() -> impl Strategy<Value = Address> {
        // Many near each other, some at the ends.
        prop_oneof![8 => (0..3000_u64).prop_map(|block| block * 16), 1 => 0..100_u64, 1 => Just(u64::MAX)]
            .prop_map(Address)
    }

    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_u64, (u64::from(LONG) - 2)..=(u64::from(LONG) + 2), Just(u64::MAX)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((address(), proptest::option::weighted(0.7, size())), 1..3000)) {
            let (mut blocks, mut model) = (LiveBlocks::default(), HashMap::new());
            for (number, (address, size)) in (0..).zip(steps) {
                match size {
                    Some(size) => {
                        let block = Block { size, slot: SlotId(number) };
                        prop_assert_eq!(blocks.insert(address, block), model.insert(address, block));
                    }
                    None => prop_assert_eq!(blocks.remove(address), model.remove(&address)),
                }
                prop_assert_eq!(blocks.len(), model.len());
            }
            for (address, block) in model {
                prop_assert_eq!(blocks.remove(address), Some(block));
            }
            prop_assert!(blocks.is_empty() && blocks.long_sizes.is_empty());
            prop_assert!(blocks.places.iter().all(|place| place.key == VACANT));
        }
    }
}
