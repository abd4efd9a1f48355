//! `memprof merge`: several captures as one.

use std::path::PathBuf;

use memprof_capture::file::CaptureReader;
use memprof_replay::joining::{JoinError, Joined, join};
use memprof_reporter::run_clock::RunClock;

use crate::derived_capture::{Failure, OutputArgs};

/// Make one capture of several, of workers, shards or machines, with all their processes on one clock
///
/// Stacks that are equal are there once. Captures are put in the order in which they began, by the clocks of their
/// systems.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files that `memprof run` wrote
    #[arg(required = true, num_args = 1.., value_name = "CAPTURE")]
    captures: Vec<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Writes the captures as one.
///
/// # Errors
/// See [`Failure`].
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { captures, output } = args;
    output.check()?;
    let opened = captures.iter().map(|capture| {
        let reader = CaptureReader::open(capture).map_err(Failure::Capture)?;
        let clock = RunClock::of(&reader);
        Ok(Joined { reader, seconds: Box::new(move |stamp| clock.seconds(stamp)) })
    });
    let opened: Vec<Joined> = opened.collect::<Result<_, Failure>>()?;
    output.write(|out| {
        join(opened, out).map_err(|error| match error {
            JoinError::Read(path, error) => Failure::Unreadable(path, error),
            JoinError::Write(error) => output.unwritable(error),
            senseless => Failure::Senseless(senseless.to_string()),
        })
    })
}
