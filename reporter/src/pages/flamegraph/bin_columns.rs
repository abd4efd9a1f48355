//! The run in bins as columns of the page, from which it has the figures of any range of time.
//!
//! Rows come bin after bin, in each by cell; four columns say how many rows of each kind every bin has. A row names its
//! cell by the difference to the row before, the first one of a bin by its number.

use memprof_replay::slots::Amount;
use memprof_replay::time_bins::{Bin, Fate, TimeBins};
use serde::Serialize;

use crate::pages::page::{Columns, GrowingColumn};
use crate::reading::report::Report;

/// More rows than these, some 14 MB, make a page slow to open: then bins are longer.
const MOST_ROWS: usize = 4_000_000;

/// What a page says of all bins.
#[derive(Serialize)]
pub(super) struct BinsHead {
    /// How long each is.
    width_s: f64,
    /// The highest live total in each.
    highest: Vec<u64>,
    /// When it was last reached by a change; nothing where the bin began with it and did not come back to it.
    highest_at_s: Vec<Option<f64>>,
}

/// Numbers of cells, each by the one before it in its bin.
#[derive(Default)]
struct Cells {
    rows: GrowingColumn,
    steps: GrowingColumn,
    last: u32,
}

impl Cells {
    fn begin_bin(&mut self, rows: usize) {
        self.rows.push(rows as u64);
        self.last = 0;
    }

    fn push(&mut self, cell: u32) {
        self.steps.push(cell - self.last);
        self.last = cell;
    }

    fn add_to(self, columns: &mut Columns, rows: &str, steps: &str) {
        columns.add(rows, self.rows);
        columns.add(steps, self.steps);
    }
}

#[derive(Default)]
struct Amounts {
    bytes: GrowingColumn,
    allocations: GrowingColumn,
}

impl Amounts {
    fn push(&mut self, amount: Amount) {
        self.bytes.push(amount.bytes);
        self.allocations.push(amount.allocations);
    }

    fn add_to(self, columns: &mut Columns, bytes: &str, allocations: &str) {
        columns.add(bytes, self.bytes);
        columns.add(allocations, self.allocations);
    }
}

/// The columns while they grow.
struct Growing {
    allocated: Cells,
    allocated_bytes: GrowingColumn,
    /// How many allocations, times 4, and what became of them (`Fate`).
    allocated_heads: GrowingColumn,
    /// For rows of mixed fate only: what was released within the bin, and of this what was temporary.
    mixed_released: Amounts,
    mixed_temporary: Amounts,
    released: Cells,
    released_amounts: Amounts,
    /// How many bins ago it was allocated, times 2, and 1 more if it was temporary.
    released_heads: GrowingColumn,
    ended: Cells,
    ended_amounts: Amounts,
    changes: Cells,
    changed_bytes: GrowingColumn,
    changed_allocations: GrowingColumn,
}

impl Growing {
    fn new() -> Self {
        Self {
            allocated: Cells::default(),
            allocated_bytes: GrowingColumn::default(),
            allocated_heads: GrowingColumn::default(),
            mixed_released: Amounts::default(),
            mixed_temporary: Amounts::default(),
            released: Cells::default(),
            released_amounts: Amounts::default(),
            released_heads: GrowingColumn::default(),
            ended: Cells::default(),
            ended_amounts: Amounts::default(),
            changes: Cells::default(),
            changed_bytes: GrowingColumn::signed(),
            changed_allocations: GrowingColumn::signed(),
        }
    }

    fn push(&mut self, number: u32, bin: &Bin) {
        self.allocated.begin_bin(bin.allocated.len());
        for row in &bin.allocated {
            let fate = row.fate();
            self.allocated.push(row.slot);
            self.allocated_heads.push(row.allocated.allocations << 2 | fate as u64);
            self.allocated_bytes.push(row.allocated.bytes);
            if fate == Fate::Mixed {
                self.mixed_released.push(row.released);
                self.mixed_temporary.push(row.temporary);
            }
        }
        self.released.begin_bin(bin.released.len());
        for row in &bin.released {
            self.released.push(row.slot);
            self.released_heads.push((number - row.since) << 1 | u32::from(row.temporary));
            self.released_amounts.push(row.amount);
        }
        self.ended.begin_bin(bin.ended.len());
        for row in &bin.ended {
            self.ended.push(row.slot);
            self.ended_amounts.push(row.amount);
        }
        self.changes.begin_bin(bin.changes.len());
        for row in &bin.changes {
            self.changes.push(row.slot);
            self.changed_bytes.push_signed(row.bytes);
            self.changed_allocations.push_signed(row.allocations);
        }
    }

    fn add_to(self, columns: &mut Columns) {
        self.allocated.add_to(columns, "bins.allocated_rows", "bins.allocated_step");
        columns.add("bins.allocated_head", self.allocated_heads);
        columns.add("bins.allocated_bytes", self.allocated_bytes);
        self.mixed_released.add_to(columns, "bins.mixed_released_bytes", "bins.mixed_released_allocations");
        self.mixed_temporary.add_to(columns, "bins.mixed_temporary_bytes", "bins.mixed_temporary_allocations");
        self.released.add_to(columns, "bins.released_rows", "bins.released_step");
        columns.add("bins.released_head", self.released_heads);
        self.released_amounts.add_to(columns, "bins.released_bytes", "bins.released_allocations");
        self.ended.add_to(columns, "bins.ended_rows", "bins.ended_step");
        self.ended_amounts.add_to(columns, "bins.ended_bytes", "bins.ended_allocations");
        self.changes.add_to(columns, "bins.changed_rows", "bins.changed_step");
        columns.add("bins.changed_bytes", self.changed_bytes);
        columns.add("bins.changed_allocations", self.changed_allocations);
    }
}

/// Writes the columns.
pub(super) fn write(report: &Report, bins: TimeBins, cell_of_slot: &[u32], columns: &mut Columns) -> BinsHead {
    let bins = bins.renumbered(|slot| cell_of_slot.get(slot as usize).copied()).with_at_most(MOST_ROWS);
    let mut growing = Growing::new();
    for (number, bin) in (0..).zip(bins.bins()) {
        growing.push(number, &bin);
    }
    growing.add_to(columns);
    let end = report.clock().seconds(bins.begin_of(bins.count()));
    BinsHead {
        width_s: end / bins.count().max(1) as f64,
        highest: bins.highest().map(|(bytes, _)| bytes).collect(),
        highest_at_s: bins.highest().map(|(_, at)| at.map(|at| report.clock().seconds(at))).collect(),
    }
}
