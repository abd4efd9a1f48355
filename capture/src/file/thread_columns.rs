//! The events of a chunk as versions 1 to 3 of the format had them: those of one thread, with their addresses. Only
//! read.
//!
//! A payload is one byte of flags (bit 0: stamps are exact), the lengths of the five columns (numbers as in
//! [`varint`](super::varint)), and the columns:
//!
//! 1. operations, a byte an event: the kind in bits 0 to 2 (1 allocation, 2 free, 3 resize, 4 map, 5 unmap), bit 3 if
//!    the site is the one of the event before that had one, bit 4 if the size is the last one of the same site;
//! 2. addresses: the difference to the event before, `d`, as `zigzag(d / 16) * 2` where 16 divides it, else
//!    `zigzag(d) * 2 + 1`;
//! 3. sizes, where bit 4 is not set;
//! 4. sites, where bit 3 is not set: the difference to the one before, `zigzag`;
//! 5. stamps. Exact: the difference to the event before (to the chunk's first stamp, for the first). Otherwise
//!    anchors, each a number of events that follow the anchor before and the time passed since: the events up to the
//!    next anchor have the anchor's stamp. The first anchor is the chunk's first stamp.

use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};

use super::columns::{ALLOCATION, FREE, KIND, LastSizes, MAP, RESIZE, SAME_SITE, SAME_SIZE, UNMAP};
use super::varint::{take, unzigzag};
use crate::event::TimedEvent;

const EXACT: u8 = 1;
const COLUMNS: usize = 5;

/// Reads chunks back. Keeps its memory from one chunk to the next.
#[derive(Default)]
pub struct ThreadColumnDecoder {
    last_sizes: LastSizes,
}

impl ThreadColumnDecoder {
    /// Appends the events of `payload` to `out`. `first` is the chunk's first stamp, `rows` its number of events, and
    /// `sites` the number of sites that the capture knows. Nothing when the payload is malformed; some of its events
    /// may have been appended.
    pub fn decode(
        &mut self,
        payload: &[u8],
        first: Stamp,
        rows: u32,
        sites: usize,
        out: &mut Vec<TimedEvent>,
    ) -> Option<()> {
        let (&flags, mut rest) = payload.split_first()?;
        let mut lengths = [0; COLUMNS];
        for length in &mut lengths {
            *length = usize::try_from(take(&mut rest)?).ok()?;
        }
        let mut columns: [&[u8]; COLUMNS] = [&[]; COLUMNS];
        for (column, length) in columns.iter_mut().zip(lengths) {
            (*column, rest) = rest.split_at_checked(length)?;
        }
        let [operations, mut addresses, mut sizes, mut site_column, mut stamps] = columns;
        if operations.len() != rows as usize || flags & !EXACT != 0 {
            return None;
        }
        self.last_sizes.start_chunk();
        let exact = flags & EXACT != 0;
        let (mut stamp, mut address, mut site) = (first.0, 0_u64, SiteId(0));
        let mut until_anchor = take_anchor(exact, &mut stamps);
        out.reserve(operations.len());
        for &operation in operations {
            if exact {
                stamp = stamp.checked_add(take(&mut stamps)?)?;
            } else if let Some((events, passed)) = until_anchor {
                if events == 0 {
                    stamp = stamp.checked_add(passed)?;
                    until_anchor = take_anchor(exact, &mut stamps);
                }
                until_anchor = until_anchor.map(|(events, passed)| (events.wrapping_sub(1), passed));
            }
            let coded = take(&mut addresses)?;
            let half = unzigzag(coded >> 1);
            let difference = if coded & 1 == 0 { half << 4 } else { half };
            address = address.wrapping_add_signed(difference);
            let at = Address(address);
            let kind = operation & KIND;
            let event = match kind {
                FREE => Event::Free { address: at },
                UNMAP => Event::Unmap { address: at, size: take(&mut sizes)? },
                ALLOCATION | RESIZE | MAP => {
                    if operation & SAME_SITE == 0 {
                        let next = i64::from(site.0).checked_add(unzigzag(take(&mut site_column)?))?;
                        site = SiteId(u32::try_from(next).ok()?);
                    }
                    if site.index() >= sites {
                        return None;
                    }
                    let size = if operation & SAME_SIZE == 0 {
                        let size = take(&mut sizes)?;
                        self.last_sizes.set(site, size);
                        size
                    } else {
                        self.last_sizes.get(site)?
                    };
                    match kind {
                        ALLOCATION => Event::Allocation { address: at, size, site },
                        RESIZE => Event::Resize { address: at, size, site },
                        _ => Event::Map { address: at, size, site },
                    }
                }
                _ => return None,
            };
            out.push(TimedEvent { stamp: Stamp(stamp), event });
        }
        Some(())
    }
}

fn take_anchor(exact: bool, stamps: &mut &[u8]) -> Option<(u64, u64)> {
    if exact { None } else { Some((take(stamps)?, take(stamps)?)) }
}
