//! `memprof timeline`.

use std::path::PathBuf;

use memprof_reporter::timeline::{DEFAULT_ROWS, write_json, write_svg, write_text};
use memprof_reporter::view::View;

use super::output_file::OutputFile;
use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, Notes, open, say_written, stdout_text};

/// Draw live memory and the resident set over the run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    /// How many rows the chart has as text
    #[arg(long, value_name = "ROWS", default_value_t = DEFAULT_ROWS)]
    height: usize,
    /// Write the chart to this file as an SVG picture
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    svg: Option<PathBuf>,
    /// Overwrite the picture if it exists
    #[arg(short, long, requires = "svg")]
    force: bool,
    /// Print the points as one JSON object (docs/timeline.schema.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// Draws the chart.
///
/// # Errors
/// When the capture cannot be read, or the chart not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.svg.is_some() {
        let output = OutputFile::choose(args.svg, args.force, &args.capture, "timeline", "svg")?;
        let report = open(&args.capture, &args.query, View::default(), Notes::Apart)?;
        let path = output.write(|out| write_svg(&report, out))?;
        say_written(&path);
        return Ok(());
    }
    let report = open(&args.capture, &args.query, View::default(), Notes::of(!args.json))?;
    stdout_text::write(|out| {
        if args.json { write_json(&report, out) } else { write_text(&report, args.height, &args.text.style(), out) }
    })
}
