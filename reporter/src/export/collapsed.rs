//! Folded stacks, as `flamegraph.pl` and inferno read them: the frames from the outermost one on, and the bytes.

use std::io::{self, Write};

use memprof_replay::metric::Metric;

use super::call_tree;
use crate::flame_tree::NodeId;
use crate::folded_names::folded_name;
use crate::report::Report;
use crate::view::View;

/// Writes a line for each stack with memory of its own.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write_collapsed(report: &mut Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let tree = call_tree(report, view);
    let names: Vec<String> = report.places.ids().map(|place| folded_name(&report.places, place)).collect();
    let mut stack = Vec::new();
    for (own, node) in tree.own(metric).iter().zip((0..).map(NodeId)) {
        if own.bytes == 0 {
            continue;
        }
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
