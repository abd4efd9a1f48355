//! What a report has for a tree of its calls.

use memprof_capture::file::Tables;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::processes::Processes;
use memprof_replay::time_bins::TimeBins;

use super::Report;
use crate::naming::places::Places;
use crate::reading::query::Query;

/// What a tree of calls is made of.
pub(crate) struct TreeSource<'a> {
    pub tables: &'a Tables,
    /// Those of frames. The tree adds places of its own.
    pub places: &'a mut Places,
    pub processes: &'a Processes,
    pub slots: &'a [SlotSummary],
    pub query: &'a Query,
}

impl Report {
    /// What a tree of its calls is made of.
    pub(crate) fn tree_source(&mut self) -> TreeSource<'_> {
        let Self { reader, places, processes, aggregate, query, .. } = self;
        TreeSource { tables: reader.tables(), places, processes, slots: &aggregate.slots, query }
    }

    /// Takes the slots, for what needs no other memory for them: nobody may ask for them any more.
    pub(crate) fn take_slots(&mut self) -> Vec<SlotSummary> {
        std::mem::take(&mut self.aggregate.slots)
    }

    /// Takes the bins likewise, where there are some.
    pub(crate) const fn take_bins(&mut self) -> Option<TimeBins> {
        self.aggregate.bins.take()
    }
}
