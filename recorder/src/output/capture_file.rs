//! A capture file while it is being written. A disk that is full ends the file after its last whole chunk, and with it
//! the writing, but never the program.

use std::fs::File;
use std::io::{self, Write};

use memprof_capture::file::{CaptureWriter, Header, Summary};

/// Writes chunks until the first error.
pub struct CaptureFile {
    writer: Option<CaptureWriter<WholeChunks>>,
    file: File,
    failure: Option<io::Error>,
    written: u64,
}

impl CaptureFile {
    /// Starts the file.
    pub fn begin(file: File, header: &Header) -> io::Result<Self> {
        let mut writer = CaptureWriter::new(WholeChunks { file: file.try_clone()?, pending: Vec::new() }, header)?;
        writer.get_mut().flush()?;
        Ok(Self { written: writer.bytes(), writer: Some(writer), file, failure: None })
    }

    /// A file that could not even be started.
    pub const fn broken(file: File, error: io::Error) -> Self {
        Self { writer: None, file, failure: Some(error), written: 0 }
    }

    /// Writes chunks. False if not all of them were written; then none will be any more.
    pub fn write(&mut self, write: impl FnOnce(&mut CaptureWriter<WholeChunks>) -> io::Result<()>) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        match write(writer).and_then(|()| writer.get_mut().flush()) {
            Ok(()) => {
                self.written = writer.bytes();
                true
            }
            Err(error) => {
                self.writer = None;
                self.give_up(error);
                false
            }
        }
    }

    /// Cuts off what is left of a chunk, so that the file ends well. If that fails, a reader finds the end itself.
    fn give_up(&mut self, error: io::Error) {
        let _ = self.file.set_len(self.written);
        self.failure = Some(error);
    }

    /// Ends the file. Returns its size, and what went wrong first.
    pub fn finish(mut self, summary: &Summary) -> (u64, Option<io::Error>) {
        if let Some(writer) = self.writer.take() {
            match writer.finish(summary) {
                Ok((_, bytes)) => self.written = bytes,
                Err(error) => self.give_up(error),
            }
        }
        (self.written, self.failure)
    }
}

/// Gathers what is written until a flush.
pub struct WholeChunks {
    file: File,
    pending: Vec<u8>,
}

impl Write for WholeChunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.pending);
        self.pending.clear();
        written
    }
}
