//! The interactive page.

use std::collections::BTreeSet;
use std::io::{self, Write};

use memprof_capture::ids::ThreadId;
use memprof_replay::aggregate::ProcessTotals;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use memprof_replay::timeline::{MOST_BINS, TimelinePoint, thin_out};
use serde::Serialize;

use crate::flame_tree::{FlameTree, Node, NodeId};
use crate::json_columns::Sequence;
use crate::page::{PageHeader, PageParts, SourceLines, write_page};
use crate::places::{PlaceId, PlaceKind, Places};
use crate::pymalloc;
use crate::report::Report;
use crate::strings::Strings;
use crate::view::{View, Views};

const PARTS: PageParts = PageParts {
    template: include_str!("../../../templates/flamegraph.html"),
    styles: &[include_str!("../../../templates/page.css"), include_str!("../../../templates/flamegraph.css")],
    scripts: &[
        include_str!("../../../templates/data.js"),
        include_str!("../../../templates/common.js"),
        include_str!("../../../templates/views.js"),
        include_str!("../../../templates/tree.js"),
        include_str!("../../../templates/processes.js"),
        include_str!("../../../templates/layout.js"),
        include_str!("../../../templates/colour.js"),
        include_str!("../../../templates/draw.js"),
        include_str!("../../../templates/timeline.js"),
        include_str!("../../../templates/search.js"),
        include_str!("../../../templates/export.js"),
        include_str!("../../../templates/state.js"),
        include_str!("../../../templates/panels.js"),
        include_str!("../../../templates/keys.js"),
        include_str!("../../../templates/page.js"),
        include_str!("../../../templates/main.js"),
    ],
};

#[derive(Serialize)]
struct FlamePage<'a, S, N> {
    schema: &'static str,
    header: PageHeader<'a>,
    metric: &'static str,
    view: &'static str,
    show_runtime: bool,
    totals: Totals,
    strings: S,
    frames: &'a Frames,
    nodes: N,
    timeline: Timeline,
    threads: Vec<ThreadEntry<'a>>,
    processes: Vec<ProcessEntry>,
}

#[derive(Serialize)]
struct Totals {
    peak: PeakTotal,
    leaked: Amount,
    total: Amount,
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

#[derive(Serialize, Default)]
struct Series {
    t: Vec<f64>,
    bytes: Vec<u64>,
}

#[derive(Serialize)]
struct ThreadEntry<'a> {
    id: u32,
    name: &'a str,
}

/// What one of several processes has of the totals, in the order of the header's processes.
#[derive(Serialize)]
struct ProcessEntry {
    /// The node above all that it did; nothing where it did nothing, or is alone.
    node: Option<u32>,
    peak: Amount,
    leaked: Amount,
    total: Amount,
    own_peak_bytes: u64,
}

/// The places that occur, as columns of numbers of strings.
#[derive(Serialize, Default)]
struct Frames {
    function: Vec<u32>,
    file: Vec<u32>,
    line: Vec<u32>,
    source: Vec<i64>,
    kind: Vec<u8>,
    /// The views that show it, as bits.
    shown: Vec<u8>,
    /// The module of a native function, unless several have it: then, as everywhere else, -1.
    module: Vec<i64>,
}

#[derive(Serialize)]
struct NodeColumns<P, F, C> {
    parent: P,
    frame: F,
    peak_bytes: C,
    peak_allocations: C,
    leaked_bytes: C,
    leaked_allocations: C,
    total_bytes: C,
    total_allocations: C,
}

impl Frames {
    fn push(&mut self, places: &Places, place: PlaceId, sources: &mut SourceLines, strings: &mut Strings) {
        let (file, line, kind) = (places.file(place), places.line(place), places.get(place).kind);
        let source = if kind == PlaceKind::Python { sources.get(file, line) } else { None };
        self.source.push(source.map_or(-1, |source| strings.intern(source).0.into()));
        self.function.push(strings.intern(places.function(place)).0);
        self.file.push(strings.intern(file).0);
        self.line.push(line);
        self.kind.push(kind as u8);
        self.shown.push(places.get(place).shown.bits());
        self.module.push(places.module(place).map_or(-1, |module| strings.intern(module).0.into()));
    }
}

/// Writes the page, which begins with this view and has all.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_html(report: &mut Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    // Without native frames there is nothing to choose between.
    let views = if report.native.recorded { Views::ALL } else { Views::BOTH_HYBRID };
    let (tables, slots) = (report.reader.tables(), &report.aggregate.slots);
    let tree = FlameTree::build(tables, &mut report.places, &report.processes, slots, views);
    let report = &*report;
    let row_places = report.row_places(view);
    let hint = pymalloc::hint(report, &row_places, &report.rows(&row_places, metric), metric);
    let mut strings = Strings::default();
    let mut sources = SourceLines::new(report.reader.header().start_unix_ns);
    let (mut frames, mut frame_of_place) = (Frames::default(), vec![u32::MAX; report.places.len()]);
    for node in tree.nodes() {
        let frame = &mut frame_of_place[node.place.index()];
        if *frame == u32::MAX {
            *frame = frames.line.len() as u32;
            frames.push(&report.places, node.place, &mut sources, &mut strings);
        }
    }
    let column = |value: fn(&Node) -> u64| Sequence(tree.nodes().iter().map(value));
    let nodes = NodeColumns {
        parent: Sequence((0_u32..).zip(tree.nodes()).map(|(index, node)| index - node.parent.0)),
        frame: Sequence(tree.nodes().iter().map(|node| frame_of_place[node.place.index()])),
        peak_bytes: column(|node| node.peak.bytes),
        peak_allocations: column(|node| node.peak.allocations),
        leaked_bytes: column(|node| node.leaked.bytes),
        leaked_allocations: column(|node| node.leaked.allocations),
        total_bytes: column(|node| node.total.bytes),
        total_allocations: column(|node| node.total.allocations),
    };
    let totals = &report.aggregate.totals;
    let page = FlamePage {
        schema: "memprof-flame-1",
        header: PageHeader::of(report, hint),
        metric: metric.name(),
        view: view.kind.name(),
        show_runtime: view.show_runtime,
        totals: Totals {
            peak: PeakTotal { amount: totals.peak, at_s: report.clock.seconds(totals.peak_at) },
            leaked: totals.leaked,
            total: totals.total,
        },
        strings: Sequence(strings.iter()),
        frames: &frames,
        nodes,
        timeline: timeline(report),
        threads: threads(report),
        processes: tree.of_process().iter().zip(&report.aggregate.processes).map(process).collect(),
    };
    let title = format!("memprof flame graph: {}", report.metadata().command_line);
    write_page(&PARTS, &title, &page, out)
}

fn process((node, totals): (&Option<NodeId>, &ProcessTotals)) -> ProcessEntry {
    ProcessEntry {
        node: node.map(|node| node.0),
        peak: totals.peak,
        leaked: totals.leaked,
        total: totals.total,
        own_peak_bytes: totals.own_peak.bytes,
    }
}

fn timeline(report: &Report) -> Timeline {
    Timeline {
        heap: series(report, &report.aggregate.timeline),
        rss: series(report, &thin_out(report.rss().to_vec(), MOST_BINS as usize)),
    }
}

fn series(report: &Report, points: &[TimelinePoint]) -> Series {
    // Microseconds are finer than any screen.
    let seconds = |point: &TimelinePoint| (report.clock.seconds(point.at) * 1e6).round() / 1e6;
    Series { t: points.iter().map(seconds).collect(), bytes: points.iter().map(|point| point.bytes).collect() }
}

fn threads(report: &Report) -> Vec<ThreadEntry<'_>> {
    let known = |thread: &ThreadId| report.tables().threads.get(thread.index())?.as_ref();
    let active: BTreeSet<ThreadId> = report.aggregate.slots.iter().map(|slot| slot.thread).collect();
    active.iter().filter_map(known).map(|thread| ThreadEntry { id: thread.tid, name: &thread.name }).collect()
}
