//! `memprof flamegraph`.

use std::path::PathBuf;

use memprof_reporter::actors::Split;
use memprof_reporter::diff;
use memprof_reporter::flamegraph::{GraphShape, PageKind};
use memprof_reporter::report::BinsWanted;

use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::{Failure, Notes, open, say_written};

/// Write a flame graph: one self-contained interactive page, or a picture
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// Let the reader of the page choose any range of time, also where the capture is so long that this takes a while
    #[arg(long, conflicts_with = "svg")]
    temporal: bool,
    /// Show how the capture differs from this one: new, gone, grown, shrunk
    #[arg(long, value_name = "BEFORE", conflicts_with_all = ["svg", "temporal", "split_threads"])]
    diff: Option<PathBuf>,
    /// Begin with the frames that allocated, and show their callers below them
    #[arg(long, conflicts_with = "svg")]
    inverted: bool,
    /// Show a frame for each thread, above all that it did
    #[arg(long)]
    split_threads: bool,
    /// Accepted for memray's users: the page never needs the network
    #[arg(long)]
    no_web: bool,
    /// Write an SVG picture instead of the page
    #[arg(long)]
    svg: bool,
    /// Where to write it [default: memprof-flamegraph-<CAPTURE>.html or .svg beside the capture]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(short, long)]
    force: bool,
}

/// Writes the flame graph.
///
/// # Errors
/// When the capture cannot be read or the graph not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (metric, view) = (args.shown.metric(), args.shown.view());
    let extension = if args.svg { "svg" } else { "html" };
    let kind = if args.diff.is_some() { "diff" } else { "flamegraph" };
    let output = OutputFile::choose(args.output, args.force, &args.shown.capture, kind, extension)?;
    if let Some(before) = &args.diff {
        let mut before = open(before, &args.shown.query, view, Notes::Apart)?;
        let mut after = args.shown.open(Notes::Apart)?;
        let shape = (view, metric, args.inverted);
        let path = output.write(|out| diff::write_html(&mut before, &mut after, shape, out))?;
        say_written(&path);
        return Ok(());
    }
    let bins = if args.temporal { BinsWanted::Always } else { BinsWanted::WhereCheap };
    let split = if args.split_threads { Split::ByThread } else { Split::ByProcess };
    let path = if args.svg {
        let report = args.shown.open_picture(split)?;
        output.write(|out| report.write_svg(out))?
    } else {
        let report = args.shown.open_page(GraphShape { view, inverted: args.inverted, split }, bins)?;
        output.write(|out| report.write_page(PageKind::FlameGraph, out))?
    };
    say_written(&path);
    Ok(())
}
