//! How large the allocations were, by powers of two.

use serde::{Deserialize, Serialize};

use crate::metric::Amount;

/// Allocations whose requested size lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SizeBucket {
    /// The smallest size that counts here.
    pub min_bytes: u64,
    /// The largest.
    pub max_bytes: u64,
    /// How many there were.
    pub allocations: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// Counts and bytes by size: 0, 1, 2 to 3, 4 to 7 and so on. In a file it is a list of these amounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Amount>", from = "Vec<Amount>")]
pub struct SizeHistogram {
    amounts: [Amount; 65],
}

impl Default for SizeHistogram {
    fn default() -> Self {
        Self { amounts: [Amount::default(); 65] }
    }
}

impl From<Vec<Amount>> for SizeHistogram {
    /// Those that are missing are 0, more are ignored.
    fn from(known: Vec<Amount>) -> Self {
        let mut histogram = Self::default();
        histogram.amounts.iter_mut().zip(known).for_each(|(amount, known)| *amount = known);
        histogram
    }
}

impl From<SizeHistogram> for Vec<Amount> {
    fn from(histogram: SizeHistogram) -> Self {
        histogram.amounts.to_vec()
    }
}

impl SizeHistogram {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.amounts.iter_mut().zip(other.amounts).for_each(|(sum, amount)| sum.add(amount));
    }

    /// The amounts of allocations of 0 bytes, 1, 2 to 3 and so on.
    #[must_use]
    pub const fn amounts(&self) -> &[Amount; 65] {
        &self.amounts
    }

    /// Counts an allocation.
    #[inline]
    pub const fn count(&mut self, size: u64) {
        let index = (u64::BITS - size.leading_zeros()) as usize;
        self.amounts[index].add(Amount { bytes: size, allocations: 1 });
    }

    /// The buckets from the first one that is not empty to the last.
    #[must_use]
    pub fn buckets(&self) -> Vec<SizeBucket> {
        let used = |&index: &usize| self.amounts[index].allocations > 0;
        let (Some(first), Some(last)) = ((0..65).find(used), (0..65).rfind(used)) else { return Vec::new() };
        (first..=last)
            .map(|index| SizeBucket {
                min_bytes: if index == 0 { 0 } else { 1 << (index - 1) },
                max_bytes: if index == 0 { 0 } else { u64::MAX >> (64 - index) },
                allocations: self.amounts[index].allocations,
                bytes: self.amounts[index].bytes,
            })
            .collect()
    }
}
