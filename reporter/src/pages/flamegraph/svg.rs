//! The static picture, drawn by inferno.

use std::io::{self, Write};

use inferno::flamegraph::{self, Direction, Options};
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::GraphShape;
use crate::formatting::size_units::size;
use crate::naming::folded_names::folded_name;
use crate::naming::places::Places;
use crate::reading::report::Report;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::{Node, NodeId};

/// What is narrower than this share of the picture is drawn as one block with its siblings.
const SMALLEST_SHARE: u64 = 10_000;
/// What is deeper than this is drawn as one block: the page shows all of it.
const DEEPEST: u32 = 500;

/// Writes the picture: of callers first, also where a page would begin inverted.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_svg(
    report: &mut Report,
    shape: impl Into<GraphShape>,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    let GraphShape { view, split, .. } = shape.into();
    let tree = FlameTree::of_report(report, view.alone(), split, SlotCells::Unknown);
    write_svg_of(report, &tree, metric, out)
}

/// Writes the picture of a tree.
pub(crate) fn write_svg_of(report: &Report, tree: &FlameTree, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let lines = folded_lines(tree, report.places(), metric);
    let mut options = Options::default();
    options.title = report.metadata().command_line.clone();
    options.subtitle = Some(format!("{} {}", size(report.total(metric).bytes), metric.heading()));
    options.count_name = "bytes".to_owned();
    options.name_type = "Place:".to_owned();
    options.direction = Direction::Inverted;
    options.deterministic = true;
    options.image_width = Some(1600);
    // What is too small has been merged already; nothing may vanish on top of that.
    options.min_width = 0.0;
    if lines.is_empty() {
        // inferno has no picture of nothing.
        return flamegraph::from_lines(&mut options, ["(nothing was allocated) 1"], out);
    }
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}

/// Stacks as inferno reads them: names from the root on, then the bytes.
fn folded_lines(tree: &FlameTree, places: &Places, metric: Metric) -> Vec<String> {
    let nodes = tree.nodes();
    let sums = tree.inclusive(metric);
    let smallest = sums[0].bytes.div_ceil(SMALLEST_SHARE);
    let mut depth = vec![0_u32; nodes.len()];
    // Own bytes, and what the children that are too small or too deep to draw hold.
    let mut own: Vec<u64> = tree.own(metric).iter().map(|own| own.bytes).collect();
    let mut hidden = vec![Amount::default(); nodes.len()];
    let mut drawn = vec![true; nodes.len()];
    for (index, node) in nodes.iter().enumerate().skip(1) {
        let parent = node.parent.index();
        depth[index] = depth[parent] + 1;
        drawn[index] = drawn[parent] && sums[index].bytes >= smallest.max(1) && depth[index] <= DEEPEST;
        if drawn[parent] && !drawn[index] && sums[index].bytes > 0 {
            hidden[parent].add(Amount { bytes: sums[index].bytes, allocations: 1 });
        }
        if !drawn[index] {
            own[index] = 0;
        }
    }
    let mut lines = Vec::new();
    for index in 0..nodes.len() {
        if !drawn[index] || (own[index] == 0 && hidden[index].bytes == 0) {
            continue;
        }
        let path = path(nodes, places, NodeId(index as u32));
        if own[index] > 0 {
            lines.push(format!("{path} {}", own[index]));
        }
        if hidden[index].bytes > 0 {
            lines.push(format!("{path};+{} more {}", hidden[index].allocations, hidden[index].bytes));
        }
    }
    lines
}

/// The names from below the root to a node. The root itself is inferno's own `all`.
fn path(nodes: &[Node], places: &Places, node: NodeId) -> String {
    let mut names = Vec::new();
    let mut at = node;
    while at != NodeId::ROOT {
        names.push(folded_name(places, nodes[at.index()].place));
        at = nodes[at.index()].parent;
    }
    if names.is_empty() {
        return "all".to_owned();
    }
    names.reverse();
    names.join(";")
}
