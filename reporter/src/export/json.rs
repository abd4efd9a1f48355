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

const SCHEMA: &str = "memprof-export-2";

/// # memprof export --format json
/// docs/metrics.md defines every figure. All stacks that allocated anything, with all metrics.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Export<'a, F, K, S> {
    schema: &'static str,
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, a sentence each.
    notes: &'a [String],
    /// Which frames stacks have: --view.
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::view::ViewKind::ALL.map(|kind| kind.name()))))]
    view: &'static str,
    /// Whether the hybrid view has the interpreter's own functions: --show-runtime.
    show_runtime: bool,
    /// The sums of all samples.
    totals: Sums,
    frames: F,
    /// Every stack and each of its callers, once. What called a stack comes before it.
    stacks: K,
    /// One for each stack, allocator, thread and process.
    samples: S,
}

/// A place.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FrameEntry<'a> {
    /// co_name of a Python function, the demangled name of a native one, or a name in angle brackets.
    function: &'a str,
    /// co_filename; of a native function its source file or else its module; empty for names in angle brackets.
    file: &'a str,
    /// 0 where it is not known, or there is none.
    line: u32,
    /// Python code, native code, the interpreter's own native code, a name in angle brackets, or a process
    /// above all that it did.
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::places::PlaceKind::IN_TREES)))]
    kind: &'static str,
}

/// A frame and what called it.
// Stack `n` is node `n + 1` of the tree of calls: the root is no call.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StackEntry {
    /// The stack of what called the frame, by its place in this list; null where nothing did.
    caller: Option<u32>,
    /// The innermost frame, by its place in the list of frames.
    frame: u32,
}

/// What a thread allocated with a stack and an allocator.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SampleEntry {
    /// By its place in the list of stacks.
    // The root allocates nothing.
    #[cfg_attr(test, schemars(with = "u32"))]
    stack: Option<u32>,
    allocator: &'static str,
    /// The thread's last name in the kernel and its id: name (id).
    thread: String,
    /// The pid of its process.
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
    let frames = Frames::of(tree, report.places(), |_, _| true);
    let threads = report.thread_labels();
    let export = Export {
        schema: SCHEMA,
        metadata: report.metadata(),
        notes: report.notes(),
        view: view.kind.name(),
        show_runtime: view.show_runtime,
        totals: report.aggregate().sums.all,
        frames: Sequence(frames.places().iter().map(|&place| frame(report.places(), place))),
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
        process: report.processes().get(cell.process).pid,
        sums: cell.sums,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Export<Vec<FrameEntry>, Vec<StackEntry>, Vec<SampleEntry>>>(SCHEMA, &[]);
    }
}
