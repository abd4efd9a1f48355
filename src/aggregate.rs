//! `memprof aggregate`: the sums of a capture in place of its events.

use std::path::PathBuf;

use memprof_capture::file::CaptureReader;
use memprof_replay::aggregated_capture::write_aggregated;

use crate::derived_capture::{Failure, OutputArgs};

/// Make a small capture of a large one: the sums of its run in place of its events
///
/// Reports on it have the same figures. Those that need the events are a matter of the large one: ranges of time, some
/// of several processes, other thresholds for temporary allocations, exports of events.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

/// Replays the capture and writes its sums.
///
/// # Errors
/// See [`Failure`].
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { capture, output } = args;
    output.check()?;
    let mut reader = CaptureReader::open(&capture).map_err(Failure::Capture)?;
    if reader.aggregate().is_some() {
        return Err(Failure::Senseless(format!("{} is aggregated already: copy it", capture.display())));
    }
    output.write(|out| write_aggregated(&mut reader, out).map_err(|error| output.failure(&capture, error)))
}
