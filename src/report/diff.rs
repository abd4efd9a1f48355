//! `memprof diff`.

use std::path::PathBuf;

use memprof_reporter::diff::{
    By, Comparison, DEFAULT_ROWS, Diff, GrowthLimit, Order, write_csv, write_html, write_json, write_markdown,
    write_text,
};
use memprof_reporter::list::ListFormat;

use super::format_args::FormatArgs;
use super::output_file::OutputFile;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, MetricArgs, Notes, Verdict, ViewArgs, open, say, say_written, stdout_text};

/// Compare two captures: what is new, gone, grown or shrunk
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The capture to compare with
    before: PathBuf,
    /// The capture in question
    after: PathBuf,
    /// What to list
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = ByName::Function)]
    by: ByName,
    #[command(flatten)]
    metric: MetricArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    query: QueryArgs,
    /// What comes first
    #[arg(long, value_enum, value_name = "ORDER", default_value_t = OrderName::Difference)]
    sort: OrderName,
    /// How many rows to print as text or Markdown
    #[arg(short = 'n', long, visible_alias = "limit", value_name = "N", default_value_t = DEFAULT_ROWS)]
    rows: usize,
    #[command(flatten)]
    format: FormatArgs,
    /// Write a page with the flame graph of both instead
    #[arg(long, conflicts_with_all = ["format", "json"])]
    html: bool,
    /// Where to write the page [default: memprof-diff-<AFTER>.html beside the capture]
    #[arg(short, long, value_name = "FILE", requires = "html")]
    output: Option<PathBuf>,
    /// Overwrite the page if it exists
    #[arg(short, long, requires = "html")]
    force: bool,
    /// End with status 3 if the bytes in all have grown by more than this: 5%, 10MiB
    #[arg(long, value_name = "LIMIT")]
    fail_above: Option<GrowthLimit>,
    #[command(flatten)]
    text: TextArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ByName {
    /// Stacks of functions, whatever their lines
    Stack,
    /// Functions, whatever the line
    Function,
    /// Lines of functions
    Line,
    /// Modules of native code, files of Python code
    Module,
    /// Distributions that were installed, Python, native libraries, the program
    Package,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OrderName {
    /// Most bytes more or less first
    Difference,
    /// Most bytes more first, most bytes less last
    Growth,
    /// Most allocations more or less first
    Allocations,
    /// Most bytes before first
    Before,
    /// Most bytes after first
    After,
}

impl Args {
    const fn comparison(&self) -> Comparison {
        let by = match self.by {
            ByName::Stack => By::Stack,
            ByName::Function => By::Function,
            ByName::Line => By::Line,
            ByName::Module => By::Module,
            ByName::Package => By::Package,
        };
        let order = match self.sort {
            OrderName::Difference => Order::Difference,
            OrderName::Growth => Order::Growth,
            OrderName::Allocations => Order::Allocations,
            OrderName::Before => Order::Before,
            OrderName::After => Order::After,
        };
        Comparison { view: self.view.view(), metric: self.metric.metric_for(&self.query), by, order }
    }
}

/// Prints the comparison, and says whether it is within the limit.
///
/// # Errors
/// When a capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<Verdict, Failure> {
    let comparison = args.comparison();
    let page = args.html.then(|| OutputFile::choose(args.output.clone(), args.force, &args.after, "diff", "html"));
    let page = page.transpose()?;
    let format = args.format.format();
    let notes = Notes::of(matches!(format, ListFormat::Text | ListFormat::Markdown) && !args.html);
    let mut before = open(&args.before, &args.query, comparison.view, notes)?;
    let mut after = open(&args.after, &args.query, comparison.view, notes)?;
    if let Some(page) = page {
        let shape = (comparison.view, comparison.metric, false);
        let path = page.write(|out| write_html(&mut before, &mut after, shape, out))?;
        say_written(&path);
    }
    let diff = Diff::of(&mut before, &mut after, comparison);
    stdout_text::write_sized(&args.after, false, |out| match format {
        _ if args.html => Ok(()),
        ListFormat::Text => write_text(&diff, args.rows, &args.text.style(), out),
        ListFormat::Json => write_json(&diff, out),
        ListFormat::Markdown => write_markdown(&diff, args.rows, out),
        ListFormat::Csv => write_csv(&diff, out),
    })?;
    let bytes = (diff.total().before.bytes, diff.total().after.bytes);
    match args.fail_above.filter(|limit| limit.is_exceeded(bytes.0, bytes.1)) {
        Some(limit) => {
            say(format_args!("{}; the limit is {limit}", diff.growth()));
            Ok(Verdict::Breach)
        }
        None => Ok(Verdict::Fine),
    }
}
