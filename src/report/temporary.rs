//! `memprof temporary`.

use std::path::PathBuf;

use memprof_reporter::temporary::{
    DEFAULT_FRAMES, DEFAULT_ROWS, DEFAULT_STACKS, SortBy, TemporarySettings, TextLimits, write,
};

use super::by_args::{ByArgs, with_default};
use super::format_args::FormatArgs;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, ViewArgs, open, stdout_text};

/// List what allocates memory to free it at once, with its stacks: places, or whatever else it is asked for
#[derive(Debug, clap::Args)]
#[command(mut_arg("by", |by| with_default(by, "places")))]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    #[command(flatten)]
    by: ByArgs,
    /// What to sort by
    #[arg(short, long, value_name = "COLUMN", value_enum, default_value_t = Column::Allocations)]
    sort: Column,
    /// How many places, or rows of --by, to list as text or Markdown
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_ROWS)]
    limit: usize,
    /// How many stacks to print of each
    #[arg(long, value_name = "N", default_value_t = DEFAULT_STACKS)]
    stacks: usize,
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

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Column {
    /// Most temporary allocations first
    Allocations,
    /// Most bytes of temporary allocations first
    Bytes,
    /// The largest share of the row's allocations first
    Share,
}

impl Column {
    const fn sort_by(self) -> SortBy {
        match self {
            Self::Allocations => SortBy::Allocations,
            Self::Bytes => SortBy::Bytes,
            Self::Share => SortBy::Share,
        }
    }
}

/// Prints the rows.
///
/// # Errors
/// When the capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let settings = TemporarySettings { view: args.view.view(), by: args.by.by(), sort: args.sort.sort_by() };
    let report = open(&args.capture, &args.query, settings.view, args.format.notes())?;
    let limits = TextLimits { rows: args.limit, stacks: args.stacks, frames: args.frames };
    let how = (args.format.format(), &args.text.style());
    stdout_text::write_sized(&args.capture, false, |out| write(&report, settings, limits, how, out))
}
