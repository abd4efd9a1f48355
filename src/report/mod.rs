//! The subcommands that report on a capture. Each parses its arguments, opens the report and calls a renderer.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use memprof_replay::metric::Metric;
use memprof_reporter::check::BudgetError;
use memprof_reporter::flamegraph::GraphShape;
use memprof_reporter::lines::NoSuchSource;
use memprof_reporter::node_report::{NodeReport, NodesOf};
use memprof_reporter::place_report::PlaceReport;
use memprof_reporter::report::{BinsWanted, Report, ReportError};
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::SuppressionsError;
use memprof_reporter::view::{PlacesOf, View, ViewKind};

use query_args::QueryArgs;
pub use sized_output::TooLarge;

use crate::say;

mod by_args;
pub mod check;
pub mod diff;
pub mod export;
pub mod flamegraph;
mod format_args;
pub mod histogram;
pub mod leaks;
pub mod lines;
mod output_file;
mod progress;
mod query_args;
#[expect(clippy::module_inception, reason = "named after its subcommand, as the others are")]
pub mod report;
mod shown_args;
mod sized_output;
pub mod stats;
mod stdout_text;
pub mod summary;
pub mod table;
pub mod temporary;
mod text_args;
pub mod timeline;

/// What a report that guards limits finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is within them.
    Fine,
    /// One of them is exceeded.
    Breach,
}
pub mod tree;

/// Why a report could not be made: displayed, a sentence that says what to do.
#[derive(Debug)]
pub enum Failure {
    /// The capture cannot be reported on.
    Capture(ReportError),
    /// The suppressions cannot be used.
    Suppressions(SuppressionsError),
    /// The capture has no such source file or function.
    Source(PathBuf, NoSuchSource),
    /// The view was asked for that only native frames can fill, and there are none.
    NoNativeStacks(PathBuf),
    /// There is a file of that name already.
    Exists(PathBuf),
    /// The report cannot be written there.
    Unwritable(PathBuf, io::Error),
    /// The report would be larger than anybody expects, or than the disk has room for.
    TooLarge(PathBuf, TooLarge),
    /// Likewise, where standard output is a file.
    StdoutTooLarge(TooLarge),
    /// Standard output does not take the report.
    Stdout(io::Error),
    /// The capture cannot be exported like that.
    Export(export::Refusal),
    /// What was asked for makes no sense.
    Usage(clap::Error),
    /// The budget file cannot be used.
    Budget(BudgetError),
    /// The summary of the CI job cannot be written.
    Summary(PathBuf, io::Error),
    /// The terminal cannot be used.
    #[cfg(feature = "tui")]
    Terminal(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(f),
            Self::Suppressions(error) => error.fmt(f),
            Self::Source(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoNativeStacks(path) => {
                let path = path.display();
                write!(f, "{path} was recorded without native stacks: record without --no-native for a native view")
            }
            Self::Exists(path) => {
                write!(f, "{} exists already: add -f to overwrite it, or name another file with -o", path.display())
            }
            Self::Unwritable(path, error) => {
                write!(f, "cannot write {}: {error}; name another file with -o", path.display())
            }
            Self::TooLarge(path, too_large) if too_large.is_for_disk() => {
                write!(f, "{} {too_large}: name a file on another disk with -o", path.display())
            }
            Self::TooLarge(path, too_large) => {
                write!(f, "{} {too_large}: add --force to write it all the same", path.display())
            }
            Self::StdoutTooLarge(too_large) => {
                write!(
                    f,
                    "the file on standard output {too_large}: pipe it into a program instead, such as gzip or cat"
                )
            }
            Self::Stdout(error) => write!(f, "cannot write to standard output: {error}"),
            Self::Export(refusal) => refusal.fmt(f),
            Self::Usage(error) => error.fmt(f),
            Self::Budget(error) => error.fmt(f),
            Self::Summary(path, error) => {
                write!(f, "cannot append to {}, which GITHUB_STEP_SUMMARY names: {error}", path.display())
            }
            #[cfg(feature = "tui")]
            Self::Terminal(error) => write!(f, "cannot use the terminal: {error}; --text prints to it instead"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Capture(error) => Some(error),
            Self::Suppressions(error) => Some(error),
            Self::Source(_, error) => Some(error),
            Self::NoNativeStacks(_) | Self::Exists(_) => None,
            Self::Export(refusal) => Some(refusal),
            Self::TooLarge(_, error) | Self::StdoutTooLarge(error) => Some(error),
            Self::Unwritable(_, error) | Self::Stdout(error) | Self::Summary(_, error) => Some(error),
            Self::Usage(error) => Some(error),
            Self::Budget(error) => Some(error),
            #[cfg(feature = "tui")]
            Self::Terminal(error) => Some(error),
        }
    }
}

/// Which memory to show.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
struct MetricArgs {
    /// Show what was in memory at the peak (the default)
    #[arg(long)]
    peak: bool,
    /// Show what was allocated and not freed by the end
    #[arg(long)]
    leaks: bool,
    /// Show everything that was ever allocated
    #[arg(long)]
    total: bool,
    /// Show temporary allocations: freed at once
    #[arg(long, visible_alias = "temporary-allocations")]
    temporary: bool,
}

impl MetricArgs {
    /// Whether any was asked for.
    const fn is_given(self) -> bool {
        self.peak || self.leaks || self.total || self.temporary
    }

    const fn metric(self) -> Metric {
        match self {
            Self { leaks: true, .. } => Metric::Leaks,
            Self { total: true, .. } => Metric::Total,
            Self { temporary: true, .. } => Metric::Temporary,
            _ => Metric::Peak,
        }
    }

    /// The same, where the query may have said it: as in memray, a threshold for temporary allocations asks for these.
    const fn metric_for(self, query: &QueryArgs) -> Metric {
        match self.metric() {
            Metric::Peak if query.has_temporary_threshold() && !self.peak => Metric::Temporary,
            metric => metric,
        }
    }
}

/// Which frames to show.
#[derive(Clone, Copy, Debug, clap::Args)]
struct ViewArgs {
    /// Show Python and native frames, or those of one kind only
    #[arg(long = "view", value_enum, value_name = "VIEW", default_value_t = ViewName::Hybrid)]
    name: ViewName,
    /// Show the Python interpreter's own functions in the hybrid view, too
    #[arg(long)]
    show_runtime: bool,
    /// Show Python's import machinery, too (importlib, runpy), and list what it allocates under its own lines
    #[arg(long)]
    show_imports: bool,
    /// List native memory under the innermost function that is one of these
    #[arg(long, value_enum, value_name = "WHOSE", default_value_t = PlacesName::Dependencies)]
    places: PlacesName,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViewName {
    /// Python and native frames, without the interpreter's own
    Hybrid,
    /// Python frames
    Python,
    /// Native frames, with the interpreter's own
    Native,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PlacesName {
    /// Functions of the program: not those of standard libraries, allocators and crates that Cargo fetched
    Program,
    /// Those of crates that the program depends on, too
    Dependencies,
    /// All functions, those of standard libraries and allocators, too
    All,
}

impl ViewArgs {
    const fn view(self) -> View {
        let kind = match self.name {
            ViewName::Hybrid => ViewKind::Hybrid,
            ViewName::Python => ViewKind::Python,
            ViewName::Native => ViewKind::Native,
        };
        let places = match self.places {
            PlacesName::Program => PlacesOf::Program,
            PlacesName::Dependencies => PlacesOf::Dependencies,
            PlacesName::All => PlacesOf::All,
        };
        View { kind, show_runtime: self.show_runtime, show_imports: self.show_imports, places }
    }
}

/// What stacks are sorted by.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SortStacks {
    /// Most bytes first
    Bytes,
    /// Most allocations first
    Allocations,
}

impl SortStacks {
    const fn ranking(self) -> Ranking {
        match self {
            Self::Bytes => Ranking::Bytes,
            Self::Allocations => Ranking::Allocations,
        }
    }
}

/// Says that a report's file is there.
fn say_written(path: &Path) {
    say(format_args!("wrote {}", path.display()));
}

/// Where somebody reads what must be known of a capture: in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notes {
    /// In the report, which is a text for people. They go along into a pager, a file or a comment.
    InText,
    /// On standard error: the report is for programs, is written to a file, or has no room for them.
    Apart,
}

impl Notes {
    /// Of a report that is a text for people, or something else.
    const fn of(is_text: bool) -> Self {
        if is_text { Self::InText } else { Self::Apart }
    }

    /// Says on standard error what is not in the text.
    fn say(self, capture: &Path, notes: &[String]) {
        if self == Self::Apart {
            for note in notes {
                say(format_args!("{}: {note}", capture.display()));
            }
        }
    }
}

/// Opens a capture for a report, with a line on standard error for each thing that its reader must know and that no
/// text has.
fn open(capture: &Path, query: &QueryArgs, view: View, notes: Notes) -> Result<Report, Failure> {
    open_in_bins(capture, query, view, BinsWanted::Never, notes)
}

/// Likewise, with the run in bins if they are wanted.
fn open_in_bins(
    capture: &Path,
    query: &QueryArgs,
    view: View,
    bins: BinsWanted,
    notes: Notes,
) -> Result<Report, Failure> {
    let report = Report::open_watched(capture, &query.query(), bins, progress::watch).map_err(Failure::Capture)?;
    require_stacks(capture, view, report.metadata().native_stacks)?;
    notes.say(capture, report.notes());
    Ok(report)
}

/// Likewise, for lists by place.
fn open_places(capture: &Path, query: &QueryArgs, view: View, notes: Notes) -> Result<PlaceReport, Failure> {
    let report = PlaceReport::open_watched(capture, &query.query(), view, progress::watch).map_err(Failure::Capture)?;
    require_stacks(capture, view, report.has_native_stacks())?;
    notes.say(capture, report.notes());
    Ok(report)
}

/// Likewise, for a tree of calls.
fn open_nodes(
    capture: &Path,
    query: &QueryArgs,
    of: NodesOf,
    (shape, metric): (GraphShape, Metric),
    bins: BinsWanted,
) -> Result<NodeReport, Failure> {
    let watched = (bins, progress::watch);
    let report =
        NodeReport::open_watched(capture, &query.query(), of, (shape, metric), watched).map_err(Failure::Capture)?;
    require_stacks(capture, shape.view, report.has_native_stacks())?;
    Notes::Apart.say(capture, report.notes());
    Ok(report)
}

/// The native view has nothing to show where native stacks were not recorded.
fn require_stacks(capture: &Path, view: View, has_native_stacks: bool) -> Result<(), Failure> {
    if view.kind == ViewKind::Native && !has_native_stacks {
        return Err(Failure::NoNativeStacks(capture.to_owned()));
    }
    Ok(())
}
