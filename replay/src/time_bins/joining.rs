//! Two neighbouring bins as one.

use super::packed::PackedBin;
use super::{AllocatedRow, Bin, ChangeRow, EndedRow, ReleasedRow};
use crate::slots::Amount;

/// The sum of two amounts; sizes in damaged captures may be anything.
pub(super) const fn sum(a: Amount, b: Amount) -> Amount {
    Amount { bytes: a.bytes.wrapping_add(b.bytes), allocations: a.allocations.wrapping_add(b.allocations) }
}

/// Rows of which some can be one.
pub(super) trait Row: Copy {
    /// What rows that are one have in common, and the order of all.
    type Key: Ord;
    /// This row's.
    fn key(&self) -> Self::Key;
    /// Adds a row of the same key.
    fn add(&mut self, other: &Self);
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
    /// The index of its slot.
    fn slot_mut(&mut self) -> &mut u32;
}

impl Row for AllocatedRow {
    type Key = u32;
    fn key(&self) -> u32 {
        self.slot
    }
    fn add(&mut self, other: &Self) {
        self.allocated = sum(self.allocated, other.allocated);
        self.released = sum(self.released, other.released);
        self.temporary = sum(self.temporary, other.temporary);
    }
    fn is_empty(&self) -> bool {
        self.allocated.is_zero()
    }
    fn slot_mut(&mut self) -> &mut u32 {
        &mut self.slot
    }
}

impl Row for ReleasedRow {
    // In this order rows stay in order when every two bins become one.
    type Key = (u32, bool, u32);
    fn key(&self) -> Self::Key {
        (self.slot, self.temporary, self.since)
    }
    fn add(&mut self, other: &Self) {
        self.amount = sum(self.amount, other.amount);
    }
    fn is_empty(&self) -> bool {
        self.amount.is_zero()
    }
    fn slot_mut(&mut self) -> &mut u32 {
        &mut self.slot
    }
}

impl Row for EndedRow {
    type Key = u32;
    fn key(&self) -> u32 {
        self.slot
    }
    fn add(&mut self, other: &Self) {
        self.amount = sum(self.amount, other.amount);
    }
    fn is_empty(&self) -> bool {
        self.amount.is_zero()
    }
    fn slot_mut(&mut self) -> &mut u32 {
        &mut self.slot
    }
}

impl Row for ChangeRow {
    type Key = u32;
    fn key(&self) -> u32 {
        self.slot
    }
    fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.allocations = self.allocations.wrapping_add(other.allocations);
    }
    fn is_empty(&self) -> bool {
        self.bytes == 0 && self.allocations == 0
    }
    fn slot_mut(&mut self) -> &mut u32 {
        &mut self.slot
    }
}

impl ChangeRow {
    /// More is live.
    pub(super) const fn grow(&mut self, by: Amount) {
        self.bytes = self.bytes.wrapping_add(by.bytes as i64);
        self.allocations = self.allocations.wrapping_add(by.allocations as i64);
    }

    /// Less is live.
    pub(super) const fn shrink(&mut self, by: Amount) {
        self.bytes = self.bytes.wrapping_sub(by.bytes as i64);
        self.allocations = self.allocations.wrapping_sub(by.allocations as i64);
    }

    const fn of(slot: u32, more: Amount, less: Amount) -> Self {
        let mut change = Self { slot, bytes: 0, allocations: 0 };
        change.grow(more);
        change.shrink(less);
        change
    }
}

/// Brings rows in order, those of one key as one.
pub(super) fn combine<R: Row>(rows: &mut Vec<R>) {
    rows.sort_unstable_by_key(Row::key);
    unite(rows);
}

/// Makes rows of one key one, where those of one key are neighbours.
fn unite<R: Row>(rows: &mut Vec<R>) {
    rows.dedup_by(|next, row| {
        let same = next.key() == row.key();
        if same {
            row.add(next);
        }
        same
    });
    rows.retain(|row| !row.is_empty());
}

/// Adds what was released to the rows of the same slots, all in order.
fn add_releases(mut allocated: Vec<AllocatedRow>, released: &[AllocatedRow]) -> Vec<AllocatedRow> {
    let mut released = released.iter().peekable();
    for row in &mut allocated {
        while let Some(release) = released.next_if(|release| release.slot <= row.slot) {
            row.add(release);
        }
    }
    allocated
}

/// The rows of two lists, each in order, as one list.
fn merge<R: Row>(a: &[R], b: &[R]) -> Vec<R> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(first), Some(second)) = (a.peek(), b.peek()) {
        let from_a = first.key() <= second.key();
        merged.extend(if from_a { a.next() } else { b.next() });
    }
    merged.extend(a);
    merged.extend(b);
    unite(&mut merged);
    merged
}

fn renumber<R: Row>(rows: &mut Vec<R>, number_of: impl Fn(u32) -> Option<u32>) {
    rows.retain_mut(|row| {
        let slot = row.slot_mut();
        let number = number_of(*slot);
        *slot = number.unwrap_or_default();
        number.is_some()
    });
    combine(rows);
}

impl Bin {
    pub(super) fn renumber(&mut self, number_of: impl Fn(u32) -> Option<u32>) {
        renumber(&mut self.allocated, &number_of);
        renumber(&mut self.released, &number_of);
        renumber(&mut self.ended, &number_of);
        renumber(&mut self.changes, &number_of);
    }

    /// By how much its end differs from its beginning.
    fn net_changes(&self) -> Vec<ChangeRow> {
        let nothing = Amount::default();
        let allocated = self.allocated.iter().map(|row| ChangeRow::of(row.slot, row.allocated, row.released));
        let released = self.released.iter().map(|row| ChangeRow::of(row.slot, nothing, row.amount));
        let ended = self.ended.iter().map(|row| ChangeRow::of(row.slot, nothing, row.amount));
        let [mut allocated, mut released, ended] = [allocated.collect(), released.collect(), ended.collect::<Vec<_>>()];
        unite(&mut allocated);
        unite(&mut released);
        merge(&merge(&allocated, &released), &ended)
    }

    /// The two as one, which is bin number `index` of all. Both count other bins as if none had been joined.
    fn join(mut self, second: Self, index: u32) -> Self {
        // On a tie the second one's moment is the last, if it came there by a change; if not, both are the same memory.
        let is_second_higher =
            second.highest > self.highest || second.highest == self.highest && second.highest_at.is_some();
        if is_second_higher {
            (self.highest, self.highest_at) = (second.highest, second.highest_at);
            self.changes = merge(&second.changes, &self.net_changes());
        }
        self.allocated = merge(&self.allocated, &second.allocated);
        self.ended = merge(&self.ended, &second.ended);
        // What the second one released of the first one's is within one bin now.
        let (mut within, nothing) = (Vec::new(), Amount::default());
        let mut released = second.released;
        for row in self.released.iter_mut().chain(&mut released) {
            row.since /= 2;
        }
        released.retain(|&ReleasedRow { slot, since, temporary, amount }| {
            if since == index {
                let temporary = if temporary { amount } else { nothing };
                within.push(AllocatedRow { slot, allocated: nothing, released: amount, temporary });
            }
            since != index
        });
        self.released = merge(&self.released, &released);
        self.allocated = add_releases(self.allocated, &within);
        self
    }

    /// Brings its rows in order.
    pub(super) fn tidy(&mut self) {
        combine(&mut self.allocated);
        combine(&mut self.released);
        combine(&mut self.ended);
        combine(&mut self.changes);
    }
}

/// Joins every two bins. A last one that is left over becomes half as full.
pub(super) fn join_pairs(bins: Vec<PackedBin>) -> Vec<PackedBin> {
    let mut joined = Vec::with_capacity(bins.len().div_ceil(2));
    let mut bins = bins.into_iter().map(|bin| bin.unpack());
    while let Some(first) = bins.next() {
        let second = bins.next().unwrap_or_default();
        joined.push(PackedBin::of(&first.join(second, joined.len() as u32)));
    }
    joined
}
