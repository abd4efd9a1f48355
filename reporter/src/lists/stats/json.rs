//! `stats --json`; docs/stats.schema.json describes it.

#[cfg(test)]
use std::collections::BTreeMap;
use std::io::{self, Write};

use memprof_replay::aggregate::Aggregate;
use memprof_replay::metric::Metric;
use memprof_replay::processes::Origin;
use memprof_replay::size_histogram::SizeBucket;
use memprof_replay::slots::Amount;
use serde::{Serialize, Serializer};

use crate::formatting::json_frames::JsonFrame;
use crate::formatting::json_head::JsonHead;
use crate::formatting::shell_quoting::join_quoted;
use crate::reading::mapped_memory::{MappedAmounts, SharedObject};
use crate::reading::native_stacks::NativeStacks;
use crate::reading::report::Report;
use crate::sums::place_report::PlaceLists;
use crate::sums::rows::{PlaceRow, Ranking};

const SCHEMA: &str = "memprof-stats-1";

/// # memprof stats --json
/// docs/metrics.md defines every figure. Sizes are exact bytes, times are seconds from the start of the run.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Stats<'a> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// Of all processes that the report is about, together.
    totals: RunTotals,
    /// Those that the report is about, in the order in which they began.
    processes: Vec<ProcessStats>,
    /// Files and devices that were mapped: address space, which is in no other figure.
    mapped_files: MappedAmounts,
    /// Addresses that nobody may touch: address space, which is in no other figure.
    reserved_addresses: MappedAmounts,
    /// Files and shared memory that were mapped so that several processes may see the same. Each counts once. Those
    /// with the most at the peak first.
    shared_mappings: &'a [SharedObject],
    /// How complete native stacks are. Counts are null where the capture does not say.
    native_stacks: &'a NativeStacks,
    /// Over the whole run, by the name of the allocator; only those that were used.
    #[serde(serialize_with = "as_object")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, AllocatorStats>"))]
    by_allocator: Vec<(&'static str, AllocatorStats)>,
    /// Over the whole run, by ascending size, without gaps.
    size_histogram: Vec<SizeBucket>,
    /// Live at the peak, most bytes first.
    top_by_peak_bytes: Vec<TopPlace<'a>>,
    /// Over the whole run, most allocations first.
    top_by_allocations: Vec<TopPlace<'a>>,
    /// With --leaks: live at the end, most bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Vec<TopPlace>"))]
    top_by_leaked_bytes: Option<Vec<TopPlace<'a>>>,
    /// With --total: over the whole run, most bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Vec<TopPlace>"))]
    top_by_total_bytes: Option<Vec<TopPlace<'a>>>,
    /// With --temporary: freed at once, most bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Vec<TopPlace>"))]
    top_by_temporary_bytes: Option<Vec<TopPlace<'a>>>,
}

/// The totals of a run; also in pages.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunTotals {
    allocations: u64,
    frees: u64,
    bytes_allocated: u64,
    peak_bytes: u64,
    peak_allocations: u64,
    #[cfg_attr(test, schemars(range(min = 0)))]
    peak_at_s: f64,
    leaked_bytes: u64,
    leaked_allocations: u64,
    /// Freed at once.
    temporary_bytes: u64,
    temporary_allocations: u64,
    dropped_by_exec: u64,
    unknown_frees: u64,
    inherited_frees: u64,
    /// null when it was never measured.
    peak_rss_bytes: Option<u64>,
    /// null when the capture has no end.
    channel_waits: Option<u64>,
    /// null when the capture has no end.
    skipped_events: Option<u64>,
    damaged_chunks: u64,
    damaged_events: u64,
    damaged_bytes: u64,
}

/// The totals of a process.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProcessStats {
    /// 0 where a damaged capture no longer says.
    pid: u32,
    /// The pid of the process that started it; null where the capture does not say.
    parent: Option<u32>,
    began: Origin,
    /// What it ran last, quoted for a shell.
    command_line: String,
    #[cfg_attr(test, schemars(range(min = 0)))]
    started_s: f64,
    /// null where it did not end, or the capture does not say.
    #[cfg_attr(test, schemars(range(min = 0)))]
    ended_s: Option<f64>,
    allocations: u64,
    frees: u64,
    bytes_allocated: u64,
    /// Live at the peak of this process alone.
    own_peak_bytes: u64,
    own_peak_allocations: u64,
    #[cfg_attr(test, schemars(range(min = 0)))]
    own_peak_at_s: f64,
    /// What it had at the peak of all together. The sum over the processes is that of totals.
    peak_bytes: u64,
    peak_allocations: u64,
    leaked_bytes: u64,
    leaked_allocations: u64,
    /// Freed at once.
    temporary_bytes: u64,
    temporary_allocations: u64,
    dropped_by_exec: u64,
    unknown_frees: u64,
    inherited_frees: u64,
    /// null when it was never measured.
    peak_rss_bytes: Option<u64>,
}

/// What was allocated with an allocator.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AllocatorStats {
    #[cfg_attr(test, schemars(range(min = 1)))]
    allocations: u64,
    bytes: u64,
}

/// A place and what it has of the figure.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TopPlace<'a> {
    #[serde(flatten)]
    place: JsonFrame<'a>,
    #[serde(flatten)]
    amount: Amount,
}

fn as_object<S: Serializer, V: Serialize>(entries: &[(&str, V)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
}

pub(crate) fn run_totals(report: &Report) -> RunTotals {
    let Aggregate { run, sums, .. } = report.aggregate();
    let (sums, endings) = (&sums.all, run.endings());
    let (summary, damage) = (report.summary(), report.damage());
    RunTotals {
        allocations: sums.total.allocations,
        frees: endings.frees,
        bytes_allocated: sums.total.bytes,
        peak_bytes: sums.peak.bytes,
        peak_allocations: sums.peak.allocations,
        peak_at_s: report.clock().seconds(run.peak_at),
        leaked_bytes: sums.leaked.bytes,
        leaked_allocations: sums.leaked.allocations,
        temporary_bytes: sums.temporary.bytes,
        temporary_allocations: sums.temporary.allocations,
        dropped_by_exec: endings.dropped_by_exec,
        unknown_frees: endings.unknown_frees,
        inherited_frees: endings.inherited_frees,
        peak_rss_bytes: report.peak_rss(),
        channel_waits: summary.map(|summary| summary.channel_waits),
        skipped_events: summary.map(|summary| summary.skipped_events),
        damaged_chunks: damage.chunks,
        damaged_events: damage.events,
        damaged_bytes: damage.bytes,
    }
}

fn processes(report: &Report) -> Vec<ProcessStats> {
    let list = report.processes().list().iter().zip(report.aggregate().by_process()).zip(report.process_peak_rss());
    list.map(|((process, (counted, sums)), &peak_rss_bytes)| ProcessStats {
        pid: process.pid,
        parent: process.parent,
        began: process.origin,
        command_line: join_quoted(&process.command_line),
        started_s: report.started_s(process),
        ended_s: process.ended.map(|at| report.clock().seconds(at)),
        allocations: sums.total.allocations,
        frees: counted.endings.frees,
        bytes_allocated: sums.total.bytes,
        own_peak_bytes: counted.own_peak.bytes,
        own_peak_allocations: counted.own_peak.allocations,
        own_peak_at_s: report.clock().seconds(counted.own_peak_at),
        peak_bytes: sums.peak.bytes,
        peak_allocations: sums.peak.allocations,
        leaked_bytes: sums.leaked.bytes,
        leaked_allocations: sums.leaked.allocations,
        temporary_bytes: sums.temporary.bytes,
        temporary_allocations: sums.temporary.allocations,
        dropped_by_exec: counted.endings.dropped_by_exec,
        unknown_frees: counted.endings.unknown_frees,
        inherited_frees: counted.endings.inherited_frees,
        peak_rss_bytes,
    })
    .collect()
}

/// Writes the figures as one JSON object, with `top` places in each ranking.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(lists: &PlaceLists<'_>, metric: Metric, top: usize, out: &mut impl Write) -> io::Result<()> {
    let report = lists.report;
    let ranking = |metric, ranking| {
        let place = |PlaceRow { place, amount }| TopPlace { place: JsonFrame::new(report, place), amount };
        lists.by_place(metric, ranking).into_iter().take(top).map(place).collect::<Vec<_>>()
    };
    let stats = Stats {
        head: JsonHead::new(SCHEMA, report, lists.view, metric),
        totals: run_totals(report),
        processes: processes(report),
        mapped_files: report.mapped().files,
        reserved_addresses: report.mapped().reserved,
        shared_mappings: &report.mapped().objects,
        native_stacks: report.native(),
        by_allocator: report
            .by_allocator()
            .into_iter()
            .map(|(allocator, Amount { bytes, allocations })| (allocator.name(), AllocatorStats { allocations, bytes }))
            .collect(),
        size_histogram: report.aggregate().run.sizes.buckets(),
        top_by_peak_bytes: ranking(Metric::Peak, Ranking::Bytes),
        top_by_allocations: ranking(Metric::Total, Ranking::Allocations),
        top_by_leaked_bytes: (metric == Metric::Leaks).then(|| ranking(Metric::Leaks, Ranking::Bytes)),
        top_by_total_bytes: (metric == Metric::Total).then(|| ranking(Metric::Total, Ranking::Bytes)),
        top_by_temporary_bytes: (metric == Metric::Temporary).then(|| ranking(Metric::Temporary, Ranking::Bytes)),
    };
    serde_json::to_writer_pretty(&mut *out, &stats)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Stats>(SCHEMA, &[]);
    }
}
