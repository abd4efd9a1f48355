//! Replays a capture: every event once, in order.

use std::io;

use memprof_capture::file::CaptureReader;
use memprof_capture::ids::Stamp;

use crate::aggregate::{Aggregate, Aggregator};
use crate::merge::merge;
use crate::processes::Processes;

/// Replays all events of some of a capture's processes.
///
/// # Errors
/// When the file cannot be read any more. Damaged chunks are left out; the reader counts them.
pub fn replay(reader: &mut CaptureReader, processes: &Processes) -> io::Result<Aggregate> {
    let start = reader.header().start.stamp;
    let end = end_of(reader);
    let mut aggregator = Aggregator::new(reader.header().page_size, processes.list().len(), start, end);
    merge(reader, processes, end, &mut aggregator)?;
    Ok(aggregator.finish(end))
}

/// The last moment that the capture knows of.
#[must_use]
pub fn end_of(reader: &CaptureReader) -> Stamp {
    let events = reader.event_chunks().iter().map(|chunk| chunk.last);
    let samples = reader.rss().iter().chain(reader.children_rss().values().flatten()).map(|sample| sample.at.stamp);
    let summary = reader.summary().map(|summary| summary.end.stamp);
    events.chain(samples).chain(summary).chain([reader.header().start.stamp]).max().unwrap_or_default()
}
