//! `memprof report`.

use std::path::PathBuf;

use memprof_reporter::flamegraph::PageKind;
use memprof_reporter::report::BinsWanted;

use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::{Failure, say_written};

/// Write one self-contained page that answers everything: overview, flame graph, table, source lines, threads, sizes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// Where to write it [default: memprof-report-<CAPTURE>.html beside the capture]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(short, long)]
    force: bool,
}

/// Writes the page.
///
/// # Errors
/// When the capture cannot be read or the page not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let output = OutputFile::choose(args.output, args.force, &args.shown.capture, "report", "html")?;
    let report = args.shown.open_page(args.shown.view().into(), BinsWanted::Always)?;
    let path = output.write(|out| report.write_page(PageKind::Report, out))?;
    say_written(&path);
    Ok(())
}
