//! `memprof table`.

use std::path::PathBuf;
use std::sync::LazyLock;

use memprof_reporter::by::{By, BySubject};
use memprof_reporter::flamegraph::PageKind;
use memprof_reporter::report::BinsWanted;
use memprof_reporter::table::{DEFAULT_ROWS, Table};

use super::by_args::ByArgs;
use super::format_args::FormatArgs;
use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, say_written, stdout_text};

/// What rows are for, unless asked otherwise.
static DEFAULT_BY: LazyLock<String> = LazyLock::new(|| By::default().to_string());

/// List memory by place and allocator, or by whatever else it is asked for
#[derive(Debug, clap::Args)]
#[command(mut_arg("by", |by| by.default_value(DEFAULT_BY.as_str())))]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// Write an interactive page that opens on its table
    #[arg(long, conflicts_with_all = ["format", "json", "by"])]
    html: bool,
    /// How many rows to print as text or Markdown
    #[arg(short = 'n', long = "limit", visible_alias = "rows", value_name = "N", default_value_t = DEFAULT_ROWS)]
    rows: usize,
    #[command(flatten)]
    text: TextArgs,
    /// Where to write the page, which --html then need not ask for [default: memprof-table-<CAPTURE>.html beside the
    /// capture]
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["format", "json", "by"])]
    output: Option<PathBuf>,
    /// Overwrite the page if it exists
    #[arg(short, long)]
    force: bool,
    /// For users of memray: what --by line,allocator,thread does
    #[arg(long, hide = true)]
    split_threads: bool,
    /// For users of memray: pages never need the network
    #[arg(long, hide = true)]
    no_web: bool,
}

/// Prints the table or writes its page.
///
/// # Errors
/// When the capture cannot be read or the table not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let metric = args.shown.metric();
    if args.html || args.output.is_some() {
        let output = OutputFile::choose(args.output, args.force, &args.shown.capture, "table", "html")?;
        let report = args.shown.open_page(args.shown.view().into(), BinsWanted::Never)?;
        let path = output.write(|out| report.write_page(PageKind::Table, out))?;
        say_written(&path);
        return Ok(());
    }
    let (format, notes) = (args.format.format(), args.format.notes());
    let by = args.by.by().unwrap_or_default();
    let by = By { thread: by.thread || args.split_threads, ..by };
    let style = args.text.style();
    if by.subject == BySubject::Stacks {
        let report = args.shown.open(notes)?;
        let table = Table::of(&report, args.shown.view(), metric, by);
        return stdout_text::write_sized(&args.shown.capture, false, |out| table.write(format, args.rows, &style, out));
    }
    let report = args.shown.open_places(notes)?;
    let lists = report.lists();
    let table = Table::of_places(&lists, metric, by);
    stdout_text::write_sized(&args.shown.capture, false, |out| table.write(format, args.rows, &style, out))
}
