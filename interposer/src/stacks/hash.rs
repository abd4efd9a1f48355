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

// Odd numbers without structure: the fractional parts of the square roots of 2, 3, 5 and 7.
const SEED_LOW: u64 = 0x6a09_e667_f3bc_c909;
const SEED_HIGH: u64 = 0xbb67_ae85_84ca_a73b;
const FACTOR_LOW: u64 = 0x3c6e_f372_fe94_f82b;
const FACTOR_HIGH: u64 = 0xa54f_f53a_5f1d_36f1;

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
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn either_half_alone_tells_a_million_stacks_apart() {
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
    }
}
