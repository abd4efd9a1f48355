//! `memprof summary`.

use std::str::FromStr;

use memprof_replay::metric::Metric;
use memprof_reporter::places_by::PlacesBy;
use memprof_reporter::summary::{DEFAULT_ROWS, SortBy, Summary};

use super::format_args::FormatArgs;
use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, stdout_text};

/// List functions by what they allocated, themselves and with all that they called
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// What to sort by [own, total, allocations, name, peak, leaked, allocated, temporary]
    #[arg(short, long, visible_alias = "sort-column", value_name = "COLUMN")]
    #[arg(value_parser = sort_by, default_value = "own")]
    sort: SortBy,
    /// What rows are for
    #[arg(long, value_name = "WHAT", value_parser = PlacesBy::from_str, default_value = PlacesBy::Function.name())]
    by: PlacesBy,
    /// How many functions to list as text or Markdown
    #[arg(short = 'n', long, visible_short_alias = 'r', visible_alias = "max-rows")]
    #[arg(value_name = "N", default_value_t = DEFAULT_ROWS)]
    limit: usize,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// A column by its name, or by its number in memray's summary.
fn sort_by(name: &str) -> Result<SortBy, String> {
    match name {
        "own" | "3" | "4" => Ok(SortBy::Own),
        "total" | "1" | "2" => Ok(SortBy::Total),
        "allocations" | "5" => Ok(SortBy::Allocations),
        "name" => Ok(SortBy::Name),
        "peak" => Ok(SortBy::Of(Metric::Peak)),
        "leaked" => Ok(SortBy::Of(Metric::Leaks)),
        "allocated" => Ok(SortBy::Of(Metric::Total)),
        "temporary" => Ok(SortBy::Of(Metric::Temporary)),
        _ => Err("the columns are own, total, allocations, name, peak, leaked, allocated and temporary".to_owned()),
    }
}

/// Prints the functions.
///
/// # Errors
/// When the capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (metric, view) = (args.shown.metric(), args.shown.view());
    let report = args.shown.open(args.format.notes())?;
    let summary = Summary::of(&report, view, metric, (args.by, args.sort));
    let (format, style) = (args.format.format(), args.text.style());
    stdout_text::write_sized(&args.shown.capture, false, |out| summary.write(format, args.limit, &style, out))
}
