//! What the protocol of the channel needs of an atomic word. In a recording these are the processor's own; the checks
//! of the protocol ([`states`](crate::states)) run the same code on words that try every order of events.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An atomic word of shared memory. The methods are like those of [`core::sync::atomic`].
pub trait Atomic<T> {
    /// Reads it.
    fn load(&self, order: Ordering) -> T;
    /// Writes it.
    fn store(&self, value: T, order: Ordering);
    /// Writes it, and returns what it was.
    fn swap(&self, value: T, order: Ordering) -> T;
    /// Adds to it.
    fn add(&self, value: T, order: Ordering);
    /// Raises it to at least `value`.
    fn raise(&self, value: T, order: Ordering);
    /// Sets bits.
    fn set(&self, bits: T, order: Ordering);
    /// Keeps these bits only, and returns what it was.
    fn fetch_and(&self, bits: T, order: Ordering) -> T;
    /// Writes `new` if it is `current`.
    ///
    /// # Errors
    /// With what it is, if that is something else.
    fn compare_exchange(&self, current: T, new: T, success: Ordering, failure: Ordering) -> Result<T, T>;
}

/// Passes the methods on to an inherent method of the same name.
macro_rules! passed_on {
    ($word:ty, $value:ty) => {
        impl $crate::atomic::Atomic<$value> for $word {
            #[inline(always)]
            fn load(&self, order: Ordering) -> $value {
                <$word>::load(self, order)
            }
            #[inline(always)]
            fn store(&self, value: $value, order: Ordering) {
                <$word>::store(self, value, order);
            }
            #[inline(always)]
            fn swap(&self, value: $value, order: Ordering) -> $value {
                <$word>::swap(self, value, order)
            }
            #[inline(always)]
            fn add(&self, value: $value, order: Ordering) {
                <$word>::fetch_add(self, value, order);
            }
            #[inline(always)]
            fn raise(&self, value: $value, order: Ordering) {
                <$word>::fetch_max(self, value, order);
            }
            #[inline(always)]
            fn set(&self, bits: $value, order: Ordering) {
                <$word>::fetch_or(self, bits, order);
            }
            #[inline(always)]
            fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                <$word>::fetch_and(self, bits, order)
            }
            #[inline(always)]
            fn compare_exchange(&self, old: $value, new: $value, ok: Ordering, no: Ordering) -> Result<$value, $value> {
                <$word>::compare_exchange(self, old, new, ok, no)
            }
        }
    };
}

passed_on!(AtomicU32, u32);
passed_on!(AtomicU64, u64);

#[cfg(all(test, loom))]
pub(crate) use passed_on;
