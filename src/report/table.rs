//! `memprof table`.

use std::path::PathBuf;

use memprof_reporter::flamegraph::PageKind;
use memprof_reporter::report::BinsWanted;
use memprof_reporter::table::{DEFAULT_ROWS, write_json, write_text};

use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, Notes, say_written, stdout_text};

/// List memory by place, allocator and thread
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// Print one JSON object with all rows (docs/table.schema.json)
    #[arg(long)]
    json: bool,
    /// Write an interactive page that opens on its table
    #[arg(long, conflicts_with = "json")]
    html: bool,
    /// How many rows to print as text
    #[arg(short = 'n', long = "limit", visible_alias = "rows", value_name = "N", default_value_t = DEFAULT_ROWS)]
    rows: usize,
    #[command(flatten)]
    text: TextArgs,
    /// Where to write the page, which --html then need not ask for [default: memprof-table-<CAPTURE>.html beside the capture]
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Overwrite the page if it exists
    #[arg(short, long)]
    force: bool,
    /// For users of memray: threads are told apart in any case
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
        let mut report = args.shown.open_page(args.shown.view().into(), BinsWanted::Never)?;
        let path = output.write(|out| report.write_page(PageKind::Table, out))?;
        say_written(&path);
        return Ok(());
    }
    let report = args.shown.open_places(Notes::of(!args.json))?;
    stdout_text::write(|out| {
        if args.json {
            write_json(&report.lists(), metric, out)
        } else {
            write_text(&report.lists(), metric, args.rows, &args.text.style(), out)
        }
    })
}
