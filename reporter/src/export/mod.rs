//! Captures in the formats of other tools.
//!
//! Some are sums, made of a report's slots and its tree of calls; the others tell every event, and are written while the
//! replay goes by, so that memory is bounded by what is live at one time.

mod collapsed;
mod csv;
mod dhat;
mod event_places;
mod firefox;
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

use crate::expected_size::SizedWrite;
use crate::flame_tree::{FlameTree, SlotCells, Split};
use crate::report::Report;
use crate::view::View;

/// A format of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Folded stacks, a line each: flamegraph.pl, inferno and many others.
    Collapsed,
    /// speedscope's JSON.
    Speedscope,
    /// pprof's protocol buffer: `go tool pprof`, Pyroscope and the other services for continuous profiling.
    Pprof,
    /// Rows for spreadsheets and data frames, with memray's columns.
    Csv,
    /// memprof's own JSON: all stacks with all metrics.
    Json,
    /// gprof2dot's JSON.
    Gprof2dot,
    /// The Firefox Profiler's JSON, every event.
    Firefox,
    /// The JSON of Valgrind's DHAT, for `dh_view.html`.
    Dhat,
    /// heaptrack's text, every event: for `heaptrack_print` and `heaptrack_gui`.
    Heaptrack,
    /// The capture file of memray 1.20.
    Memray,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::Collapsed,
        Self::Speedscope,
        Self::Pprof,
        Self::Csv,
        Self::Json,
        Self::Gprof2dot,
        Self::Firefox,
        Self::Dhat,
        Self::Heaptrack,
        Self::Memray,
    ];

    /// Its name, as `--format` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collapsed => "collapsed",
            Self::Speedscope => "speedscope",
            Self::Pprof => "pprof",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Gprof2dot => "gprof2dot",
            Self::Firefox => "firefox",
            Self::Dhat => "dhat",
            Self::Heaptrack => "heaptrack",
            Self::Memray => "memray",
        }
    }

    /// What the names of such files end in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Collapsed => "txt",
            Self::Speedscope => "speedscope.json",
            Self::Pprof => "pb.gz",
            Self::Csv => "csv",
            Self::Json | Self::Gprof2dot | Self::Firefox | Self::Dhat => "json",
            Self::Heaptrack => "txt",
            Self::Memray => "bin",
        }
    }

    /// Whether it shows one metric, be it first; the others show all that they have room for.
    #[must_use]
    pub const fn has_metric(self) -> bool {
        match self {
            Self::Collapsed | Self::Speedscope | Self::Pprof | Self::Csv | Self::Gprof2dot => true,
            Self::Json | Self::Firefox | Self::Dhat | Self::Heaptrack | Self::Memray => false,
        }
    }

    /// Whether it has room for one process: then it needs a report on a single one.
    #[must_use]
    pub const fn has_one_process(self) -> bool {
        matches!(self, Self::Dhat | Self::Heaptrack | Self::Memray)
    }

    /// Whether it tells every event from the start on.
    #[must_use]
    pub const fn has_events(self) -> bool {
        matches!(self, Self::Firefox | Self::Dhat | Self::Heaptrack | Self::Memray)
    }

    /// The same format, if the tree of calls is all that it shows: then a [`NodeReport`](crate::node_report::NodeReport) is
    /// enough.
    #[must_use]
    pub const fn of_tree(self) -> Option<TreeFormat> {
        match self {
            Self::Collapsed => Some(TreeFormat::Collapsed),
            Self::Speedscope => Some(TreeFormat::Speedscope),
            Self::Csv => Some(TreeFormat::Csv),
            Self::Json => Some(TreeFormat::Json),
            Self::Gprof2dot => Some(TreeFormat::Gprof2dot),
            Self::Pprof | Self::Firefox | Self::Dhat | Self::Heaptrack | Self::Memray => None,
        }
    }
}

/// The formats that show a tree of calls, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeFormat {
    /// See [`Format::Collapsed`].
    Collapsed,
    /// See [`Format::Speedscope`].
    Speedscope,
    /// See [`Format::Csv`].
    Csv,
    /// See [`Format::Json`].
    Json,
    /// See [`Format::Gprof2dot`].
    Gprof2dot,
}

/// Writes a report in a format. Where that can be far larger than the capture, `out` is told how large.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
pub fn write(
    report: &mut Report,
    format: Format,
    view: View,
    metric: Metric,
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    let of_tree = |report: &mut Report, format, out| {
        let tree = call_tree(report, view);
        write_tree(report, &tree, format, (view, metric), out)
    };
    match format {
        Format::Collapsed => of_tree(report, TreeFormat::Collapsed, out),
        Format::Speedscope => of_tree(report, TreeFormat::Speedscope, out),
        Format::Csv => of_tree(report, TreeFormat::Csv, out),
        Format::Json => of_tree(report, TreeFormat::Json, out),
        Format::Gprof2dot => of_tree(report, TreeFormat::Gprof2dot, out),
        Format::Pprof => pprof::write_pprof(report, view, metric, out),
        Format::Firefox => firefox::write_firefox(report, view, out),
        Format::Dhat => dhat::write_dhat(report, view, out),
        Format::Heaptrack => heaptrack::write_heaptrack(report, view, out),
        Format::Memray => memray::write_memray(report, view, out),
    }
}

/// Writes a format for which the tree of a view is enough.
pub(crate) fn write_tree(
    report: &Report,
    tree: &FlameTree,
    format: TreeFormat,
    (view, metric): (View, Metric),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    match format {
        TreeFormat::Collapsed => collapsed::write_collapsed(report, tree, metric, out),
        TreeFormat::Speedscope => speedscope::write_speedscope(report, tree, metric, out),
        TreeFormat::Csv => csv::write_csv(report, tree, metric, out),
        TreeFormat::Json => json::write_json(report, tree, view, out),
        TreeFormat::Gprof2dot => gprof2dot::write_gprof2dot(report, tree, metric, out),
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
