//! What represents something long that is not needed any more, or not worth its room.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A hash of 128 bits. Of a billion values, no two have the same one but with odds of one in 10^20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// Of a value.
    pub fn of(value: &impl Hash) -> Self {
        Self([0_u8, 1].map(|half| {
            let mut hasher = DefaultHasher::new();
            half.hash(&mut hasher);
            value.hash(&mut hasher);
            hasher.finish()
        }))
    }

    /// As many of its bits as an index has.
    pub const fn bits(self) -> usize {
        self.0[0] as usize
    }
}
