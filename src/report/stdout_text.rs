//! Where a report goes that is text: standard output, be it a terminal, a file or a pipe that somebody closes.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use super::Failure;
use super::sized_output::{Room, SizedOutput, TooLarge};

/// Writes a report to standard output. A reader that has seen enough (`| head`) is no failure.
pub(super) fn write(report: impl FnOnce(&mut BufWriter<StdoutLock>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    without_broken_pipe(report(&mut out).and_then(|()| out.flush()))
}

/// The same for a report on a capture that may be far larger than that, where standard output is a file.
pub(super) fn write_sized(
    capture: &Path,
    force: bool,
    report: impl FnOnce(&mut SizedOutput<BufWriter<StdoutLock>>) -> io::Result<()>,
) -> Result<(), Failure> {
    let stdout = io::stdout().lock();
    let room = Room::of(&stdout, capture, force);
    let mut out = SizedOutput::new(BufWriter::new(stdout), room);
    without_broken_pipe(report(&mut out).and_then(|()| out.flush()))
}

fn without_broken_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(TooLarge::in_error(&error).map_or(Failure::Stdout(error), Failure::StdoutTooLarge)),
        Ok(()) => Ok(()),
    }
}
