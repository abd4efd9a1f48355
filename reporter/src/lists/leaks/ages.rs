//! When leaks were allocated, as far as the run was cut into bins of time.

use memprof_channel::allocator::Allocator;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::reading::report::Report;
use crate::sums::stack_paths::{PathId, StackPaths};

/// From the beginning of the bin of the first allocation to the end of that of the last one: seconds since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AllocatedBetween {
    pub from_s: f64,
    pub to_s: f64,
}

/// By stack and allocator. Those of whom it is not known for all they leaked are missing.
pub(super) struct Ages {
    of_group: FxHashMap<(PathId, Option<Allocator>), AllocatedBetween>,
}

impl Ages {
    /// Of a report's leaks: none where it has no bins.
    pub(super) fn of(report: &Report, paths: &StackPaths) -> Self {
        let mut of_group: FxHashMap<_, Option<(usize, usize)>> = FxHashMap::default();
        let Some(bins) = &report.aggregate().bins else { return Self { of_group: FxHashMap::default() } };
        let left = left_of_bins(report);
        for (slot, bins) in report.aggregate().slots.iter().zip(left) {
            if slot.sums.leaked.is_zero() {
                continue;
            }
            let site = report.tables().site(slot.site);
            let key = (paths.of_site(site), site.map(|site| site.allocator));
            // What a process gave up by becoming another program is left, too, but not leaked: then nobody knows.
            let known = (bins.amount == slot.sums.leaked).then_some((bins.first, bins.last));
            of_group
                .entry(key)
                .and_modify(|sum| *sum = sum.zip(known).map(|(sum, known)| (sum.0.min(known.0), sum.1.max(known.1))))
                .or_insert(known);
        }
        let end = report.metadata().duration_s;
        let seconds = |bin| report.clock().seconds(bins.begin_of(bin));
        let between = |(first, last): (usize, usize)| {
            let from_s = seconds(first);
            // The last bin may extend past the end of the run.
            AllocatedBetween { from_s, to_s: seconds(last + 1).min(end).max(from_s) }
        };
        Self { of_group: of_group.into_iter().filter_map(|(key, bins)| Some((key, between(bins?)))).collect() }
    }

    /// Those of a group.
    pub(super) fn get(&self, path: PathId, allocator: Option<Allocator>) -> Option<AllocatedBetween> {
        self.of_group.get(&(path, allocator)).copied()
    }
}

/// What was never freed of what one slot allocated, and the bins in which it did.
#[derive(Clone, Copy, Default)]
struct Left {
    amount: Amount,
    first: usize,
    last: usize,
}

/// By slot.
fn left_of_bins(report: &Report) -> Vec<Left> {
    let mut of_slots = vec![Left::default(); report.aggregate().slots.len()];
    let Some(bins) = &report.aggregate().bins else { return of_slots };
    // By bin: what of it is left, by slot.
    let mut left: Vec<FxHashMap<u32, Amount>> = Vec::with_capacity(bins.count());
    let take = |from: &mut Amount, amount: Amount| {
        from.bytes = from.bytes.saturating_sub(amount.bytes);
        from.allocations = from.allocations.saturating_sub(amount.allocations);
    };
    for bin in bins.bins() {
        for row in &bin.released {
            if let Some(amount) = left.get_mut(row.since as usize).and_then(|of_bin| of_bin.get_mut(&row.slot)) {
                take(amount, row.amount);
            }
        }
        let own = bin.allocated.iter().map(|row| {
            let mut amount = row.allocated;
            take(&mut amount, row.released);
            (row.slot, amount)
        });
        left.push(own.filter(|(_, amount)| !amount.is_zero()).collect());
    }
    for (bin, of_bin) in left.into_iter().enumerate() {
        for (slot, amount) in of_bin {
            let Some(sum) = of_slots.get_mut(slot as usize).filter(|_| !amount.is_zero()) else { continue };
            if sum.amount.is_zero() {
                sum.first = bin;
            }
            sum.amount.add(amount);
            sum.last = bin;
        }
    }
    of_slots
}
