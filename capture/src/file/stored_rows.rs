//! Rows of tables as they are stored in a file. There may be millions of stacks and of sites, each of them near to one
//! that came just before. Only the distance to that one is stored.

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{FrameId, PartId, StackId};
use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::format::{ChunkKind, LAST_VERSION_WITH_WHOLE_ROWS, LAST_VERSION_WITHOUT_PARTS};
use super::tables::{Code, Frame, MappedPart, Module, SharedPart, Site, StackNode};
use super::varint;

/// A row of a table that is written bit by bit.
pub(super) trait StoredRow: Sized {
    /// The chunks that hold such rows.
    const KIND: ChunkKind;
    /// At most this many rows at once: no chunk comes near the limit on its size.
    const MOST_IN_A_CHUNK: usize = 4096;

    /// What a chunk of these rows holds. The first of them has this number in its table.
    fn encode(first: u64, rows: &[&Self]) -> postcard::Result<Vec<u8>>;
}

macro_rules! listed {
    ($($row:ty: $kind:ident),*) => {
        $(impl StoredRow for $row {
            const KIND: ChunkKind = ChunkKind::$kind;

            fn encode(_first: u64, rows: &[&Self]) -> postcard::Result<Vec<u8>> {
                postcard::to_stdvec(rows)
            }
        })*
    };
}

listed!(Code: Codes, Module: Modules, Frame: Frames, MappedPart: Parts);

/// More rows in a chunk are compressed better: for stacks by a sixth.
const MANY: usize = 1 << 14;

impl StoredRow for StackNode {
    const KIND: ChunkKind = ChunkKind::Stacks;
    const MOST_IN_A_CHUNK: usize = MANY;

    fn encode(first: u64, rows: &[&Self]) -> postcard::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4 * rows.len());
        varint::push(&mut out, rows.len() as u64);
        for (stack, Self { parent, frame }) in numbers(first).zip(rows) {
            varint::push(&mut out, stack.wrapping_sub(parent.0).into());
            varint::push(&mut out, frame.0.into());
        }
        Ok(out)
    }
}

/// The numbers of stacks from this row on. (What goes beyond is damage, and found where rows are put into the table.)
fn numbers(first_row: u64) -> impl Iterator<Item = u32> {
    let first = (first_row as u32).wrapping_add(1);
    (0..).map(move |row: u32| first.wrapping_add(row))
}

impl StoredRow for Site {
    const KIND: ChunkKind = ChunkKind::Sites;
    const MOST_IN_A_CHUNK: usize = MANY;

    fn encode(_first: u64, rows: &[&Self]) -> postcard::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4 * rows.len());
        varint::push(&mut out, rows.len() as u64);
        let mut last = 0;
        for Self { stack, allocator, part } in rows {
            varint::push(&mut out, varint::zigzag(i64::from(stack.0) - last));
            out.push(allocator.code());
            // The number of the part, or one less than that of the first.
            varint::push(&mut out, part.map_or(0, |part| u64::from(part.id().0) + 1));
            last = stack.0.into();
        }
        Ok(out)
    }
}

/// How a file has its stacks and sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// Whole, and sites have no parts: up to version 5.
    WithoutParts,
    /// Whole: up to version 8.
    Whole,
    /// By their distance to others.
    Near,
}

impl RowFormat {
    /// In a file of this version.
    pub const fn of(version: u32) -> Self {
        if version <= LAST_VERSION_WITHOUT_PARTS {
            Self::WithoutParts
        } else if version <= LAST_VERSION_WITH_WHOLE_ROWS {
            Self::Whole
        } else {
            Self::Near
        }
    }

    /// The stacks of a chunk, of which the first is in this row.
    pub fn stacks(self, first: u64, mut payload: &[u8], allowance: &mut Allowance) -> Option<Vec<StackNode>> {
        if self != Self::Near {
            return allowance.rows(payload);
        }
        let count = allowance.count::<StackNode>(&mut payload)?;
        let mut number = || u32::try_from(varint::take(&mut payload)?).ok();
        let row = |stack: u32| {
            let parent = StackId(stack.wrapping_sub(number()?));
            Some(StackNode { parent, frame: FrameId(number()?) })
        };
        numbers(first).take(count).map(row).collect()
    }

    /// The sites of a chunk.
    pub fn sites(self, mut payload: &[u8], allowance: &mut Allowance) -> Option<Vec<Site>> {
        match self {
            Self::WithoutParts => {
                let rows: Vec<SiteWithoutPart> = allowance.rows(payload)?;
                rows.into_iter().map(|row| site(row.stack, row.allocator, None)).collect()
            }
            Self::Whole => {
                let rows: Vec<WholeSite> = allowance.rows(payload)?;
                rows.into_iter().map(|row| site(row.stack, row.allocator, row.part)).collect()
            }
            Self::Near => {
                let count = allowance.count::<Site>(&mut payload)?;
                let mut last = 0_u32;
                let row = |_row| {
                    let distance = varint::unzigzag(varint::take(&mut payload)?);
                    last = u32::try_from(i64::from(last).checked_add(distance)?).ok()?;
                    let (&allocator, rest) = payload.split_first()?;
                    payload = rest;
                    let part = match varint::take(&mut payload)? {
                        0 => None,
                        number => Some(PartId(u32::try_from(number - 1).ok()?)),
                    };
                    site(StackId(last), allocator, part)
                };
                (0..count).map(row).collect()
            }
        }
    }
}

fn site(stack: StackId, allocator: u8, part: Option<PartId>) -> Option<Site> {
    Some(Site { stack, allocator: Allocator::from_code(allocator)?, part: part.map(SharedPart::from) })
}

/// A site as it was stored in files up to version 8.
#[derive(Serialize, Deserialize)]
struct WholeSite {
    stack: StackId,
    allocator: u8,
    part: Option<PartId>,
}

/// A site as it was stored in files up to version 5.
#[derive(Serialize, Deserialize)]
struct SiteWithoutPart {
    stack: StackId,
    allocator: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row_number() -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0..300_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
    }

    fn allowance() -> Allowance {
        Allowance::for_file(1 << 20)
    }

    proptest! {
        /// Also rows that no recorder makes: a damaged capture that is cut or merged keeps what it has.
        #[test]
        fn rows_are_what_they_were(
            first in row_number(),
            nodes in prop::collection::vec((row_number(), row_number()), 0..50),
            sites in prop::collection::vec((row_number(), 0..Allocator::ALL.len(), prop::option::of(0..u32::MAX)), 0..50),
        ) {
            let nodes: Vec<_> =
                nodes.iter().map(|&(parent, frame)| StackNode { parent: StackId(parent), frame: FrameId(frame) }).collect();
            let stored = StackNode::encode(first.into(), &nodes.iter().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(RowFormat::Near.stacks(first.into(), &stored, &mut allowance()), Some(nodes.clone()));
            let whole = postcard::to_stdvec(&nodes).unwrap();
            prop_assert_eq!(RowFormat::Whole.stacks(first.into(), &whole, &mut allowance()), Some(nodes));

            let sites: Vec<Site> = sites.into_iter().map(|(stack, allocator, part)| Site {
                stack: StackId(stack),
                allocator: Allocator::ALL[allocator],
                part: part.map(|part| SharedPart::from(PartId(part))),
            }).collect();
            let stored = Site::encode(first.into(), &sites.iter().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(RowFormat::Near.sites(&stored, &mut allowance()), Some(sites.clone()));
            let rows = sites.iter();
            let whole: Vec<_> = rows
                .map(|site| WholeSite {
                    stack: site.stack,
                    allocator: site.allocator.code(),
                    part: site.part.map(SharedPart::id),
                })
                .collect();
            let whole = postcard::to_stdvec(&whole).unwrap();
            prop_assert_eq!(RowFormat::Whole.sites(&whole, &mut allowance()), Some(sites));
        }

        #[test]
        fn anything_can_be_read(payload: Vec<u8>, first: u64) {
            for format in [RowFormat::WithoutParts, RowFormat::Whole, RowFormat::Near] {
                let _ = format.stacks(first, &payload, &mut allowance());
                let _ = format.sites(&payload, &mut allowance());
            }
        }
    }

    #[test]
    fn what_comes_often_takes_few_bytes() {
        // The callee of the stack before, and another one of the same caller.
        let nodes = [(100_000, 5), (100_001, 6), (100_001, 7)]
            .map(|(parent, frame)| StackNode { parent: StackId(parent), frame: FrameId(frame) });
        assert_eq!(StackNode::encode(100_000, &nodes.each_ref()).unwrap(), [3, 1, 5, 1, 6, 2, 7]);
    }
}
