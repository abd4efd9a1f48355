//! Aggregated captures: the sums of a capture in place of its events.

use std::io::{self, Write};

use memprof_capture::file::aggregate::StoredAggregate;
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::{CaptureReader, Damage, Fact};

use crate::aggregate::Aggregate;
use crate::processes::Processes;
use crate::replay::{ReplaySettings, replay};

/// Replays a capture, and writes what that finds in place of its events. Returns the number of bytes.
///
/// A capture without an end has none afterwards either, and what could not be read of it is reported.
///
/// # Errors
/// See [`RewriteError`].
pub fn write_aggregated(reader: &mut CaptureReader, out: impl Write) -> Result<u64, RewriteError> {
    let stored = aggregate_of(reader).map_err(RewriteError::Read)?;
    let capture = AggregatedCapture {
        header: reader.header(),
        facts: &facts_with_losses(reader),
        tables: reader.tables(),
        rss: reader.rss(),
        children_rss: reader.children_rss(),
        aggregate: &stored,
        summary: reader.summary(),
    };
    capture.write(out).map_err(RewriteError::Write)
}

/// What a replay of all of a capture finds. Of an aggregated one, that is what it holds.
pub(crate) fn aggregate_of(reader: &mut CaptureReader) -> io::Result<StoredAggregate> {
    if let Some(stored) = reader.aggregate() {
        return Ok(stored.clone());
    }
    let processes = Processes::of(reader);
    let Aggregate { slots, run, .. } = replay(reader, &processes, &ReplaySettings::default())?;
    Ok(StoredAggregate { slots, run, images: reader.image_spans() })
}

/// The facts of a capture whose events have been read, with what could not be.
pub(crate) fn facts_with_losses(reader: &CaptureReader) -> Vec<Fact> {
    let mut references_before = 0;
    let mut facts = reader.facts().to_vec();
    facts.retain(|fact| match fact {
        Fact::Lost { references, .. } => {
            references_before += references;
            false
        }
        _ => true,
    });
    let damage = reader.damage();
    // References into nothing are in the tables still, and will be found there again.
    let lost = Damage { references: references_before, ..damage.clone() };
    if !lost.is_none() {
        let Damage { chunks, events, bytes, references } = lost;
        facts.push(Fact::Lost { chunks, events, bytes, references });
    }
    facts
}
