//! Reads columns back.

use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};

use super::{
    ADDRESSES, ALLOCATION, ANCHORS, AT_ONCE, BY_DISTANCE, BY_STEP, COLUMNS, DISTANCES, FREE, KIND, LastSizes, MAP,
    NAMING_SHIFT, NEXT, OPERATIONS, RESIZE, SAME_SITE, SAME_SIZE, SITES, SIZES, STEPS, TURNS, UNKNOWN_FREE, UNMAP,
    UNSEEN_FREE,
};
use crate::event::{AllocationNumber, ResolvedEvent, Timed};
use crate::file::varint::{take, unzigzag};

/// The columns contradict themselves or the chunk's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedColumns;

/// Some events by one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The thread.
    pub thread: ThreadId,
    /// How many.
    pub events: u32,
}

/// The events of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// In order.
    pub events: Vec<Timed<ResolvedEvent>>,
    /// By whom they are; of all events.
    pub turns: Vec<Turn>,
}

impl EventBatch {
    /// Drops them, but keeps the room.
    pub fn clear(&mut self) {
        self.events.clear();
        self.turns.clear();
    }
}

/// What a chunk's references must stay below.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sites that the capture knows.
    pub sites: usize,
    /// Threads that it can have.
    pub threads: u32,
}

/// Reads chunks back. Keeps its memory from one chunk to the next.
#[derive(Default)]
pub struct ColumnDecoder {
    last_sizes: LastSizes,
}

impl ColumnDecoder {
    /// Puts the events of `payload` into `out`. `first` is the chunk's first stamp and `rows` its number of events.
    ///
    /// # Errors
    /// When the payload is malformed. What is in `out` then means nothing.
    pub fn decode(
        &mut self,
        payload: &[u8],
        first: Stamp,
        rows: u32,
        limits: Limits,
        out: &mut EventBatch,
    ) -> Result<(), MalformedColumns> {
        out.clear();
        self.decode_columns(payload, first, rows, limits, out).ok_or(MalformedColumns)
    }

    fn decode_columns(
        &mut self,
        mut payload: &[u8],
        first: Stamp,
        rows: u32,
        limits: Limits,
        out: &mut EventBatch,
    ) -> Option<()> {
        let first_number = take(&mut payload)?;
        // Every event has a number at most.
        first_number.checked_add(u64::from(rows))?;
        let mut lengths = [0; COLUMNS];
        for length in &mut lengths {
            *length = usize::try_from(take(&mut payload)?).ok()?;
        }
        let mut columns: [&[u8]; COLUMNS] = [&[]; COLUMNS];
        for (column, length) in columns.iter_mut().zip(lengths) {
            (*column, payload) = payload.split_at_checked(length)?;
        }
        let operations = columns[OPERATIONS];
        if operations.len() != rows as usize {
            return None;
        }
        take_turns(columns[TURNS], rows, limits.threads, &mut out.turns)?;
        self.last_sizes.start_chunk();
        let sizes = &mut self.last_sizes;
        let mut block = Blocks { next: first_number, named: first_number };
        let (mut stamp, mut address, mut site) = (first, Address(0), SiteId(0));
        let mut until_anchor = take_anchor(&mut columns[ANCHORS]);
        out.events.reserve(operations.len());
        for &operation in operations {
            if let Some((events, passed)) = until_anchor {
                if events == 0 {
                    stamp = Stamp(stamp.0.checked_add(passed)?);
                    until_anchor = take_anchor(&mut columns[ANCHORS]);
                }
                until_anchor = until_anchor.map(|(events, passed)| (events.wrapping_sub(1), passed));
            }
            let kind = operation & KIND;
            let event = match kind {
                FREE => ResolvedEvent::Free { number: block.freed(operation >> NAMING_SHIFT, &mut columns)? },
                UNSEEN_FREE => ResolvedEvent::UnseenFree { number: block.step(&mut columns)? },
                UNKNOWN_FREE => ResolvedEvent::UnknownFree { address: take_address(&mut address, &mut columns)? },
                UNMAP => {
                    let address = take_address(&mut address, &mut columns)?;
                    ResolvedEvent::Unmap { address, size: take(&mut columns[SIZES])? }
                }
                ALLOCATION | RESIZE | MAP => {
                    if operation & SAME_SITE == 0 {
                        let next = i64::from(site.0).checked_add(unzigzag(take(&mut columns[SITES])?))?;
                        site = SiteId(u32::try_from(next).ok()?);
                    }
                    if site.index() >= limits.sites {
                        return None;
                    }
                    let size = if operation & SAME_SIZE == 0 {
                        let size = take(&mut columns[SIZES])?;
                        sizes.set(site, size);
                        size
                    } else {
                        sizes.get(site)?
                    };
                    match kind {
                        ALLOCATION => ResolvedEvent::Allocation { number: block.new_one(), size, site },
                        RESIZE => {
                            let old = block.step(&mut columns)?;
                            ResolvedEvent::Resize { old, number: block.new_one(), size, site }
                        }
                        _ => ResolvedEvent::Map { address: take_address(&mut address, &mut columns)?, size, site },
                    }
                }
                _ => return None,
            };
            out.events.push(Timed { stamp, event });
        }
        Some(())
    }
}

/// How the blocks of a chunk are named.
struct Blocks {
    /// The number of the next allocation.
    next: u64,
    /// The block that was named last.
    named: u64,
}

impl Blocks {
    #[inline]
    const fn new_one(&mut self) -> AllocationNumber {
        let number = AllocationNumber(self.next);
        self.next += 1;
        number
    }

    #[inline]
    fn freed(&mut self, naming: u8, columns: &mut [&[u8]; COLUMNS]) -> Option<AllocationNumber> {
        let distance = match naming {
            BY_STEP => return self.step(columns),
            NEXT => return self.known(self.named.checked_add(1)?),
            BY_DISTANCE => take(&mut columns[DISTANCES])?,
            _ => u64::from(naming - AT_ONCE),
        };
        self.known(self.next.checked_sub(distance.checked_add(1)?)?)
    }

    #[inline]
    fn step(&mut self, columns: &mut [&[u8]; COLUMNS]) -> Option<AllocationNumber> {
        let step = unzigzag(take(&mut columns[STEPS])?);
        self.known(self.named.checked_add_signed(step)?)
    }

    /// Only blocks that have been allocated can be named.
    #[inline]
    fn known(&mut self, number: u64) -> Option<AllocationNumber> {
        self.named = number;
        (number < self.next).then_some(AllocationNumber(number))
    }
}

#[inline]
fn take_address(address: &mut Address, columns: &mut [&[u8]; COLUMNS]) -> Option<Address> {
    *address = Address(address.0.wrapping_add_signed(unzigzag(take(&mut columns[ADDRESSES])?)));
    Some(*address)
}

fn take_anchor(anchors: &mut &[u8]) -> Option<(u64, u64)> {
    Some((take(anchors)?, take(anchors)?))
}

fn take_turns(mut column: &[u8], rows: u32, most_threads: u32, turns: &mut Vec<Turn>) -> Option<()> {
    let (mut thread, mut left) = (0_i64, rows);
    while left > 0 {
        thread = thread.checked_add(unzigzag(take(&mut column)?))?;
        let events = u32::try_from(take(&mut column)?).ok().filter(|&events| events > 0)?;
        left = left.checked_sub(events)?;
        let thread = u32::try_from(thread).ok().filter(|&thread| thread < most_threads)?;
        turns.push(Turn { thread: ThreadId(thread), events });
    }
    Some(())
}
