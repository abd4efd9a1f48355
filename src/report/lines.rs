//! `memprof lines`.

use memprof_reporter::lines::{LineSelection, SortBy, write};

use super::format_args::FormatArgs;
use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, stdout_text};

/// Show what each line of a source file allocated, itself and with all that it called
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// A source file, by its path, the end of that, or its name, and a function of it (FILE:FUNCTION) [default: list
    /// all files]
    #[arg(value_name = "FILE[:FUNCTION]")]
    source: Option<String>,
    /// What to sort by [default: line; own for a list of files]
    #[arg(short, long, value_name = "COLUMN", value_enum)]
    sort: Option<Column>,
    /// How many lines or files to list as text or Markdown: the largest [default: all lines, 20 files]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    text: TextArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Column {
    /// By number; files by name
    Line,
    /// Most bytes of its own first
    Own,
    /// Most bytes with all that it called first
    Total,
    /// Most allocations of its own first
    Allocations,
}

impl Column {
    const fn sort_by(self) -> SortBy {
        match self {
            Self::Line => SortBy::Line,
            Self::Own => SortBy::Own,
            Self::Total => SortBy::Total,
            Self::Allocations => SortBy::Allocations,
        }
    }
}

/// Prints the lines.
///
/// # Errors
/// When the capture cannot be read or has no such file, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (metric, view) = (args.shown.metric(), args.shown.view());
    let report = args.shown.open(args.format.notes())?;
    let selection = args.source.as_deref().map(|source| LineSelection::find(&report, source)).transpose();
    let selection = selection.map_err(|error| Failure::Source(args.shown.capture.clone(), error))?.unwrap_or_default();
    let default = if args.source.is_some() { SortBy::Line } else { SortBy::Own };
    let sort = args.sort.map_or(default, Column::sort_by);
    let (what, how) = ((&selection, sort), (args.format.format(), &args.text.style()));
    stdout_text::write_sized(&args.shown.capture, false, |out| {
        write(&report, (view, metric), what, args.limit, how, out)
    })
}
