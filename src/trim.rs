//! `memprof trim`: a part of a capture as a capture of its own.

use std::path::PathBuf;

use memprof_capture::file::CaptureReader;
use memprof_capture::file::facts::ClockPoint;
use memprof_channel::ids::Stamp;
use memprof_replay::processes::Processes;
use memprof_replay::replay::end_of;
use memprof_replay::time_range::TimeRange;
use memprof_replay::trimming::{Cut, trim};
use memprof_reporter::query::Moment;
use memprof_reporter::run_clock::RunClock;
use memprof_reporter::unknown_process::UnknownProcessMessage;

use crate::derived_capture::{Failure, OutputArgs};

/// Cut a capture to a range of time, to some of its processes, or both
///
/// What is live when the range begins is allocated again at that moment, by the stacks and threads that it had.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,

    #[command(flatten)]
    output: OutputArgs,

    /// Begin with this moment: seconds after the start (2.5), with a unit (250ms, 3m), or a share of the run (50%)
    #[arg(long, value_name = "T")]
    from: Option<Moment>,

    /// End with this moment
    #[arg(long, value_name = "T")]
    to: Option<Moment>,

    /// Keep this process only; give it again for more [default: all that were recorded]
    #[arg(long = "process", value_name = "PID")]
    processes: Vec<u32>,
}

/// Writes the part of the capture.
///
/// # Errors
/// See [`Failure`].
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { capture, output, from, to, processes } = args;
    output.check()?;
    let mut reader = CaptureReader::open(&capture).map_err(Failure::Capture)?;
    let chosen = Processes::of(&reader).only(&processes);
    let chosen = chosen
        .map_err(|unknown| Failure::Senseless(format!("{}: {}", capture.display(), UnknownProcessMessage(&unknown))))?;
    let cut =
        cut(&reader, from, to).map_err(|reason| Failure::Senseless(format!("{}: {reason}", capture.display())))?;
    output.write(|out| trim(&mut reader, &chosen, &cut, out).map_err(|error| output.failure(&capture, error)))
}

/// The part that is asked for, on the clocks of the capture.
fn cut(reader: &CaptureReader, from: Option<Moment>, to: Option<Moment>) -> Result<Cut, String> {
    let (clock, header) = (RunClock::of(reader), reader.header());
    let end = reader.summary().map_or_else(|| end_of(reader), |summary| summary.end.stamp);
    let duration_s = clock.seconds(end);
    let seconds = |moment: Option<Moment>| moment.map(|moment| moment.seconds(duration_s));
    let (from, to) = (seconds(from).unwrap_or(0.0), seconds(to));
    if from > duration_s {
        return Err(format!("it lasts {duration_s:.3} s: --from must come before its end"));
    }
    if to.is_some_and(|to| to < from) {
        return Err("--to must not come before --from".to_owned());
    }
    let point = |seconds: f64| {
        let nanoseconds = (seconds * 1e9).round() as u64;
        let monotonic_ns = header.start.monotonic_ns.saturating_add(nanoseconds);
        (ClockPoint { stamp: clock.stamp(seconds), monotonic_ns }, header.start_unix_ns.saturating_add(nanoseconds))
    };
    let begin = if from > 0.0 { point(from) } else { (header.start, header.start_unix_ns) };
    let end = to.filter(|&to| to < duration_s).map(|to| point(to).0);
    // Without a beginning of its own it has everything, also what a damaged capture stamps before.
    let first = if from > 0.0 { begin.0.stamp } else { Stamp(0) };
    let range = TimeRange { from: first, to: end.map_or(Stamp(u64::MAX), |end| end.stamp) };
    Ok(Cut { range, begin, end })
}
