//! The rules that are known, by address, for all threads.
//!
//! An open hash table of single words, each an address (48 bits) and its rule (16): nothing can tear, and there is no
//! lock. Where a place is taken and its neighbours too, one of them is evicted: it can be read again.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use super::frame::CodeAddress;
use super::x86_64::Rule;

const PLACE_BITS: u32 = 15;
const PLACES: usize = 1 << PLACE_BITS;
const NEIGHBOURS: usize = 4;

/// The rules of this process.
pub static RULES: RuleTable = RuleTable::new();

/// The table. All zero to begin with: no frame is at address 0.
pub struct RuleTable {
    places: [AtomicU64; PLACES],
}

const _: () = assert!(size_of::<RuleTable>() == 256 * 1024);

impl RuleTable {
    /// A table without rules.
    pub const fn new() -> Self {
        Self { places: [const { AtomicU64::new(0) }; PLACES] }
    }

    #[inline]
    fn place(address: CodeAddress) -> usize {
        (address.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACE_BITS)) as usize
    }

    /// The rule for an address, if it is known.
    #[inline]
    pub fn get(&self, address: CodeAddress) -> Option<Rule> {
        let first = Self::place(address);
        for neighbour in 0..NEIGHBOURS {
            let entry = self.places[(first + neighbour) % PLACES].load(Relaxed);
            if entry >> 16 == address.bits() {
                return Some(Rule::from_bits(entry as u16));
            }
            if entry == 0 {
                return None;
            }
        }
        None
    }

    /// Notes a rule.
    pub fn insert(&self, address: CodeAddress, rule: Rule) {
        let first = Self::place(address);
        let taken = |at: &usize| {
            let entry = self.places[*at].load(Relaxed);
            entry != 0 && entry >> 16 != address.bits()
        };
        let mut neighbours = (0..NEIGHBOURS).map(|neighbour| (first + neighbour) % PLACES);
        let at = neighbours.find(|at| !taken(at)).unwrap_or(first);
        self.places[at].store(address.bits() << 16 | u64::from(rule.bits()), Relaxed);
    }

    /// Drops all rules.
    pub fn clear(&self) {
        for place in &self.places {
            place.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_knows_is_what_was_inserted() {
        let table = Box::new(RuleTable::new());
        let address = |n: usize| CodeAddress::return_address(0x7f00_0000_0000 + n * 5);
        let rule = |n: usize| Rule::from_bits((n % 60_000) as u16 + 2);
        for n in 0..20_000 {
            table.insert(address(n), rule(n));
            assert_eq!(table.get(address(n)), Some(rule(n)));
        }
        let known = (0..20_000).filter(|&n| match table.get(address(n)) {
            Some(found) => {
                assert_eq!(found, rule(n));
                true
            }
            None => false,
        });
        assert!(known.count() > 19_000, "few are evicted");
        assert_eq!(table.get(CodeAddress::instruction_pointer(0x7f00_0000_0000)), None);
        table.clear();
        assert_eq!(table.get(address(1)), None);
    }
}
