//! Captures of which at least one is aggregated, as one that is.
//!
//! What several had together at a moment is not known. So they must have run one after the other: then the peak of all
//! is the largest of theirs.

use std::collections::BTreeMap;
use std::io::Write;

use memprof_capture::file::aggregate::{ImageSpan, ProcessSums, RunSums, SlotSummary, StoredAggregate, TimelinePoint};
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::facts::{Fact, Header, RssSample};
use memprof_capture::file::joined_tables::JoinedTables;
use memprof_capture::metric::Amount;

use super::source::Source;
use super::{JoinError, late_facts, summary};
use crate::aggregated_capture::aggregate_of;
use crate::mapped_sites::MappedSites;
use crate::timeline::{MOST_BINS, thin_out};

/// Writes them as one.
pub(super) fn join(sources: &mut [Source], header: &Header, out: impl Write) -> Result<u64, JoinError> {
    for pair in sources.windows(2) {
        if pair[1].start() < pair[0].end() {
            let [one, other] = [&pair[0], &pair[1]].map(|source| source.reader.path().to_owned());
            return Err(JoinError::AtTheSameTime(one, other));
        }
    }
    let mut tables = JoinedTables::default();
    let mut all = Vec::new();
    for source in sources.iter_mut() {
        let stored = aggregate_of(&mut source.reader)
            .map_err(|error| JoinError::Read(source.reader.path().to_owned(), error))?;
        all.push(renumbered(stored, source, &mut tables));
    }
    let aggregate = added_up(all, &MappedSites::of(tables.tables()));
    let mut facts: Vec<Fact> = sources.iter().flat_map(Source::processes_facts).collect();
    facts.extend(late_facts(sources));
    let mut samples: BTreeMap<u32, Vec<RssSample>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        samples.extend(source.resident_sets(number == 0));
    }
    let is_whole = sources.iter().all(|source| source.reader.summary().is_some());
    let summary = summary(sources).filter(|_| is_whole);
    let capture = AggregatedCapture {
        header,
        facts: &facts,
        tables: tables.tables(),
        rss: &samples.remove(&0).unwrap_or_default(),
        children_rss: &samples,
        aggregate: &aggregate,
        summary: summary.as_ref(),
    };
    capture.write(out).map_err(JoinError::Write)
}

/// With the numbers and stamps of all together.
fn renumbered(stored: StoredAggregate, source: &mut Source, tables: &mut JoinedTables) -> StoredAggregate {
    let StoredAggregate { slots, run, images } = stored;
    let old = source.reader.tables().clone();
    let slot = |slot: SlotSummary| {
        Some(SlotSummary {
            image: source.image(slot.image)?,
            thread: tables.thread(&old, &mut source.known, slot.thread),
            site: tables.site(&old, &mut source.known, slot.site),
            ..slot
        })
    };
    let slots: Vec<SlotSummary> = slots.into_iter().filter_map(slot).collect();
    let process = |process: &ProcessSums| {
        let (image, own_peak_at) = (source.image(process.image)?, source.stamp(process.own_peak_at));
        Some(ProcessSums { image, own_peak_at, ..*process })
    };
    let span = |span: &ImageSpan| {
        let (first, last) = (source.stamp(span.first), source.stamp(span.last));
        Some(ImageSpan { image: source.image(span.image)?, first, last, events: span.events })
    };
    let stamped = |point: &TimelinePoint| TimelinePoint { at: source.stamp(point.at), bytes: point.bytes };
    let mut timeline: Vec<TimelinePoint> = run.timeline.iter().map(stamped).collect();
    // Its memory is gone then.
    timeline.push(TimelinePoint { at: source.end(), bytes: 0 });
    let run = RunSums {
        peak_at: source.stamp(run.peak_at),
        processes: run.processes.iter().filter_map(process).collect(),
        sizes: run.sizes,
        timeline,
    };
    StoredAggregate { slots, run, images: images.iter().filter_map(span).collect() }
}

/// The sums of captures that ran one after the other.
fn added_up(all: Vec<StoredAggregate>, sites: &MappedSites) -> StoredAggregate {
    let peak = |stored: &StoredAggregate| {
        let counted = stored.slots.iter().filter(|slot| !sites.is_address_space(slot.site));
        counted.map(|slot| slot.sums.peak.bytes).fold(0, u64::saturating_add)
    };
    // Of equal ones the last.
    let highest = all.iter().enumerate().max_by_key(|(_, stored)| peak(stored)).map(|(index, _)| index);
    let mut sum = StoredAggregate::default();
    for (index, StoredAggregate { mut slots, run, images }) in all.into_iter().enumerate() {
        if Some(index) == highest {
            sum.run.peak_at = run.peak_at;
        } else {
            slots.iter_mut().for_each(|slot| slot.sums.peak = Amount::default());
        }
        sum.slots.extend(slots);
        sum.images.extend(images);
        sum.run.processes.extend(run.processes);
        sum.run.timeline.extend(run.timeline);
        sum.run.sizes.add(&run.sizes);
    }
    sum.run.timeline = thin_out(sum.run.timeline, MOST_BINS as usize);
    sum
}
