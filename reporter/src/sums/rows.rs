//! Memory by place: what tables and rankings print.

use memprof_capture::allocator::Allocator;
use memprof_capture::file::{Tables, Thread};
use memprof_capture::ids::ThreadId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::naming::places::{PlaceId, Places};
use crate::sums::row_places::RowPlaces;

/// What one thread of a process allocated at one place with one allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where, as the view has it.
    pub place: PlaceId,
    /// How; nothing where a damaged capture lost it.
    pub allocator: Option<Allocator>,
    /// Who.
    pub process: ProcessId,
    /// Which of its threads.
    pub thread: ThreadId,
    /// How much.
    pub amount: Amount,
}

/// What was allocated at one place, by all processes, threads and allocators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// Where, as the view has it.
    pub place: PlaceId,
    /// How much.
    pub amount: Amount,
}

/// How rows are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Most bytes first.
    Bytes,
    /// Most allocations first.
    Allocations,
}

impl Ranking {
    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Allocations => "allocations",
        }
    }

    /// What a larger amount has more of.
    pub(crate) const fn key(self, amount: Amount) -> (u64, u64) {
        match self {
            Self::Bytes => (amount.bytes, amount.allocations),
            Self::Allocations => (amount.allocations, amount.bytes),
        }
    }
}

fn sum_up<K: std::hash::Hash + Eq>(
    tables: &Tables,
    places: &Places,
    row_places: &RowPlaces,
    slots: &[SlotSummary],
    metric: Metric,
    key: impl Fn(PlaceId, Option<Allocator>, (ProcessId, ThreadId)) -> K,
) -> FxHashMap<K, Amount> {
    let mut sums: FxHashMap<K, Amount> = FxHashMap::default();
    for slot in slots {
        let amount = slot.sums[metric];
        if amount.is_zero() {
            continue;
        }
        let site = tables.site(slot.site);
        let place = site.map_or(places.lost_stack(), |site| row_places.get(site.stack));
        sums.entry(key(place, site.map(|site| site.allocator), (slot.process, slot.thread))).or_default().add(amount);
    }
    sums
}

/// The name of a place's file, its line and its function: an order that does not depend on how the run went.
pub(crate) fn alphabetical(places: &Places, place: PlaceId) -> (&str, u32, &str) {
    (places.file(place), places.line(place), places.function(place))
}

/// For each thread, the first one that cannot be told from it. What a thread does at the very end of its life is recorded
/// as if each call were of another thread, with the same id and name. (So has the first thread of a process that becomes
/// another program; but that one is not the same.)
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

/// All rows, most bytes first.
pub(crate) fn rows(
    tables: &Tables,
    places: &Places,
    row_places: &RowPlaces,
    slots: &[SlotSummary],
    metric: Metric,
) -> Vec<Row> {
    let threads = indistinguishable(&tables.threads, slots);
    let sums = sum_up(tables, places, row_places, slots, metric, |place, allocator, (process, thread)| {
        (place, allocator, process, threads.get(thread.index()).copied().unwrap_or(thread))
    });
    let mut rows: Vec<Row> = sums
        .into_iter()
        .map(|((place, allocator, process, thread), amount)| Row { place, allocator, process, thread, amount })
        .collect();
    rows.sort_by(|a, b| {
        let size = Ranking::Bytes.key(b.amount).cmp(&Ranking::Bytes.key(a.amount));
        size.then_with(|| alphabetical(places, a.place).cmp(&alphabetical(places, b.place)))
            .then_with(|| (a.allocator, a.process, a.thread).cmp(&(b.allocator, b.process, b.thread)))
    });
    rows
}

/// The rows by place alone, the first in the ranking first.
pub(crate) fn by_place(
    tables: &Tables,
    places: &Places,
    row_places: &RowPlaces,
    slots: &[SlotSummary],
    metric: Metric,
    ranking: Ranking,
) -> Vec<PlaceRow> {
    let sums = sum_up(tables, places, row_places, slots, metric, |place, _, _| place);
    let mut rows: Vec<PlaceRow> = sums.into_iter().map(|(place, amount)| PlaceRow { place, amount }).collect();
    rows.sort_by(|a, b| {
        let size = ranking.key(b.amount).cmp(&ranking.key(a.amount));
        size.then_with(|| alphabetical(places, a.place).cmp(&alphabetical(places, b.place)))
    });
    rows
}
