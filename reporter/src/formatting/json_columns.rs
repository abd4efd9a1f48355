//! JSON arrays that are written as they are computed, never held.

use serde::{Serialize, Serializer};

/// An array of whatever the iterator yields.
pub(crate) struct Sequence<I>(pub I);

impl<I> Serialize for Sequence<I>
where
    I: Iterator + Clone,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}
