//! Gathers events into columns.

use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};

use super::{
    ADDRESSES, ALLOCATION, ANCHORS, AT_ONCE, BY_DISTANCE, BY_STEP, COLUMNS, DISTANCES, FREE, MAP, MOST_AT_ONCE,
    NAMING_SHIFT, NEXT, OPERATIONS, RESIZE, RecentSizes, SAME_SITE, SAME_SIZE, SITES, SIZES, STEPS, TURNS,
    UNKNOWN_FREE, UNMAP, UNSEEN_FREE,
};
use crate::event::{AllocationNumber, ResolvedEvent};
use crate::file::varint::{push, zigzag};

/// Gathers the events of a process image into a chunk's columns.
pub struct ColumnEncoder {
    /// The least time between two anchors, in stamp units.
    precision: u64,
    columns: [Vec<u8>; COLUMNS],
    /// This chunk's number in [`RecentSizes`].
    chunk: u32,
    first_number: AllocationNumber,
    /// The number of the next allocation.
    next: AllocationNumber,
    named: AllocationNumber,
    last_site: SiteId,
    last_address: Address,
    thread: ThreadId,
    /// The thread before the present one.
    thread_before: ThreadId,
    in_turn: u64,
    first: Stamp,
    last: Stamp,
    anchor: Stamp,
    since_anchor: u64,
    allocations: u64,
}

impl ColumnEncoder {
    /// An encoder that keeps stamps to within `precision` stamp units; 1 keeps them exactly.
    #[must_use]
    pub fn new(precision: u64) -> Self {
        Self {
            precision: precision.max(1),
            columns: Default::default(),
            chunk: 0,
            first_number: AllocationNumber(0),
            next: AllocationNumber(0),
            named: AllocationNumber(0),
            last_site: SiteId(0),
            last_address: Address(0),
            thread: ThreadId(0),
            thread_before: ThreadId(0),
            in_turn: 0,
            first: Stamp(0),
            last: Stamp(0),
            anchor: Stamp(0),
            since_anchor: 0,
            allocations: 0,
        }
    }

    /// Events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns[OPERATIONS].len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns[OPERATIONS].is_empty()
    }

    /// Events so far that allocated.
    #[must_use]
    pub const fn allocations(&self) -> u64 {
        self.allocations
    }

    /// Releases memory that an empty encoder holds in reserve.
    pub fn shrink(&mut self) {
        self.columns.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// The first event's stamp.
    #[must_use]
    pub const fn first(&self) -> Stamp {
        self.first
    }

    /// The last event's stamp.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// Says who made the events that follow.
    #[inline]
    pub fn turn_to(&mut self, thread: ThreadId) {
        if thread != self.thread {
            self.end_turn();
            self.thread = thread;
        }
    }

    fn end_turn(&mut self) {
        if self.in_turn > 0 {
            let step = zigzag(i64::from(self.thread.0) - i64::from(self.thread_before.0));
            push(&mut self.columns[TURNS], step);
            push(&mut self.columns[TURNS], self.in_turn);
            (self.thread_before, self.in_turn) = (self.thread, 0);
        }
    }

    /// Appends an event. Stamps do not go back; one that does is taken for the one before.
    #[inline(always)]
    pub fn push(&mut self, stamp: Stamp, event: ResolvedEvent, sizes: &mut RecentSizes) {
        if self.is_empty() {
            self.begin(stamp, event, sizes);
        }
        self.push_stamp(stamp.max(self.last));
        self.in_turn += 1;
        let operation = match event {
            ResolvedEvent::Allocation { number, size, site } => {
                self.next = AllocationNumber(number.0 + 1);
                ALLOCATION | self.push_block(site, size, sizes)
            }
            ResolvedEvent::Free { number } => FREE | self.name(number) << NAMING_SHIFT,
            ResolvedEvent::Resize { old, number, size, site } => {
                self.step_to(old);
                self.next = AllocationNumber(number.0 + 1);
                RESIZE | self.push_block(site, size, sizes)
            }
            ResolvedEvent::Map { address, size, site } => {
                self.push_address(address);
                MAP | self.push_block(site, size, sizes)
            }
            ResolvedEvent::Unmap { address, size } => {
                self.push_address(address);
                push(&mut self.columns[SIZES], size);
                UNMAP
            }
            ResolvedEvent::UnknownFree { address } => {
                self.push_address(address);
                UNKNOWN_FREE
            }
            ResolvedEvent::UnseenFree { number } => {
                self.step_to(number);
                UNSEEN_FREE
            }
        };
        self.columns[OPERATIONS].push(operation);
    }

    #[cold]
    fn begin(&mut self, stamp: Stamp, event: ResolvedEvent, sizes: &mut RecentSizes) {
        (self.first, self.last, self.anchor) = (stamp, stamp, stamp);
        self.chunk = sizes.next_chunk();
        if let ResolvedEvent::Allocation { number, .. } | ResolvedEvent::Resize { number, .. } = event {
            self.next = number;
        }
        (self.first_number, self.named) = (self.next, self.next);
    }

    /// The way in which a freed block is named: as near as possible to what came before.
    #[inline(always)]
    fn name(&mut self, number: AllocationNumber) -> u8 {
        let distance = self.next.0 - 1 - number.0;
        if distance <= MOST_AT_ONCE {
            self.named = number;
            return AT_ONCE + distance as u8;
        }
        if number.0 == self.named.0 + 1 {
            self.named = number;
            return NEXT;
        }
        let step = zigzag(number.0.wrapping_sub(self.named.0).cast_signed());
        self.named = number;
        if distance <= step {
            push(&mut self.columns[DISTANCES], distance);
            return BY_DISTANCE;
        }
        push(&mut self.columns[STEPS], step);
        BY_STEP
    }

    fn step_to(&mut self, number: AllocationNumber) {
        push(&mut self.columns[STEPS], zigzag(number.0.wrapping_sub(self.named.0).cast_signed()));
        self.named = number;
    }

    #[inline(always)]
    fn push_block(&mut self, site: SiteId, size: u64, sizes: &mut RecentSizes) -> u8 {
        let mut flags = 0;
        self.allocations += 1;
        if sizes.is_again(site, size, self.chunk) {
            flags |= SAME_SIZE;
        } else {
            push(&mut self.columns[SIZES], size);
        }
        if site == self.last_site {
            flags |= SAME_SITE;
        } else {
            push(&mut self.columns[SITES], zigzag(i64::from(site.0) - i64::from(self.last_site.0)));
            self.last_site = site;
        }
        flags
    }

    fn push_address(&mut self, address: Address) {
        push(&mut self.columns[ADDRESSES], zigzag(address.0.wrapping_sub(self.last_address.0).cast_signed()));
        self.last_address = address;
    }

    #[inline(always)]
    fn push_stamp(&mut self, stamp: Stamp) {
        if stamp.0 - self.anchor.0 >= self.precision {
            push(&mut self.columns[ANCHORS], self.since_anchor);
            push(&mut self.columns[ANCHORS], stamp.0 - self.anchor.0);
            (self.anchor, self.since_anchor) = (stamp, 0);
        }
        self.since_anchor += 1;
        self.last = stamp;
    }

    /// Appends the payload to `out` and starts the next chunk.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_turn();
        push(out, self.first_number.0);
        for column in &self.columns {
            push(out, column.len() as u64);
        }
        for column in &self.columns {
            out.extend_from_slice(column);
        }
        self.columns.iter_mut().for_each(Vec::clear);
        (self.last_site, self.last_address) = (SiteId(0), Address(0));
        self.thread_before = ThreadId(0);
        (self.since_anchor, self.allocations) = (0, 0);
    }
}
