//! The sums of a replay as an aggregated capture stores them, and back.

use memprof_capture::file::Tables;
use memprof_capture::file::aggregate::{ImageSpan, ProcessSums, RunSums, SlotRow, StoredAggregate};
use rustc_hash::FxHashMap;

use crate::aggregate::{Aggregate, ProcessTotals, SlotSummary, Totals};
use crate::mapped_sites::MappedSites;
use crate::metric::Sums;
use crate::processes::{ProcessId, Processes};
use crate::size_histogram::SizeHistogram;

/// The sums as a file stores them. `images` are one of each process, in order, and `spans` those that made events.
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
