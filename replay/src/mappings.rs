//! The mapped address ranges that are live at a moment of the replay, which can be unmapped in parts.

use std::collections::BTreeMap;
use std::ops::Range;

use memprof_channel::ids::Address;

use crate::mapped_sites::{MappedSite, ObjectId};
use crate::slots::{SlotId, SlotNumbers};
use crate::time_bins::BinMark;

/// Live mappings, as disjoint pieces by address.
///
/// A mapping covers whole pages, but only the bytes that were asked for count: a piece of it counts as many bytes as it
/// shares with them. The allocation lives as long as any piece of it is mapped.
///
/// What `sbrk` adds begins and ends within a page. It goes for a mapping up to the end of its last page, until the next
/// one begins there and takes the rest of the page over, of which nothing had counted.
pub struct Mappings {
    page_size: u64,
    /// Piece by first address.
    pieces: BTreeMap<u64, Piece>,
    mappings: Vec<Mapping>,
    /// Entries of `mappings` that are not in use.
    vacant: Vec<MappingId>,
}

/// The number of a mapping, which is given again when nothing is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MappingId(u32);

impl MappingId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy)]
struct Piece {
    end: u64,
    mapping: MappingId,
}

struct Mapping {
    start: u64,
    /// Where the requested bytes end, which may be within the last page.
    requested_end: u64,
    slot: SlotId,
    mark: BinMark,
    shown: Option<MappedSite>,
    pieces: u32,
}

impl Mapping {
    /// What lies between two addresses, which are within it or after its end.
    fn shown_between(&self, from: u64, to: u64) -> Option<Shown> {
        let MappedSite { is_address_space, part } = self.shown?;
        let object = part.map(|part| {
            let at =
                |address: u64| part.offset.saturating_add(address.min(self.requested_end).saturating_sub(self.start));
            (part.object, at(from)..at(to))
        });
        Some(Shown { is_address_space, object })
    }
}

/// What is seen in a piece of a mapping that is no memory of the process's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whether it is counted apart: see [`MappedSite`].
    pub is_address_space: bool,
    /// Which bytes of which object, where others may see them, too.
    pub object: Option<(ObjectId, Range<u64>)>,
}

/// What a release of address space took from one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The mapping.
    pub mapping: MappingId,
    /// What the mapping is attributed to.
    pub slot: SlotId,
    /// What it was entered with.
    pub mark: BinMark,
    /// Requested bytes that are gone.
    pub bytes: u64,
    /// What was seen there, if it is no memory of the process's own.
    pub shown: Option<Shown>,
    /// Whether nothing is left of the mapping.
    pub ended: bool,
}

/// A piece of a mapping that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedPiece {
    /// Its first byte.
    pub address: Address,
    /// How many of the requested bytes it has.
    pub size: u64,
    /// What the mapping is attributed to.
    pub slot: SlotId,
    /// How many bytes after the beginning of the mapping it begins.
    pub offset: u64,
}

impl Mappings {
    /// No mapping yet, in a process with pages of this size.
    #[must_use]
    pub fn new(page_size: u32) -> Self {
        Self {
            page_size: u64::from(page_size.max(1)),
            pieces: BTreeMap::new(),
            mappings: Vec::new(),
            vacant: Vec::new(),
        }
    }

    fn end_of(&self, start: u64, size: u64) -> u64 {
        let end = start.saturating_add(size);
        end.div_ceil(self.page_size).saturating_mul(self.page_size)
    }

    /// Enters a mapping. What was mapped there before must have been unmapped.
    pub fn map(
        &mut self,
        address: Address,
        size: u64,
        slot: SlotId,
        mark: BinMark,
        shown: Option<MappedSite>,
    ) -> MappingId {
        let start = address.0;
        // No system maps nothing; a mapping without bytes would have no piece.
        let end = self.end_of(start, size).max(start.saturating_add(1));
        let mapping = Mapping { start, requested_end: start.saturating_add(size), slot, mark, shown, pieces: 1 };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.mappings[number.index()] = mapping;
                number
            }
            None => {
                self.mappings.push(mapping);
                MappingId(self.mappings.len() as u32 - 1)
            }
        };
        self.pieces.insert(start, Piece { end, mapping: number });
        number
    }

    /// Takes whatever is mapped from `address` on for `size` bytes, up to the end of the last page. Each mapping that
    /// loses a piece is reported to `released`, once for each piece. True when there was one.
    pub fn unmap(&mut self, address: Address, size: u64, mut released: impl FnMut(Released)) -> bool {
        let (start, end) = (address.0, self.end_of(address.0, size));
        let mut any = false;
        if start >= end {
            return any;
        }
        // Only the last piece that begins before the range can reach into it from the left.
        if let Some((&first, &piece)) = self.pieces.range(..start).next_back()
            && piece.end > start
        {
            any = true;
            self.pieces.insert(first, Piece { end: start, ..piece });
            if piece.end > end {
                self.pieces.insert(end, piece);
                self.mappings[piece.mapping.index()].pieces += 1;
            }
            released(self.cut(piece.mapping, start, piece.end.min(end), false));
        }
        while let Some((&first, &piece)) = self.pieces.range(start..end).next() {
            any = true;
            self.pieces.remove(&first);
            let whole = piece.end <= end;
            if !whole {
                self.pieces.insert(end, piece);
            }
            released(self.cut(piece.mapping, first, piece.end.min(end), whole));
        }
        any
    }

    /// Takes everything that is mapped, reported as by [`Self::unmap`].
    pub fn unmap_all(&mut self, mut released: impl FnMut(Released)) {
        for (first, piece) in std::mem::take(&mut self.pieces) {
            released(self.cut(piece.mapping, first, piece.end, true));
        }
    }

    /// Accounts for the loss of `from..to`, which is all of a piece or part of one.
    fn cut(&mut self, number: MappingId, from: u64, to: u64, whole: bool) -> Released {
        let mapping = &mut self.mappings[number.index()];
        mapping.pieces -= u32::from(whole);
        let bytes = to.min(mapping.requested_end).saturating_sub(from);
        let shown = mapping.shown_between(from, to);
        let released = Released {
            mapping: number,
            slot: mapping.slot,
            mark: mapping.mark,
            bytes,
            shown,
            ended: mapping.pieces == 0,
        };
        if released.ended {
            self.vacant.push(number);
        }
        released
    }

    /// Slots have got other numbers.
    pub fn renumber_slots(&mut self, numbers: &SlotNumbers) {
        self.mappings.iter_mut().for_each(|mapping| mapping.slot = numbers.of(mapping.slot));
    }

    /// What is mapped, by address. Mapped again with these sizes, one by one, it would count as much.
    pub fn pieces(&self) -> impl Iterator<Item = MappedPiece> + '_ {
        self.pieces.iter().map(|(&start, piece)| {
            let mapping = &self.mappings[piece.mapping.index()];
            let size = piece.end.min(mapping.requested_end).saturating_sub(start);
            MappedPiece { address: Address(start), size, slot: mapping.slot, offset: start - mapping.start }
        })
    }

    /// Of what is mapped, that which others may see, too.
    pub fn shared(&self) -> impl Iterator<Item = (MappingId, Shown)> + '_ {
        self.pieces.iter().filter_map(|(&start, piece)| {
            let mapping = &self.mappings[piece.mapping.index()];
            let shown = mapping.shown_between(start, piece.end).filter(|shown| shown.object.is_some())?;
            Some((piece.mapping, shown))
        })
    }

    /// Pieces that are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        *self = Self::new(self.page_size as u32);
    }
}
