//! `memprof leaks`.

use std::path::PathBuf;

use memprof_reporter::by::{By, BySubject};
use memprof_reporter::leaks::{DEFAULT_FRAMES, DEFAULT_STACKS, LeakRows, LeakSettings, write};
use memprof_reporter::report::BinsWanted;
use memprof_reporter::suppressions::{SuppressedLeaks, Suppressions};

use super::by_args::{ByArgs, with_default};
use super::format_args::FormatArgs;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, SortStacks, ViewArgs, open, open_in_bins, open_places, stdout_text};

/// List what was allocated and never freed, by stack or by whatever else it is asked for
#[derive(Debug, clap::Args)]
#[command(mut_arg("by", |by| with_default(by, "whole stacks, by allocator")))]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    #[command(flatten)]
    by: ByArgs,
    /// Leave out the leaks that this file names: lines `leak:PATTERN`, as LeakSanitizer has them
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,
    /// What to sort by
    #[arg(short, long, value_name = "COLUMN", value_enum, default_value_t = SortStacks::Bytes)]
    sort: SortStacks,
    /// How many stacks, or rows of --by, to list as text or Markdown
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_STACKS)]
    limit: usize,
    /// How many lines to print of each stack
    #[arg(long, value_name = "N", conflicts_with = "by", default_value_t = DEFAULT_FRAMES)]
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
    let suppressions = args.suppressions.as_deref().map(Suppressions::read).transpose();
    let suppressions = suppressions.map_err(Failure::Suppressions)?.unwrap_or_default();
    match args.by.by() {
        Some(by) => print_rows(&args, by, &suppressions),
        None => print_stacks(&args, &suppressions),
    }
}

fn print_stacks(args: &Args, suppressions: &Suppressions) -> Result<(), Failure> {
    let view = args.view.view();
    let mut report = open_in_bins(&args.capture, &args.query, view, BinsWanted::WhereCheap, args.format.notes())?;
    let settings = args.settings(report.suppress_leaks(suppressions));
    let (limits, how) = ((args.limit, args.frames), (args.format.format(), &args.text.style()));
    stdout_text::write_sized(&args.capture, false, |out| write(&report, &settings, limits, how, out))
}

fn print_rows(args: &Args, by: By, suppressions: &Suppressions) -> Result<(), Failure> {
    let view = args.view.view();
    let print = |rows: LeakRows<'_>| {
        let (format, style) = (args.format.format(), args.text.style());
        stdout_text::write_sized(&args.capture, false, |out| rows.write(format, args.limit, &style, out))
    };
    // Rows by place need no stacks, but a suppression may name any frame of one.
    if suppressions.is_empty() && by.subject != BySubject::Stacks {
        let report = open_places(&args.capture, &args.query, view, args.format.notes())?;
        return print(LeakRows::of_places(&report.lists(), by, &args.settings(Vec::new())));
    }
    let mut report = open(&args.capture, &args.query, view, args.format.notes())?;
    let settings = args.settings(report.suppress_leaks(suppressions));
    print(LeakRows::of(&report, by, &settings))
}

impl Args {
    const fn settings(&self, suppressed: Vec<SuppressedLeaks>) -> LeakSettings {
        LeakSettings { view: self.view.view(), ranking: self.sort.ranking(), suppressed }
    }
}
