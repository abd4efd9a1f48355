//! A set of addresses, as the ranges that it consists of.

use core::ops::Range;

use crate::memory::{MappedVec, OutOfMemory, Plain};

/// Addresses from `start` to one before `end`: never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: usize,
    end: usize,
}

// SAFETY: two integers.
unsafe impl Plain for Piece {}

/// The set. Ranges that touch are one piece, so that what lies side by side takes sixteen bytes.
pub struct AddressRanges {
    /// Ascending, with a gap between each two.
    pieces: MappedVec<Piece>,
}

impl AddressRanges {
    /// Nothing, without memory.
    pub const fn new() -> Self {
        Self { pieces: MappedVec::new() }
    }

    /// Adds a range.
    ///
    /// # Errors
    /// There is no memory for it: the set is as it was.
    pub fn insert(&mut self, range: Range<usize>) -> Result<(), OutOfMemory> {
        if range.is_empty() {
            return Ok(());
        }
        let first = self.pieces.partition_point(|piece| piece.end < range.start);
        let after = self.pieces.partition_point(|piece| piece.start <= range.end);
        if first == after {
            return self.insert_piece(first, Piece { start: range.start, end: range.end });
        }
        let (start, end) = (self.pieces[first].start.min(range.start), self.pieces[after - 1].end.max(range.end));
        self.pieces[first] = Piece { start, end };
        self.remove_pieces(first + 1, after);
        Ok(())
    }

    /// Takes a range away. Returns how many bytes of it were there.
    ///
    /// Where it leaves two pieces of one and there is no memory for the second, that one is lost.
    pub fn remove(&mut self, range: Range<usize>) -> usize {
        if range.is_empty() {
            return 0;
        }
        let first = self.pieces.partition_point(|piece| piece.end <= range.start);
        let after = self.pieces.partition_point(|piece| piece.start < range.end);
        if first == after {
            return 0;
        }
        let inside = |piece: &Piece| piece.end.min(range.end) - piece.start.max(range.start);
        let removed = self.pieces[first..after].iter().map(inside).sum();
        let before = Piece { end: range.start, ..self.pieces[first] };
        let rest = Piece { start: range.end, ..self.pieces[after - 1] };
        self.remove_pieces(first, after);
        for piece in [rest, before].into_iter().filter(|piece| piece.start < piece.end) {
            // Only a split needs more room than there was.
            if self.insert_piece(first, piece).is_err() {
                break;
            }
        }
        removed
    }

    fn insert_piece(&mut self, at: usize, piece: Piece) -> Result<(), OutOfMemory> {
        self.pieces.push(piece)?;
        self.pieces[at..].rotate_right(1);
        Ok(())
    }

    fn remove_pieces(&mut self, from: usize, to: usize) {
        self.pieces[from..].rotate_left(to - from);
        self.pieces.truncate(self.pieces.len() - (to - from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn range() -> impl Strategy<Value = Range<usize>> {
        (0..60_usize, 0..12_usize).prop_map(|(start, length)| start..start + length)
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_addresses(steps in proptest::collection::vec((any::<bool>(), range()), 1..80)) {
            let (mut ranges, mut model) = (AddressRanges::new(), BTreeSet::new());
            for (inserts, range) in steps {
                if inserts {
                    model.extend(range.clone());
                    ranges.insert(range).unwrap();
                } else {
                    let gone = range.clone().filter(|address| model.remove(address)).count();
                    prop_assert_eq!(ranges.remove(range), gone);
                }
                let all: Vec<usize> = ranges.pieces.iter().flat_map(|piece| piece.start..piece.end).collect();
                prop_assert!(all.iter().eq(model.iter()));
                prop_assert!(ranges.pieces.windows(2).all(|two| two[0].end < two[1].start));
            }
        }
    }
}
