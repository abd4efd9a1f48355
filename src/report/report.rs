//! `memprof report`.

use std::path::PathBuf;

use memprof_reporter::flamegraph::write_report;
use memprof_reporter::report::BinsWanted;

use super::output_file::OutputFile;
use super::query_args::QueryArgs;
use super::{Failure, MetricArgs, ViewArgs, open_in_bins};

/// Write one self-contained page that answers everything: overview, flame graph, table, source lines, threads, sizes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    #[command(flatten)]
    metric: MetricArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    query: QueryArgs,
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
    let (metric, view) = (args.metric.metric_for(&args.query), args.view.view());
    let output = OutputFile::choose(args.output, args.force, &args.capture, "report", "html")?;
    let mut report = open_in_bins(&args.capture, &args.query, view, BinsWanted::Always)?;
    let path = output.write(|out| write_report(&mut report, view, metric, out))?;
    eprintln!("memprof: wrote {}", path.display());
    Ok(())
}
