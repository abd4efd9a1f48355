//! The amounts of a cell in eight bytes, where they are nothing out of the ordinary.

use memprof_replay::metric::{Metric, Sums};
use memprof_replay::slots::Amount;

/// What was allocated in all: 32 bits of bytes, 28 of allocations. Above them is a bit for each other metric: whether
/// it has all of that; otherwise it has nothing. What is none of this has a number instead, in [`MixedAmounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedAmounts(u64);

const BYTES_BITS: u32 = 32;
const ALLOCATIONS_BITS: u32 = 28;
const IS_MIXED: u64 = 1 << 63;
/// The metrics that have all or nothing, each with the bit that says so.
const OTHERS: [(Metric, u64); 3] = [(Metric::Peak, 1 << 60), (Metric::Leaks, 1 << 61), (Metric::Temporary, 1 << 62)];

/// The amounts that do not fit.
#[derive(Default)]
pub(crate) struct MixedAmounts(Vec<Sums>);

impl MixedAmounts {
    /// Packs amounts.
    pub(crate) fn pack(&mut self, amounts: &Sums) -> PackedAmounts {
        Self::in_a_word(amounts).unwrap_or_else(|| {
            self.0.push(*amounts);
            PackedAmounts(IS_MIXED | (self.0.len() - 1) as u64)
        })
    }

    fn in_a_word(amounts: &Sums) -> Option<PackedAmounts> {
        let total = amounts.total;
        if total.bytes >> BYTES_BITS != 0 || total.allocations >> ALLOCATIONS_BITS != 0 {
            return None;
        }
        let mut word = total.bytes | total.allocations << BYTES_BITS;
        for (metric, bit) in OTHERS {
            let amount = amounts[metric];
            if !amount.is_zero() {
                word |= (amount == total).then_some(bit)?;
            }
        }
        Some(PackedAmounts(word))
    }

    /// What was packed.
    pub(crate) fn unpack(&self, PackedAmounts(word): PackedAmounts) -> Sums {
        if word & IS_MIXED != 0 {
            return self.0[(word ^ IS_MIXED) as usize];
        }
        let bytes = word & ((1 << BYTES_BITS) - 1);
        let allocations = word >> BYTES_BITS & ((1 << ALLOCATIONS_BITS) - 1);
        let total = Amount { bytes, allocations };
        Sums::by(|metric| {
            let bit = OTHERS.iter().find(|(other, _)| *other == metric).map(|(_, bit)| word & bit);
            if bit == Some(0) { Amount::default() } else { total }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount() -> impl Strategy<Value = Amount> {
        let number = || prop_oneof![0..3_u64, (1_u64 << 27)..(1 << 33), Just(u64::MAX)];
        (number(), number()).prop_map(|(bytes, allocations)| Amount { bytes, allocations })
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(
            all in prop::collection::vec((amount(), prop::array::uniform3((0..3, amount()))), 0..20)
        ) {
            let mut mixed = MixedAmounts::default();
            let amounts = |&(total, others): &(Amount, [(i32, Amount); 3])| {
                let [peak, leaked, temporary] = others.map(|(kind, other)| match kind {
                    0 => Amount::default(),
                    1 => total,
                    _ => other,
                });
                Sums::by(|metric| match metric {
                    Metric::Peak => peak,
                    Metric::Leaks => leaked,
                    Metric::Total => total,
                    Metric::Temporary => temporary,
                })
            };
            let all: Vec<Sums> = all.iter().map(amounts).collect();
            let packed: Vec<PackedAmounts> = all.iter().map(|amounts| mixed.pack(amounts)).collect();
            let unpacked: Vec<Sums> = packed.iter().map(|&packed| mixed.unpack(packed)).collect();
            prop_assert_eq!(unpacked, all);
        }
    }

    #[test]
    fn few_are_mixed() {
        let amounts = |allocations, peak, temporary| {
            Sums::by(|metric| match metric {
                Metric::Peak => Amount { bytes: peak, allocations: peak.min(1) },
                Metric::Leaks => Amount::default(),
                Metric::Total => Amount { bytes: 56, allocations },
                Metric::Temporary => Amount { bytes: temporary, allocations: temporary.min(1) },
            })
        };
        let mut mixed = MixedAmounts::default();
        for ordinary in [amounts(1, 0, 0), amounts(1, 56, 0), amounts(1, 0, 56), amounts((1 << 28) - 1, 0, 0)] {
            mixed.pack(&ordinary);
        }
        assert_eq!(mixed.0, []);
        for other in [amounts(1, 55, 0), amounts(2, 0, 56), amounts(1 << 28, 0, 0)] {
            mixed.pack(&other);
        }
        assert_eq!(mixed.0.len(), 3);
    }
}
