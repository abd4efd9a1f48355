//! The list of threads, of which one can be looked at alone.

use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use memprof_reporter::report::Report;
use rustc_hash::FxHashMap;

/// The threads of a report, with one that the cursor is on.
pub(crate) struct ThreadMenu {
    /// The names of threads and what they allocated, the largest first.
    pub threads: Vec<(String, Amount)>,
    /// The entry: 0 for all threads, then one for each.
    pub cursor: usize,
}

impl ThreadMenu {
    /// Of all threads. Those that cannot be distinguished by name and number are one.
    pub(crate) fn of(report: &Report, metric: Metric, chosen: Option<&str>) -> Self {
        let mut sums: FxHashMap<String, Amount> = FxHashMap::default();
        for slot in &report.aggregate().slots {
            sums.entry(report.thread_label(slot)).or_default().add(slot.sums[metric]);
        }
        let mut threads: Vec<(String, Amount)> = sums.into_iter().collect();
        threads.sort_by(|a, b| (b.1.bytes, b.1.allocations, &a.0).cmp(&(a.1.bytes, a.1.allocations, &b.0)));
        let cursor = threads.iter().position(|(name, _)| Some(name.as_str()) == chosen).map_or(0, |index| index + 1);
        Self { threads, cursor }
    }

    /// Goes so many entries down.
    pub(crate) fn move_by(&mut self, entries: isize) {
        self.cursor = self.cursor.saturating_add_signed(entries).min(self.threads.len());
    }

    /// The thread that the cursor is on; nothing for all.
    pub(crate) fn chosen(&self) -> Option<String> {
        self.cursor.checked_sub(1).map(|index| self.threads[index].0.clone())
    }
}

/// The slots of one thread, or all.
pub(crate) fn slots_of(report: &Report, thread: Option<&str>) -> Vec<SlotSummary> {
    let slots = report.aggregate().slots.iter();
    slots.filter(|slot| thread.is_none_or(|thread| report.thread_label(slot) == thread)).cloned().collect()
}
