//! What aggregated captures keep of a replay: the way into the file, and back.

use std::fmt;
use std::io::{self, Write};

use memprof_capture::file::aggregate::{ImageSpan, ProcessSums, RunSums, SlotRow, StoredAggregate};
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::{CaptureReader, Damage, Fact, Tables};
use rustc_hash::FxHashMap;

use crate::aggregate::{Aggregate, ProcessTotals, SlotSummary, Totals};
use crate::mapped_sites::MappedSites;
use crate::metric::Sums;
use crate::processes::{Process, ProcessId, Processes};
use crate::recent_allocations::TEMPORARY_THRESHOLD;
use crate::replay::{ReplaySettings, replay};
use crate::size_histogram::SizeHistogram;

/// Why an aggregated capture does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsNeeded {
    /// A range of time was asked for.
    Range,
    /// Some of several processes were asked for: their common peak is another one than that of all.
    SomeProcesses,
    /// Other temporary allocations were asked for than those that outlive one further allocation.
    TemporaryThreshold,
    /// The events themselves were asked for.
    OneByOne,
}

impl fmt::Display for EventsNeeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("it is aggregated: it has the sums of its run, and no events, which ")?;
        out.write_str(match self {
            Self::Range => "a range of time needs",
            Self::SomeProcesses => "a report on some of its processes needs",
            Self::TemporaryThreshold => "another threshold for temporary allocations needs",
            Self::OneByOne => "this needs",
        })?;
        out.write_str("; record without --aggregate, or give the capture that it was made of")
    }
}

impl std::error::Error for EventsNeeded {}

impl From<EventsNeeded> for io::Error {
    fn from(need: EventsNeeded) -> Self {
        Self::new(io::ErrorKind::Unsupported, need)
    }
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

/// The sums as they stand in a file. `images` are one of each process, in order, and `spans` those that made events.
#[must_use]
pub fn store(aggregate: Aggregate, images: &[u32], spans: Vec<ImageSpan>) -> StoredAggregate {
    let slot = |slot: SlotSummary| {
        let SlotSummary { process: _, thread, image, site, sums: Sums { peak, leaked, total, temporary } } = slot;
        SlotRow { image, thread, site, total, peak, leaked, temporary }
    };
    let process = |(&image, totals): (&u32, &ProcessTotals)| ProcessSums {
        image,
        endings: totals.endings,
        own_peak: totals.own_peak,
        own_peak_at: totals.own_peak_at,
        largest_rss: None,
    };
    // (In the same place in memory.)
    let slots: Vec<SlotRow> = aggregate.slots.into_iter().map(slot).collect();
    let run = RunSums {
        slots: slots.len() as u64,
        peak_at: aggregate.totals.peak_at,
        processes: images.iter().zip(&aggregate.processes).map(process).collect(),
        sizes: aggregate.sizes.amounts().to_vec(),
        timeline: aggregate.timeline,
        images: spans,
    };
    StoredAggregate { slots, run }
}

/// The sums out of a file, of all its processes. What a damaged file no longer has is not in any of them.
#[must_use]
pub fn restore(stored: &StoredAggregate, processes: &Processes, tables: &Tables) -> Aggregate {
    let StoredAggregate { slots, run } = stored;
    let mut totals_of = vec![ProcessTotals::default(); processes.list().len()];
    for known in &run.processes {
        if let Some(process) = processes.of_image(known.image) {
            let totals = &mut totals_of[process.index()];
            (totals.endings, totals.own_peak, totals.own_peak_at) = (known.endings, known.own_peak, known.own_peak_at);
        }
    }
    let of_image: FxHashMap<u32, ProcessId> =
        run.images.iter().filter_map(|span| Some((span.image, processes.of_image(span.image)?))).collect();
    let slot = |slot: &SlotRow| {
        let &SlotRow { image, thread, site, total, peak, leaked, temporary } = slot;
        let process = *of_image.get(&image)?;
        Some(SlotSummary { process, thread, image, site, sums: Sums { peak, leaked, total, temporary } })
    };
    let slots: Vec<SlotSummary> = slots.iter().filter_map(slot).collect();
    let sites = MappedSites::of(tables);
    let counted = slots.iter().filter(|slot| !sites.is_address_space(slot.site));
    counted.for_each(|slot| totals_of[slot.process.index()].sums.add(&slot.sums));
    let mut totals = Totals { peak_at: run.peak_at, ..Totals::default() };
    totals_of.iter().for_each(|process| totals.add(process));
    let mut timeline = run.timeline.clone();
    timeline.sort_by_key(|point| point.at);
    Aggregate {
        totals,
        processes: totals_of,
        slots,
        sizes: SizeHistogram::of_amounts(&run.sizes),
        timeline,
        bins: None,
    }
}

/// Replays a capture, and writes what that finds in place of its events. Returns the number of bytes.
///
/// A capture without an end has none afterwards either, and what could not be read of it is told.
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
    let aggregate = replay(reader, &processes, &ReplaySettings::default())?;
    // A process without images made no event.
    let image = |process: &Process| process.images.first().map_or(0, |image| image.number);
    let images: Vec<u32> = processes.list().iter().map(image).collect();
    Ok(store(aggregate, &images, reader.image_spans()))
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
