//! `memprof leaks`.

use std::path::PathBuf;

use memprof_reporter::leaks::{DEFAULT_FRAMES, DEFAULT_STACKS, LeakSettings, write};
use memprof_reporter::report::BinsWanted;
use memprof_reporter::suppressions::Suppressions;

use super::format_args::FormatArgs;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, SortStacks, ViewArgs, open_in_bins, stdout_text};

/// List what was allocated and never freed, with its stacks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    /// Leave out the leaks that this file names: lines `leak:PATTERN`, as LeakSanitizer has them
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,
    /// What to sort by
    #[arg(short, long, value_name = "COLUMN", value_enum, default_value_t = SortStacks::Bytes)]
    sort: SortStacks,
    /// How many stacks to list as text or Markdown
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_STACKS)]
    limit: usize,
    /// How many lines to print of each stack
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FRAMES)]
    frames: usize,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// Prints the leaks.
///
/// # Errors
/// When the capture or the suppressions cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let view = args.view.view();
    let suppressions = args.suppressions.map(|path| Suppressions::read(&path)).transpose();
    let suppressions = suppressions.map_err(Failure::Suppressions)?.unwrap_or_default();
    let mut report = open_in_bins(&args.capture, &args.query, view, BinsWanted::WhereCheap, args.format.notes())?;
    let suppressed = report.suppress_leaks(&suppressions);
    let settings = LeakSettings { view, ranking: args.sort.ranking(), suppressed };
    let (limits, how) = ((args.limit, args.frames), (args.format.format(), &args.text.style()));
    stdout_text::write_sized(&args.capture, false, |out| write(&report, &settings, limits, how, out))
}
