//! Captures in the formats of other tools.
//!
//! Some are sums, made of a report's slots and its tree of calls; the others have every event, and are written during
//! the replay, so that memory is bounded by what is live at one time.

mod collapsed;
mod csv;
mod dhat;
mod event_places;
mod firefox;
mod format;
mod frames;
mod gprof2dot;
mod heaptrack;
mod json;
mod lifetimes;
mod memray;
mod pprof;
mod speedscope;
mod stack_lengths;
mod varint;

use std::io;

use memprof_replay::metric::Metric;

use crate::formatting::expected_size::SizedWrite;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::actors::Split;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::FlameTree;
use format::Source;
pub use format::{Format, TreeFormat};

/// Every format, in the order of the help.
pub static FORMATS: [&Format; 10] = [
    &collapsed::FORMAT,
    &speedscope::FORMAT,
    &pprof::FORMAT,
    &csv::FORMAT,
    &json::FORMAT,
    &gprof2dot::FORMAT,
    &firefox::FORMAT,
    &dhat::FORMAT,
    &heaptrack::FORMAT,
    &memray::FORMAT,
];

/// Writes a report in a format: stacks as a view shows them, always with the import machinery. Where that can be far
/// larger than the capture, `out` is given the size first.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
pub fn write(
    report: &mut Report,
    format: &Format,
    view: View,
    metric: Metric,
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    let view = view.with_imports();
    match format.source {
        Source::Tree(format) => {
            let tree = call_tree(report, view);
            format.write(report, &tree, (view, metric), out)
        }
        Source::Slots(write) => {
            let tree = call_tree_of_slots(report, view);
            write(report, &tree, (view, metric), out)
        }
        Source::Events(write) => write(report, view, out),
    }
}

/// The tree of calls that a view shows.
fn call_tree(report: &mut Report, view: View) -> FlameTree {
    FlameTree::of_report(report, view.alone(), Split::ByProcess, SlotCells::Unknown)
}

/// The same, which knows what has become of each slot.
fn call_tree_of_slots(report: &mut Report, view: View) -> FlameTree {
    FlameTree::of_report(report, view.alone(), Split::ByProcess, SlotCells::Known)
}
