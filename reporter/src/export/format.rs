//! What a format of another tool says of itself.

use std::fmt;
use std::io;

use memprof_replay::metric::Metric;

use super::FORMATS;
use crate::formatting::expected_size::SizedWrite;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;

/// A format: its file in this folder has one, and [`FORMATS`] lists it.
pub struct Format {
    /// As `--format` has it.
    pub name: &'static str,
    /// What it is for, for the help.
    pub help: &'static str,
    /// What the names of such files end in.
    pub extension: &'static str,
    pub(super) metrics: Metrics,
    pub(super) processes: Processes,
    pub(super) source: Source,
}

/// Which metrics a file shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Metrics {
    /// One, or one first.
    Chosen,
    /// All of them.
    All,
}

/// For how many processes a file has room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Processes {
    /// For one: then it needs a report on a single one.
    One,
    /// For all of a capture.
    All,
}

/// What a format is written from, and how.
pub(super) enum Source {
    /// From the tree of calls: then a [`NodeReport`](crate::sums::node_report::NodeReport) is enough.
    Tree(TreeFormat),
    /// From the tree of calls and the slots of a report: the tree knows their cells.
    Slots(WriteTree),
    /// From all events, which are read once more.
    Events(fn(&mut Report, View, &mut dyn SizedWrite) -> io::Result<()>),
}

/// How a format is written that shows a tree of calls, and nothing else.
#[derive(Clone, Copy)]
pub struct TreeFormat(pub(super) WriteTree);

type WriteTree = fn(&Report, &FlameTree, (View, Metric), &mut dyn SizedWrite) -> io::Result<()>;

impl Format {
    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.into_iter().find(|format| format.name == name)
    }

    /// Whether it shows one metric, be it first; the others show all that they have room for.
    #[must_use]
    pub fn has_metric(&self) -> bool {
        self.metrics == Metrics::Chosen
    }

    /// Whether it has room for one process: then it needs a report on a single one.
    #[must_use]
    pub fn has_one_process(&self) -> bool {
        self.processes == Processes::One
    }

    /// Whether it has every event from the start on.
    #[must_use]
    pub const fn has_events(&self) -> bool {
        matches!(self.source, Source::Events(_))
    }

    /// How it is written, if the tree of calls is all that it shows.
    #[must_use]
    pub const fn of_tree(&self) -> Option<TreeFormat> {
        match self.source {
            Source::Tree(format) => Some(format),
            Source::Slots(_) | Source::Events(_) => None,
        }
    }
}

impl TreeFormat {
    /// Writes the tree of a view.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub(crate) fn write(
        self,
        report: &Report,
        tree: &FlameTree,
        shown: (View, Metric),
        out: &mut dyn SizedWrite,
    ) -> io::Result<()> {
        (self.0)(report, tree, shown, out)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
