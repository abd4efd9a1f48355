//! The events of a report's capture, read once more: for formats that have all of them, and for sums that take too much
//! memory to be kept from the first time.

use std::io;

use memprof_capture::file::site_numbers::SiteWindow;
use memprof_channel::ids::{SiteId, ThreadId};
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::allocation_sizes::AllocationSizes;
use memprof_replay::event_sink::EventSink;
use memprof_replay::merge::merge;
use memprof_replay::replay::{end_of, replay};

use super::{Report, ReportError};
use crate::naming::places::Places;
use crate::reading::query::{Query, SlotFilter};

impl Report {
    /// Reads the events of its processes once more, in their order, into the sink that `sink` makes. Returns this.
    ///
    /// # Errors
    /// When the capture cannot be read any more, or is aggregated and has no events.
    pub(crate) fn read_events<'a, S: EventSink>(&'a mut self, sink: impl FnOnce(&'a Places) -> S) -> io::Result<S> {
        let (mut sink, end) = (sink(&self.places), end_of(&self.reader));
        merge(&mut self.reader, &self.processes, end, &mut sink)?;
        Ok(sink)
    }

    /// The slots of another replay of the same events, in which only the sites of a window have slots of their own.
    ///
    /// # Errors
    /// When the capture cannot be read any more.
    pub(crate) fn slots_in_window(&mut self, window: SiteWindow) -> Result<Vec<SlotSummary>, ReportError> {
        let Self { reader, processes, query, clock, metadata, .. } = self;
        let settings = query.settings(clock, metadata.duration_s);
        reader.set_site_window(window);
        let aggregate = reader.reread(|reader| replay(reader, processes, &settings));
        Ok(aggregate.map_err(|error| ReportError::reading(reader.path(), error))?.slots)
    }

    /// How large the allocations of a query were. Reads the events of the capture once more.
    ///
    /// # Errors
    /// When the capture cannot be read any more.
    pub fn allocation_sizes(&mut self, query: &Query) -> Result<AllocationSizes, ReportError> {
        let settings = query.settings(&self.clock, self.metadata.duration_s);
        let filter = SlotFilter::of(query, self.reader.tables(), &self.places);
        let tables = self.reader.tables();
        let threads: Vec<bool> =
            (0..tables.threads.len()).map(|thread| filter.admits_thread(ThreadId::from_index(thread))).collect();
        let sites: Vec<bool> =
            (0..tables.sites.len()).map(|site| filter.admits_site(SiteId::from_index(site))).collect();
        // What the capture does not know, as far as the filter lets such things through.
        let (other_threads, other_sites) =
            (query.threads.is_empty(), query.allocators.is_empty() && query.only.is_empty());
        let admits = |thread: ThreadId, site: SiteId| {
            threads.get(thread.index()).copied().unwrap_or(other_threads)
                && sites.get(site.index()).copied().unwrap_or(other_sites)
        };
        AllocationSizes::of(&mut self.reader, &self.processes, settings.range, admits)
            .map_err(|error| ReportError::reading(self.reader.path(), error))
    }
}
