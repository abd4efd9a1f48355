//! Where a report goes that is text: standard output, be it a terminal, a file or a pipe that somebody closes.

use std::io::{self, BufWriter, StdoutLock, Write};

use super::Failure;

/// Writes a report to standard output. A reader that has seen enough (`| head`) is no failure.
pub(super) fn write(report: impl FnOnce(&mut BufWriter<StdoutLock>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match report(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
}
