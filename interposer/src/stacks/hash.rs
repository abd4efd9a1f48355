//! A running hash of frames. Two independent halves make 128 bits, so that among a billion stacks the odds of taking
//! one for another stay below one in 10^20.

/// The hash of a stack, from its outermost frame on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct StackHash {
    /// One half.
    pub low: u64,
    /// The other half.
    pub high: u64,
}

// SAFETY: two integers.
unsafe impl crate::memory::Plain for StackHash {}

// Odd numbers without structure: the fractional parts of the square roots of 2, 3, 5, 7 and 11.
const SEED_LOW: u64 = 0x6a09_e667_f3bc_c909;
const SEED_HIGH: u64 = 0xbb67_ae85_84ca_a73b;
const FACTOR_LOW: u64 = 0x3c6e_f372_fe94_f82b;
const FACTOR_HIGH: u64 = 0xa54f_f53a_5f1d_36f1;
const STEP: u64 = 0x510e_527f_ade6_82d1;

/// Both halves of the full product, folded: every bit of the input reaches every bit of the result.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl StackHash {
    /// The hash of the stack without frames.
    pub const EMPTY: Self = Self { low: SEED_LOW, high: SEED_HIGH };

    /// The hash with one more frame (or other distinction) on top.
    #[inline]
    #[must_use]
    pub fn with(self, key: u64) -> Self {
        Self {
            low: folded(self.low ^ key, FACTOR_LOW).wrapping_add(key),
            high: folded(self.high ^ key.rotate_left(32), FACTOR_HIGH).wrapping_add(self.low),
        }
    }

    /// The hash with one more frame on top of `depth` others. What a frame adds depends on itself and on its place
    /// alone, so the processor works on several frames at the same time: it need not wait for the hash of one to begin
    /// with the next. (That is tabulation hashing, with products in place of tables of random numbers.)
    #[inline(always)]
    #[must_use]
    pub fn with_at(self, key: u64, depth: usize) -> Self {
        let place = (depth as u64).wrapping_mul(STEP);
        Self {
            low: self.low.wrapping_add(folded(key ^ SEED_LOW, FACTOR_LOW.wrapping_add(place))),
            high: self.high.wrapping_add(folded(key.rotate_left(32) ^ SEED_HIGH, FACTOR_HIGH.wrapping_sub(place))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn either_half_alone_distinguishes_a_million_stacks() {
        let (mut low, mut high) = (HashSet::new(), HashSet::new());
        for outer in 0..1000 {
            for inner in 0..1000 {
                let hash = StackHash::EMPTY.with(outer << 32 | 4).with(inner << 32 | 2);
                low.insert(hash.low);
                high.insert(hash.high);
            }
        }
        assert_eq!((low.len(), high.len()), (1_000_000, 1_000_000));
    }

    #[test]
    fn order_counts() {
        assert_ne!(StackHash::EMPTY.with(1).with(2), StackHash::EMPTY.with(2).with(1));
        assert_ne!(StackHash::EMPTY.with_at(1, 0).with_at(2, 1), StackHash::EMPTY.with_at(2, 0).with_at(1, 1));
        assert_ne!(StackHash::EMPTY.with_at(1, 0), StackHash::EMPTY.with_at(1, 1));
    }

    /// Either half alone distinguishes 800,000 stacks: all orders of nine addresses of code, recursions of every depth,
    /// and stacks of the same length with a few frames in each place.
    #[test]
    fn either_half_of_sums_alone_distinguishes_stacks() {
        const ADDRESS: u64 = 0x7f12_3456_7000;
        let (mut low, mut high, mut count) = (HashSet::new(), HashSet::new(), 0);
        let mut add = |hash: StackHash| {
            low.insert(hash.low);
            high.insert(hash.high);
            count += 1;
        };
        // Heap's algorithm.
        let mut frames: Vec<u64> = (0..9).map(|n| ADDRESS + n * 5).collect();
        let mut turns = [0; 9];
        let hash = |frames: &[u64]| (0..).zip(frames).fold(StackHash::EMPTY, |hash, (at, &key)| hash.with_at(key, at));
        add(hash(&frames));
        let mut at = 1;
        while at < frames.len() {
            if turns[at] < at {
                frames.swap(if at % 2 == 0 { 0 } else { turns[at] }, at);
                add(hash(&frames));
                turns[at] += 1;
                at = 1;
            } else {
                turns[at] = 0;
                at += 1;
            }
        }
        for function in 0..4 {
            let mut hash = StackHash::EMPTY;
            for depth in 0..50_000 {
                hash = hash.with_at(ADDRESS + 4096 * (function + 1), depth);
                add(hash);
            }
        }
        for stack in 0..1 << 18_u64 {
            let keys = (0..9).map(|at| ADDRESS - 64 * (1 + (stack >> (2 * at) & 3)));
            add((0..).zip(keys).fold(StackHash::EMPTY, |hash, (at, key)| hash.with_at(key, at)));
        }
        assert_eq!((low.len(), high.len()), (count, count));
    }
}
