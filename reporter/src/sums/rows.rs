//! Memory in rows: what tables and rankings print.

use memprof_capture::file::{Site, Thread};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::ThreadId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::processes::{ProcessId, Processes};
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::naming::places::{PlaceId, Places};
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;
use crate::sums::stack_paths::PathId;

/// How rows are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Most bytes first.
    Bytes,
    /// Most allocations first.
    Allocations,
}

impl Ranking {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Bytes, Self::Allocations];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Allocations => "allocations",
        }
    }

    /// What a larger amount has more of.
    #[must_use]
    pub const fn key(self, amount: Amount) -> (u64, u64) {
        match self {
            Self::Bytes => (amount.bytes, amount.allocations),
            Self::Allocations => (amount.allocations, amount.bytes),
        }
    }
}

/// What was allocated at one place, by all processes, threads and allocators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// Where, as the view has it.
    pub place: PlaceId,
    /// How much.
    pub amount: Amount,
}

/// What was allocated at one place or stack, by what is kept apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub key: RowKey,
    pub amount: Amount,
    /// In how many processes that was.
    pub processes: u64,
    /// In how many threads of all these.
    pub threads: u64,
}

impl AsRef<Self> for Row {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// What distinguishes a row from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    /// Where: a place that represents all that are joined with it. The same in all rows that are not by place.
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
pub(crate) type AllocatorKey = Option<Allocator>;

/// What rows keep apart, besides the place or stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apart {
    pub allocator: bool,
    pub process: bool,
    /// Threads, and so processes.
    pub thread: bool,
}

/// To which rows memory belongs.
pub(crate) struct RowKeys<'a> {
    apart: Apart,
    /// For each thread, the one that represents all that look like it.
    threads: Vec<ThreadId>,
    processes: &'a Processes,
}

impl<'a> RowKeys<'a> {
    /// Of a report.
    pub(crate) fn of(report: &'a Report, apart: Apart) -> Self {
        let threads = indistinguishable(&report.tables().threads, &report.aggregate().slots);
        Self { apart, threads, processes: report.processes() }
    }

    /// The row of a slot's memory, which was allocated there.
    pub(crate) fn get(&self, slot: &SlotSummary, site: Option<Site>, (place, path): (PlaceId, PathId)) -> RowKey {
        let apart = self.apart;
        RowKey {
            place,
            path,
            allocator: apart.allocator.then(|| site.map(|site| site.allocator)),
            process: (apart.process || apart.thread).then(|| self.process(slot)),
            thread: apart.thread.then(|| self.thread(slot)),
        }
    }

    fn process(&self, slot: &SlotSummary) -> ProcessId {
        self.processes.of_slot(slot)
    }

    fn thread(&self, slot: &SlotSummary) -> ThreadId {
        self.threads.get(slot.thread.index()).copied().unwrap_or(slot.thread)
    }
}

/// All rows with anything of a metric, in any order. `at` says where a site's memory was allocated.
pub(crate) fn rows(
    report: &Report,
    metric: Metric,
    keys: &RowKeys,
    at: impl Fn(Option<Site>) -> (PlaceId, PathId),
) -> Vec<Row> {
    let shares = report
        .with_any(metric)
        .map(|(slot, site, amount)| (keys.get(slot, site, at(site)), (keys.process(slot), keys.thread(slot)), amount));
    let mut shares: Vec<(RowKey, (ProcessId, ThreadId), Amount)> = shares.collect();
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

/// Sorts rows: the largest first, and otherwise by name.
pub(crate) fn sort<'a>(rows: &mut [Row], ranking: Ranking, name: impl Fn(&Row) -> (&'a str, u32, &'a str)) {
    rows.sort_by(|a, b| {
        let size = ranking.key(b.amount).cmp(&ranking.key(a.amount));
        size.then_with(|| name(a).cmp(&name(b))).then_with(|| a.key.cmp(&b.key))
    });
}

/// The rows by place alone, the first in the ranking first.
pub(crate) fn by_place(report: &Report, row_places: &RowPlaces, metric: Metric, ranking: Ranking) -> Vec<PlaceRow> {
    let mut sums: FxHashMap<PlaceId, Amount> = FxHashMap::default();
    for (_, site, amount) in report.with_any(metric) {
        sums.entry(row_places.of_site(site)).or_default().add(amount);
    }
    let mut rows: Vec<PlaceRow> = sums.into_iter().map(|(place, amount)| PlaceRow { place, amount }).collect();
    let places = report.places();
    rows.sort_by(|a, b| {
        let size = ranking.key(b.amount).cmp(&ranking.key(a.amount));
        size.then_with(|| alphabetical(places, a.place).cmp(&alphabetical(places, b.place)))
    });
    rows
}

/// The name of a place's file, its line and its function: an order that does not depend on how the run went.
pub(crate) fn alphabetical(places: &Places, place: PlaceId) -> (&str, u32, &str) {
    (places.file(place), places.line(place), places.function(place))
}

/// For each thread, the first one that looks the same in reports. What a thread does at the very end of its life is
/// recorded as if each call were of another thread, with the same id and name. (So has the first thread of a process
/// that becomes another program; but that one is not the same.)
pub(crate) fn indistinguishable(threads: &[Option<Thread>], slots: &[SlotSummary]) -> Vec<ThreadId> {
    let mut images = vec![0; threads.len()];
    for slot in slots {
        if let Some(image) = images.get_mut(slot.thread.index()) {
            *image = slot.image;
        }
    }
    let mut first: FxHashMap<(u32, u32, &str), ThreadId> = FxHashMap::default();
    let numbered = (0..).map(ThreadId).zip(threads).zip(images);
    numbered
        .map(|((number, thread), image)| match thread {
            Some(thread) => *first.entry((image, thread.tid, &thread.name)).or_insert(number),
            None => number,
        })
        .collect()
}
