//! The figures of a range of bins, as a page has them from the rows.

use std::collections::BTreeMap;

use memprof_channel::ids::Stamp;
use memprof_replay::slots::Amount;
use memprof_replay::time_bins::{Bin, TimeBins};

/// What a slot has of each metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub total: Amount,
    pub leaked: Amount,
    pub temporary: Amount,
    pub peak: Amount,
}

/// The figures of a range by slot, without those that have nothing; its highest total, and when that was.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub slots: BTreeMap<u32, Figures>,
    pub highest: u64,
    pub at: Option<Stamp>,
}

pub fn grow(amount: &mut Amount, by: Amount) {
    amount.bytes += by.bytes;
    amount.allocations += by.allocations;
}

pub fn shrink(amount: &mut Amount, by: Amount) {
    amount.bytes -= by.bytes;
    amount.allocations -= by.allocations;
}

impl Range {
    pub fn of(&mut self, slot: u32) -> &mut Figures {
        self.slots.entry(slot).or_default()
    }

    pub fn without_nothing(mut self) -> Self {
        self.slots.retain(|_, figures| *figures != Figures::default());
        self
    }
}

/// The figures of a range as the page has them: from the rows of its bins and of those before.
pub fn from_rows(bins: &TimeBins, from: usize, to: usize) -> Range {
    let mut range = Range::default();
    let mut top = from;
    let unpacked: Vec<Bin> = bins.bins().collect();
    for (bin, this) in unpacked.iter().enumerate().take(to).skip(from) {
        let Range { highest, .. } = range;
        if this.highest > highest || this.highest == highest && this.highest_at.is_some() {
            (range.highest, range.at, top) = (this.highest, this.highest_at, bin);
        }
        for row in &this.allocated {
            let figures = range.of(row.slot);
            grow(&mut figures.total, row.allocated);
            grow(&mut figures.leaked, row.allocated);
            shrink(&mut figures.leaked, row.released);
            grow(&mut figures.temporary, row.temporary);
        }
        for row in this.released.iter().filter(|row| row.since as usize >= from) {
            let figures = range.of(row.slot);
            shrink(&mut figures.leaked, row.amount);
            if row.temporary {
                grow(&mut figures.temporary, row.amount);
            }
        }
    }
    for before in &unpacked[..top] {
        for row in &before.allocated {
            grow(&mut range.of(row.slot).peak, row.allocated);
            shrink(&mut range.of(row.slot).peak, row.released);
        }
        before.released.iter().for_each(|row| shrink(&mut range.of(row.slot).peak, row.amount));
        before.ended.iter().for_each(|row| shrink(&mut range.of(row.slot).peak, row.amount));
    }
    for row in &unpacked[top].changes {
        let peak = &mut range.of(row.slot).peak;
        peak.bytes = peak.bytes.checked_add_signed(row.bytes).expect("no less than nothing");
        peak.allocations = peak.allocations.checked_add_signed(row.allocations).expect("no less than nothing");
    }
    range.without_nothing()
}
