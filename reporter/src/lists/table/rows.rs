//! The rows of a table.

use memprof_capture::allocator::Allocator;
use memprof_capture::file::Site;
use memprof_capture::ids::ThreadId;
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;

use super::by::By;
use crate::naming::places::PlaceId;
use crate::reading::report::Report;
use crate::sums::rows::indistinguishable;
use crate::sums::stack_paths::PathId;

/// What tells a row from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Where: a place that stands for all that is one with it. The same in all rows where nothing tells where.
    pub place: PlaceId,
    /// The stack that ends there, where rows are by stack; else the same in all rows.
    pub path: PathId,
    /// Nothing where all are one.
    pub allocator: Option<AllocatorKey>,
    /// Nothing where all are one.
    pub process: Option<ProcessId>,
    /// Nothing where all are one.
    pub thread: Option<ThreadId>,
}

/// An allocator; nothing where a damaged capture lost it.
pub(super) type AllocatorKey = Option<Allocator>;

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub key: Key,
    pub amount: Amount,
    /// In how many processes that was.
    pub processes: u64,
    /// In how many threads of all these.
    pub threads: u64,
}

/// All rows with anything of a metric, in any order. `at` says where a site's memory was allocated.
pub(super) fn rows(
    report: &Report,
    metric: Metric,
    by: By,
    at: impl Fn(Option<Site>) -> (PlaceId, PathId),
) -> Vec<Row> {
    let tables = report.tables();
    let slots = &report.aggregate.slots;
    let threads = indistinguishable(&tables.threads, slots);
    let shares = slots.iter().filter(|slot| !slot.sums[metric].is_zero()).map(|slot| {
        let site = tables.site(slot.site);
        let thread = threads.get(slot.thread.index()).copied().unwrap_or(slot.thread);
        let (place, path) = at(site);
        let key = Key {
            place,
            path,
            allocator: by.allocator.then(|| site.map(|site| site.allocator)),
            process: (by.process || by.thread).then_some(slot.process),
            thread: by.thread.then_some(thread),
        };
        (key, (slot.process, thread), slot.sums[metric])
    });
    let mut shares: Vec<(Key, (ProcessId, ThreadId), Amount)> = shares.collect();
    shares.sort_unstable_by_key(|&(key, who, _)| (key, who));
    let mut rows: Vec<Row> = Vec::new();
    for of_key in shares.chunk_by(|a, b| a.0 == b.0) {
        let mut row = Row { key: of_key[0].0, amount: Amount::default(), processes: 0, threads: 0 };
        of_key.iter().for_each(|&(.., amount)| row.amount.add(amount));
        row.threads = of_key.chunk_by(|a, b| a.1 == b.1).count() as u64;
        row.processes = of_key.chunk_by(|a, b| a.1.0 == b.1.0).count() as u64;
        rows.push(row);
    }
    rows
}
