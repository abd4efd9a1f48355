//! The subcommands that report on a capture. Each parses its arguments, opens the report and calls a renderer.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use memprof_reporter::metric::Metric;
use memprof_reporter::report::{Report, ReportError};

pub mod flamegraph;
mod output_file;
pub mod stats;
mod stdout_text;
pub mod table;

/// Why a report could not be made: displayed, a sentence that says what to do.
#[derive(Debug)]
pub enum Failure {
    /// The capture cannot be reported on.
    Capture(ReportError),
    /// There is a file of that name already.
    Exists(PathBuf),
    /// The report cannot be written there.
    Unwritable(PathBuf, io::Error),
    /// Standard output does not take the report.
    Stdout(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(f),
            Self::Exists(path) => {
                write!(f, "{} exists already: add -f to overwrite it, or name another file with -o", path.display())
            }
            Self::Unwritable(path, error) => {
                write!(f, "cannot write {}: {error}; name another file with -o", path.display())
            }
            Self::Stdout(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Capture(error) => Some(error),
            Self::Exists(_) => None,
            Self::Unwritable(_, error) | Self::Stdout(error) => Some(error),
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
}

impl MetricArgs {
    const fn metric(self) -> Metric {
        match self {
            Self { leaks: true, .. } => Metric::Leaks,
            Self { total: true, .. } => Metric::Total,
            _ => Metric::Peak,
        }
    }
}

/// Opens a capture for a report, with a line on standard error for each thing that its reader must know.
fn open(capture: &Path) -> Result<Report, Failure> {
    let report = Report::open(capture).map_err(Failure::Capture)?;
    for note in report.notes() {
        eprintln!("memprof: {}: {note}", capture.display());
    }
    Ok(report)
}
