//! The interactive page.

use std::io::{self, Write};

use memprof_channel::ids::ThreadId;
use memprof_replay::aggregate::{Aggregate, ProcessSums};
use memprof_replay::metric::{Metric, Sums};
use memprof_replay::processes::ProcessId;
use memprof_replay::size_histogram::SizeBucket;
use memprof_replay::slots::Amount;
use memprof_replay::time_bins::TimeBins;
use memprof_replay::timeline::{MOST_BINS, TimelinePoint, thin_out};
use serde::Serialize;

use super::GraphShape;
use super::bin_columns::{self, BinsHead};
use super::first_view::FirstView;
use super::tree_columns::{CellAxes, UsedFrames, write_tree};
use super::whole_sources;
use crate::formatting::json_head::JsonShown;
use crate::lists::stats::{RunTotals, run_totals};
use crate::naming::allocator_name::allocator_name;
use crate::naming::strings::Strings;
use crate::naming::view::Views;
use crate::pages::page::{Columns, PageHeader, PageParts, write_page};
use crate::reading::pymalloc;
use crate::reading::report::Report;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// What the page reads.
pub(crate) const SCHEMA: &str = "memprof-page-1";

/// All pages are made of the same. The script is made of the modules in templates/page, by reporter/build/.
pub(crate) const PARTS: PageParts = PageParts {
    template: include_str!("../../../../templates/page.html"),
    styles: &[
        include_str!("../../../../templates/styles/page.css"),
        include_str!("../../../../templates/styles/graph.css"),
        include_str!("../../../../templates/styles/tabs.css"),
    ],
    script: include_str!(concat!(env!("OUT_DIR"), "/page.js")),
};

/// What a page is asked for. All pages have the same tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// It opens on the flame graph, and has the lines of source that occur.
    FlameGraph,
    /// It opens on the table, and has the lines of source that occur.
    Table,
    /// It opens on the overview, and has the whole source of the files that occur.
    Report,
}

impl PageKind {
    /// The tab that the page opens on (templates/page/tabs.js).
    const fn first_tab(self) -> &'static str {
        match self {
            Self::FlameGraph => "flame",
            Self::Table => "table",
            Self::Report => "overview",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::FlameGraph => "memprof flame graph",
            Self::Table => "memprof table",
            Self::Report => "memprof report",
        }
    }
}

/// All that is no column.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    header: PageHeader<'a>,
    opens_on: &'static str,
    #[serde(flatten)]
    shown: JsonShown,
    inverted: bool,
    totals: Totals,
    run: RunTotals,
    size_histogram: Vec<SizeBucket>,
    timeline: Timeline,
    threads: Vec<ThreadEntry>,
    allocators: Vec<&'static str>,
    processes: Vec<ProcessEntry>,
    /// Nothing where the page shows no ranges of time.
    bins: Option<BinsHead>,
}

#[derive(Serialize)]
struct Totals {
    peak: PeakTotal,
    leaked: Amount,
    total: Amount,
    temporary: Amount,
}

#[derive(Serialize)]
struct PeakTotal {
    #[serde(flatten)]
    amount: Amount,
    at_s: f64,
}

#[derive(Serialize)]
struct Timeline {
    heap: Series,
    rss: Series,
}

#[derive(Serialize)]
struct Series {
    t: Vec<f64>,
    bytes: Vec<u64>,
}

/// A thread that allocated, by its number in the cells.
#[derive(Serialize)]
struct ThreadEntry {
    /// Its id in the kernel; nothing where a damaged capture lost it.
    id: Option<u32>,
    /// Its name and id as text reports have them.
    label: String,
    /// The number of its process.
    process: u32,
}

/// What one of several processes has of the totals, in the order of the header's processes.
#[derive(Serialize)]
struct ProcessEntry {
    /// The node above all that it did; nothing where it did nothing, or is alone.
    node: Option<u32>,
    #[serde(flatten)]
    sums: Sums,
    own_peak_bytes: u64,
}

/// Writes the page that opens on the flame graph, and begins with this view; it has all of them.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_html(
    report: &mut Report,
    shape: impl Into<GraphShape>,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    write(PageKind::FlameGraph, report, shape.into(), metric, out)
}

/// Writes the page that opens on the table.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_table(
    report: &mut Report,
    shape: impl Into<GraphShape>,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    write(PageKind::Table, report, shape.into(), metric, out)
}

/// Writes the page that opens on the overview, with the whole source of the files that allocated, as far as everybody
/// on this machine may read it.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_report(
    report: &mut Report,
    shape: impl Into<GraphShape>,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    write(PageKind::Report, report, shape.into(), metric, out)
}

/// Makes the page of a report that has all stacks.
fn write(
    kind: PageKind,
    report: &mut Report,
    shape: GraphShape,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    let slot_cells = if report.aggregate().bins.is_some() { SlotCells::Known } else { SlotCells::Unknown };
    let tree = FlameTree::of_report(report, page_views(report.native().recorded), shape.split, slot_cells);
    let bins = report.aggregate().bins.clone();
    let hint = pymalloc::page_hint(report, shape.view, metric);
    write_page_of(kind, (&*report, &tree, hint), bins, (shape, metric), out)
}

/// The views that a page has. Without native frames there is nothing to choose between.
pub(crate) const fn page_views(has_native: bool) -> Views {
    if has_native { Views::ALL } else { Views::BOTH_HYBRID }
}

/// Makes the page of a tree that has the views of a page; where there are bins, it knows the cells of slots.
pub(crate) fn write_page_of(
    kind: PageKind,
    (report, tree, hint): (&Report, &FlameTree, Option<String>),
    bins: Option<TimeBins>,
    (shape, metric): (GraphShape, Metric),
    out: &mut impl Write,
) -> io::Result<()> {
    let GraphShape { view, inverted, .. } = shape;
    let used = UsedFrames::of(tree, report.places());
    let axes = CellAxes::of(tree);
    let mut columns = Columns::default();
    let mut strings = Strings::default();
    let mut lines = report.source_lines();
    used.write(report, &mut lines, &mut strings, &mut columns);
    if kind == PageKind::Report {
        whole_sources::write(tree, report.places(), &mut lines, &mut strings, &mut columns);
    }
    columns.text("strings", strings.iter());
    write_tree(tree, &used, &mut columns);
    axes.write(tree, metric, &mut columns);
    let bins = bins.map(|bins| bin_columns::write(report, bins, tree.cell_of_slot(), &mut columns));
    let Aggregate { run, sums, .. } = report.aggregate();
    let Sums { peak, leaked, total, temporary } = sums.all;
    let head = Head {
        header: PageHeader::of(report, hint),
        opens_on: kind.first_tab(),
        shown: JsonShown::of(view, metric),
        inverted,
        totals: Totals {
            peak: PeakTotal { amount: peak, at_s: report.clock().seconds(run.peak_at) },
            leaked,
            total,
            temporary,
        },
        run: run_totals(report),
        size_histogram: run.sizes.buckets(),
        timeline: timeline(report),
        threads: axes.threads.iter().map(|&(process, thread)| thread_entry(report, process, thread)).collect(),
        allocators: axes.allocators.iter().copied().map(allocator_name).collect(),
        processes: tree.of_process().iter().zip(report.aggregate().by_process()).map(process).collect(),
        bins,
    };
    let title = format!("{}: {}", kind.title(), report.metadata().command_line);
    // What is narrow top-down may be wide when it is inverted.
    let first = if inverted { None } else { FirstView::of(report, tree, metric, &head) };
    write_page(&PARTS, &title, first.as_ref(), (SCHEMA, &head, &columns), out)
}

fn process((node, (counted, sums)): (&Option<NodeId>, (&ProcessSums, &Sums))) -> ProcessEntry {
    ProcessEntry { node: node.map(|node| node.0), sums: *sums, own_peak_bytes: counted.own_peak.bytes }
}

fn timeline(report: &Report) -> Timeline {
    Timeline {
        heap: series(report, &report.aggregate().run.timeline),
        rss: series(report, &thin_out(report.rss().to_vec(), MOST_BINS as usize)),
    }
}

fn series(report: &Report, points: &[TimelinePoint]) -> Series {
    // Microseconds are finer than any screen.
    let seconds = |point: &TimelinePoint| (report.clock().seconds(point.at) * 1e6).round() / 1e6;
    Series { t: points.iter().map(seconds).collect(), bytes: points.iter().map(|point| point.bytes).collect() }
}

fn thread_entry(report: &Report, process: ProcessId, thread: ThreadId) -> ThreadEntry {
    let known = report.tables().threads.get(thread.index()).and_then(Option::as_ref);
    ThreadEntry { id: known.map(|thread| thread.tid), label: report.thread_labels().get(thread), process: process.0 }
}
