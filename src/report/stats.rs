//! `memprof stats`.

use std::path::PathBuf;

use memprof_reporter::stats::{DEFAULT_TOP, write_json, write_text};

use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, Notes, say_written, stdout_text};

/// Print the figures of a run: peak, leaks, totals, allocators, sizes and the largest places
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// How many places to list in each ranking
    #[arg(short = 'n', long = "limit", visible_aliases = ["top", "num-largest"])]
    #[arg(value_name = "N", default_value_t = DEFAULT_TOP)]
    top: usize,
    /// Print one JSON object (docs/stats.schema.json)
    #[arg(long)]
    json: bool,
    /// Write the JSON object to this file instead
    #[arg(short, long, value_name = "FILE", requires = "json")]
    output: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(short, long, requires = "output")]
    force: bool,
    #[command(flatten)]
    text: TextArgs,
}

/// Prints the figures.
///
/// # Errors
/// When the capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let metric = args.shown.metric();
    if let Some(path) = args.output {
        let output = OutputFile::choose(Some(path), args.force, &args.shown.capture, "stats", "json")?;
        let report = args.shown.open_places(Notes::Apart)?;
        let path = output.write(|out| write_json(&report.lists(), metric, args.top, out))?;
        say_written(&path);
        return Ok(());
    }
    let report = args.shown.open_places(Notes::of(!args.json))?;
    stdout_text::write(|out| {
        if args.json {
            write_json(&report.lists(), metric, args.top, out)
        } else {
            write_text(&report.lists(), metric, args.top, &args.text.style(), out)
        }
    })
}
