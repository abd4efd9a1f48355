//! Replays a capture: every event once, in order.

use std::collections::BTreeMap;
use std::io;

use memprof_capture::file::{CaptureReader, Fact};
use memprof_capture::ids::Stamp;

use crate::aggregate::{Aggregate, Aggregator};
use crate::merge::merge;

/// Replays all events of a capture.
///
/// # Errors
/// When the file cannot be read any more. Damaged chunks are left out; the reader counts them.
pub fn replay(reader: &mut CaptureReader) -> io::Result<Aggregate> {
    let start = reader.header().start.stamp;
    let end = end_of(reader);
    let mut aggregator = Aggregator::new(reader.header().page_size, start, end);
    for (index, (image, stamp)) in images(reader).into_iter().enumerate() {
        if index > 0 {
            aggregator.start_image(stamp);
        }
        merge(reader, image, &mut aggregator)?;
    }
    Ok(aggregator.finish(end))
}

/// The last moment that the capture knows of.
#[must_use]
pub fn end_of(reader: &CaptureReader) -> Stamp {
    let events = reader.event_chunks().iter().map(|chunk| chunk.last);
    let rss = reader.rss().last().map(|sample| sample.at.stamp);
    let summary = reader.summary().map(|summary| summary.end.stamp);
    events.chain(rss).chain(summary).chain([reader.header().start.stamp]).max().unwrap_or_default()
}

/// The process images in order, with the moment at which each began.
fn images(reader: &CaptureReader) -> Vec<(u32, Stamp)> {
    let mut images: BTreeMap<u32, Stamp> = BTreeMap::new();
    for chunk in reader.event_chunks() {
        images.entry(chunk.image).and_modify(|first| *first = chunk.first.min(*first)).or_insert(chunk.first);
    }
    for fact in reader.facts() {
        if let Fact::Image { image, stamp, .. } = fact {
            images.insert(*image, *stamp);
        }
    }
    images.into_iter().collect()
}
