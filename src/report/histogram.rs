//! `memprof histogram`.

use std::path::PathBuf;

use memprof_reporter::histogram::{Bars, write};
use memprof_reporter::view::View;

use super::format_args::FormatArgs;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, open, stdout_text};

/// Show how large the allocations were: how many of each size, and how much memory that was
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    /// A histogram for each allocator, instead of one for all
    #[arg(long, value_name = "WHAT", value_enum)]
    by: Option<By>,
    /// What the bars show
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = BarsName::Allocations)]
    bars: BarsName,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    text: TextArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// malloc, mmap and so on
    Allocator,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BarsName {
    /// How many there were
    Allocations,
    /// How many bytes that was
    Bytes,
}

/// Prints the histogram.
///
/// # Errors
/// When the capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut report = open(&args.capture, &args.query, View::default(), args.format.notes())?;
    let sizes = report.allocation_sizes(&args.query.query()).map_err(Failure::Capture)?;
    let bars = match args.bars {
        BarsName::Allocations => Bars::Allocations,
        BarsName::Bytes => Bars::Bytes,
    };
    let (what, how) = ((args.by == Some(By::Allocator), bars), (args.format.format(), &args.text.style()));
    stdout_text::write_sized(&args.capture, false, |out| write(&report, &sizes, what, how, out))
}
