//! Where a recording goes. Whether it can be written is to be known before the program runs; its pid is known
//! afterwards.

use std::io::{self, Seek};
use std::path::PathBuf;

use memprof_capture::file::Header;
use memprof_channel::followed::Followed;

use crate::output::aggregated_output::AggregatedOutput;
use crate::output::capture_output::CaptureOutput;
use crate::output::{Destination, Output};

/// An output that can be written.
pub enum PreparedOutput {
    /// That of all events.
    Events(Destination),
    /// That of their sums.
    Sums(Box<AggregatedOutput>),
}

impl PreparedOutput {
    /// Into `destination`, or into the file at `sums_at`, which is the same. Writes the beginning of a file.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn new(
        destination: Destination,
        sums_at: Option<PathBuf>,
        header: &Header,
        followed: Followed,
    ) -> io::Result<Self> {
        if let Destination::File(file) = &destination {
            CaptureOutput::new(file.try_clone()?, header)?;
        }
        Ok(match sums_at {
            Some(path) => Self::Sums(Box::new(AggregatedOutput::new(path, header.clone(), !followed.is_anybody())?)),
            None => Self::Events(destination),
        })
    }

    /// Writes the file's beginning, with the pid; of a file, again. The program runs by now: it must not be disturbed
    /// if the disk has just become full.
    pub fn begin(self, header: &Header) -> Box<dyn Output> {
        let (file, emptied) = match self {
            Self::Sums(sums) => return Box::new(sums.with_header(header.clone())),
            Self::Events(Destination::File(mut file)) => {
                let emptied = file.rewind().and_then(|()| file.set_len(0));
                (file, emptied)
            }
            Self::Events(Destination::Stream(stream)) => (stream, Ok(())),
        };
        let begun = emptied.and_then(|()| file.try_clone()).and_then(|file| CaptureOutput::new(file, header));
        Box::new(begun.unwrap_or_else(|error| CaptureOutput::broken(file, error)))
    }
}
