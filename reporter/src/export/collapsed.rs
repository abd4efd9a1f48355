//! Folded stacks, as `flamegraph.pl` and inferno read them: the frames from the outermost one on, and the bytes.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::format::{Format, Metrics, Processes, Source, TreeFormat};
use super::stack_lengths::stack_lengths;
use crate::formatting::expected_size::{ExpectedSize, SizedWrite, digits};
use crate::naming::folded_names::folded_name;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "collapsed",
    help: "Folded stacks, for flamegraph.pl, inferno and many others",
    extension: "txt",
    metrics: Metrics::Chosen,
    processes: Processes::All,
    source: Source::Tree(TreeFormat(write)),
};

/// Writes a line for each stack with memory of its own.
///
/// # Errors
/// What `out` answers to a write.
fn write(report: &Report, tree: &FlameTree, (_, metric): (View, Metric), out: &mut dyn SizedWrite) -> io::Result<()> {
    let names: Vec<String> = report.places().ids().map(|place| folded_name(report.places(), place)).collect();
    let stacks = || tree.own_of_nodes(metric).filter(|(_, own)| own.bytes > 0);
    let name = |node: NodeId| &names[tree.nodes()[node.index()].place.index()];
    // A separator or the space after each name, and the end of the line.
    let lengths = stack_lengths(tree, |node| name(node).len() as u64 + 1);
    let line = |(node, own): (NodeId, Amount)| lengths[node.index()].max(1) + digits(own.bytes) + 1;
    out.expect(ExpectedSize::Exactly(stacks().map(line).fold(0, u64::saturating_add)))?;
    let mut stack = Vec::new();
    for (node, own) in stacks() {
        stack.clear();
        stack.extend(tree.path(node));
        for (index, place) in stack.iter().rev().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(out, "{separator}{}", names[place.index()])?;
        }
        writeln!(out, " {}", own.bytes)?;
    }
    Ok(())
}
