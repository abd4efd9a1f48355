//! A bin in few bytes: a long run of a program without a pattern has millions of rows, and needs one bin at a time.

use memprof_capture::file::varint::{push, take, unzigzag, zigzag};
use memprof_channel::ids::Stamp;

use super::{AllocatedRow, Bin, ChangeRow, EndedRow, Fate, ReleasedRow};
use crate::slots::Amount;

/// The rows of a bin as varints, some seven bytes a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackedBin {
    pub highest: u64,
    pub highest_at: Option<Stamp>,
    allocated: u32,
    released: u32,
    ended: u32,
    changes: u32,
    bytes: Box<[u8]>,
}

impl PackedBin {
    pub const fn rows(&self) -> usize {
        self.allocated as usize + self.released as usize + self.ended as usize + self.changes as usize
    }

    pub fn of(bin: &Bin) -> Self {
        let mut packer = Packer::default();
        for row in &bin.allocated {
            let fate = row.fate();
            packer.slot(row.slot);
            packer.number(row.allocated.allocations << 2 | fate as u64);
            packer.number(row.allocated.bytes);
            if fate == Fate::Mixed {
                packer.amount(row.released);
                packer.amount(row.temporary);
            }
        }
        packer.next_list();
        for row in &bin.released {
            packer.slot(row.slot);
            packer.number(u64::from(row.since) << 1 | u64::from(row.temporary));
            packer.amount(row.amount);
        }
        packer.next_list();
        for row in &bin.ended {
            packer.slot(row.slot);
            packer.amount(row.amount);
        }
        packer.next_list();
        for row in &bin.changes {
            packer.slot(row.slot);
            packer.number(zigzag(row.bytes));
            packer.number(zigzag(row.allocations));
        }
        Self {
            highest: bin.highest,
            highest_at: bin.highest_at,
            allocated: bin.allocated.len() as u32,
            released: bin.released.len() as u32,
            ended: bin.ended.len() as u32,
            changes: bin.changes.len() as u32,
            bytes: packer.bytes.into(),
        }
    }

    pub fn unpack(&self) -> Bin {
        let mut unpacker = Unpacker { bytes: &self.bytes, slot: 0 };
        let mut bin = Bin { highest: self.highest, highest_at: self.highest_at, ..Bin::default() };
        bin.allocated.extend((0..self.allocated).map(|_| {
            let slot = unpacker.slot();
            let head = unpacker.number();
            let allocated = Amount { bytes: unpacker.number(), allocations: head >> 2 };
            let (released, temporary) = match Fate::ALL[(head & 3) as usize] {
                Fate::Kept => (Amount::default(), Amount::default()),
                Fate::Released => (allocated, Amount::default()),
                Fate::Temporary => (allocated, allocated),
                Fate::Mixed => (unpacker.amount(), unpacker.amount()),
            };
            AllocatedRow { slot, allocated, released, temporary }
        }));
        unpacker.slot = 0;
        bin.released.extend((0..self.released).map(|_| {
            let (slot, since) = (unpacker.slot(), unpacker.number());
            let (since, temporary) = ((since >> 1) as u32, since & 1 == 1);
            ReleasedRow { slot, since, temporary, amount: unpacker.amount() }
        }));
        unpacker.slot = 0;
        bin.ended.extend((0..self.ended).map(|_| EndedRow { slot: unpacker.slot(), amount: unpacker.amount() }));
        unpacker.slot = 0;
        bin.changes.extend((0..self.changes).map(|_| {
            let (slot, bytes) = (unpacker.slot(), unzigzag(unpacker.number()));
            ChangeRow { slot, bytes, allocations: unzigzag(unpacker.number()) }
        }));
        bin
    }
}

#[derive(Default)]
struct Packer {
    bytes: Vec<u8>,
    slot: u32,
}

impl Packer {
    fn number(&mut self, number: u64) {
        push(&mut self.bytes, number);
    }

    /// Rows are in the order of their slots.
    fn slot(&mut self, slot: u32) {
        let last = std::mem::replace(&mut self.slot, slot);
        self.number(u64::from(slot - last));
    }

    fn amount(&mut self, amount: Amount) {
        self.number(amount.bytes);
        self.number(amount.allocations);
    }

    const fn next_list(&mut self) {
        self.slot = 0;
    }
}

/// Reads what a [`Packer`] has written, and as much of it.
struct Unpacker<'a> {
    bytes: &'a [u8],
    slot: u32,
}

impl Unpacker<'_> {
    fn number(&mut self) -> u64 {
        take(&mut self.bytes).unwrap_or_default()
    }

    fn slot(&mut self) -> u32 {
        self.slot += self.number() as u32;
        self.slot
    }

    fn amount(&mut self) -> Amount {
        Amount { bytes: self.number(), allocations: self.number() }
    }
}
