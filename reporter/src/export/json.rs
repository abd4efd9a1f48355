//! memprof's own JSON: all stacks with all metrics; docs/export.schema.json describes it.

use std::io;

use memprof_replay::metric::{Metric, Sums};
use serde::Serialize;

use super::format::{Format, Metrics, Processes, Source, TreeFormat};
use super::frames::Frames;
use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_columns::Sequence;
use crate::naming::allocator_name::allocator_name;
use crate::naming::places::{PlaceId, Places};
use crate::naming::thread_labels::ThreadLabels;
use crate::naming::view::View;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;
use crate::sums::flame_cells::Cell;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::{Node, NodeId};

#[derive(Serialize)]
struct Export<'a, F, K, S> {
    schema: &'static str,
    metadata: &'a Metadata,
    notes: &'a [String],
    view: &'static str,
    show_runtime: bool,
    totals: Sums,
    frames: F,
    stacks: K,
    samples: S,
}

#[derive(Serialize)]
struct FrameEntry<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
    kind: &'static str,
}

/// Stack `n` is node `n + 1` of the tree of calls: the root is no call.
#[derive(Serialize)]
struct StackEntry {
    caller: Option<u32>,
    frame: u32,
}

#[derive(Serialize)]
struct SampleEntry {
    stack: Option<u32>,
    allocator: &'static str,
    thread: String,
    process: u32,
    #[serde(flatten)]
    sums: Sums,
}

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "json",
    help: "All stacks with all metrics (docs/export.schema.json)",
    extension: "json",
    metrics: Metrics::All,
    processes: Processes::All,
    source: Source::Tree(TreeFormat(write)),
};

/// Writes all samples as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
fn write(report: &Report, tree: &FlameTree, (view, _): (View, Metric), out: &mut dyn SizedWrite) -> io::Result<()> {
    let frames = Frames::of(tree, &report.places, |_, _| true);
    let threads = report.thread_labels();
    let export = Export {
        schema: "memprof-export-2",
        metadata: &report.metadata,
        notes: report.notes(),
        view: view.kind.name(),
        show_runtime: view.show_runtime,
        totals: report.aggregate.totals.sums,
        frames: Sequence(frames.places().iter().map(|&place| frame(&report.places, place))),
        stacks: Sequence(tree.nodes().iter().skip(1).map(|node| stack(&frames, node))),
        samples: Sequence(tree.cells().map(|cell| entry(report, &threads, &cell))),
    };
    serde_json::to_writer(&mut *out, &export)?;
    writeln!(out)
}

fn frame(places: &Places, place: PlaceId) -> FrameEntry<'_> {
    FrameEntry {
        function: places.function(place),
        file: places.file(place),
        line: places.line(place),
        kind: places.get(place).kind.name(),
    }
}

fn stack(frames: &Frames, node: &Node) -> StackEntry {
    StackEntry { caller: stack_number(node.parent), frame: frames.number(node.place) }
}

fn stack_number(node: NodeId) -> Option<u32> {
    node.0.checked_sub(1)
}

fn entry(report: &Report, threads: &ThreadLabels, cell: &Cell) -> SampleEntry {
    SampleEntry {
        stack: stack_number(cell.node),
        allocator: allocator_name(cell.allocator),
        thread: threads.get(cell.thread),
        process: report.processes.get(cell.process).pid,
        sums: cell.sums,
    }
}
