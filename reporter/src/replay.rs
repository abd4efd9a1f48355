//! Replays a capture: every event once, in order.

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
    let mut images: Vec<(u32, Stamp)> = reader.event_chunks().iter().map(|chunk| (chunk.image, chunk.first)).collect();
    images.sort_unstable();
    images.dedup_by_key(|(image, _)| *image);
    for fact in reader.facts() {
        if let Fact::Image { image, stamp, .. } = fact {
            match images.binary_search_by_key(image, |(image, _)| *image) {
                Ok(at) => images[at].1 = *stamp,
                Err(at) => images.insert(at, (*image, *stamp)),
            }
        }
    }
    images
}
