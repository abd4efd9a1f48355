//! Replays a capture: every event once, in order.

use std::io;

use memprof_capture::file::CaptureReader;
use memprof_channel::ids::Stamp;

use crate::aggregate::{Aggregate, Aggregator};
use crate::events_needed::EventsNeeded;
use crate::mapped_sites::MappedSites;
use crate::merge::{merge, merge_until};
use crate::processes::{Process, Processes};
use crate::recent_allocations::TEMPORARY_THRESHOLD;
use crate::time_bins::TimeBinsBuilder;
use crate::time_range::{RangeSink, TimeRange};

/// What to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Only what happened in this range, and what was live in it. Everything where there is none.
    pub range: Option<TimeRange>,
    /// How many further allocations of its thread a temporary block may outlive.
    pub temporary_threshold: u64,
    /// Whether to cut the run into bins, and into how many rows at most. What has a range is not cut.
    pub bin_rows: Option<usize>,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self { range: None, temporary_threshold: TEMPORARY_THRESHOLD, bin_rows: None }
    }
}

/// Replays the events of some of a capture's processes. Of an aggregated capture, that is what its replay found.
///
/// # Errors
/// When the file cannot be read any more, or is aggregated and these settings need its events. Damaged chunks are left
/// out; the reader counts them.
pub fn replay(reader: &mut CaptureReader, processes: &Processes, settings: &ReplaySettings) -> io::Result<Aggregate> {
    if let Some(stored) = reader.aggregate() {
        return match events_needed(reader, processes, settings) {
            Some(need) => Err(need.into()),
            None => Ok(Aggregate::of_stored(stored, processes, &MappedSites::of(reader.tables()))),
        };
    }
    let (start, end) = (reader.header().start.stamp, end_of(reader));
    let count = processes.list().len();
    let images = processes.list().iter().map(Process::any_image).collect();
    let mut aggregator = Aggregator::new(reader.header().page_size, images, start, settings.temporary_threshold);
    aggregator.update_sites(reader.tables());
    let Some(range) = settings.range else {
        if let Some(rows) = settings.bin_rows {
            aggregator.cut_into_bins(TimeBinsBuilder::new(start, end, count, rows));
        }
        merge(reader, processes, end, &mut aggregator)?;
        return Ok(aggregator.finish(end));
    };
    let mut sink = RangeSink::new(aggregator, range, count);
    merge_until(reader, processes, end, range.to, &mut sink)?;
    Ok(sink.finish().finish(range.to))
}

/// The last moment that the capture knows of.
#[must_use]
pub fn end_of(reader: &CaptureReader) -> Stamp {
    let events = reader.image_spans().into_iter().map(|span| span.last);
    let samples = reader.rss().iter().chain(reader.children_rss().values().flatten()).map(|sample| sample.at.stamp);
    let summary = reader.summary().map(|summary| summary.end.stamp);
    events.chain(samples).chain(summary).chain([reader.header().start.stamp]).max().unwrap_or_default()
}

/// Why the sums of an aggregated capture do not answer what is asked; nothing where they do, and for other captures.
#[must_use]
pub fn events_needed(reader: &CaptureReader, processes: &Processes, settings: &ReplaySettings) -> Option<EventsNeeded> {
    reader.aggregate()?;
    if settings.range.is_some() {
        Some(EventsNeeded::Range)
    } else if settings.temporary_threshold != TEMPORARY_THRESHOLD {
        Some(EventsNeeded::TemporaryThreshold)
    } else {
        (processes.list().len() < processes.recorded()).then_some(EventsNeeded::SomeProcesses)
    }
}
