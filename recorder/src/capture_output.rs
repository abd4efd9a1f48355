//! The capture file while it is being written. A disk that is full ends the file after its last whole chunk, and with
//! it the writing, but never the program.

use std::fs::File;
use std::io::{self, Write};

use memprof_capture::file::columns::ColumnEncoder;
use memprof_capture::file::facts::RssSample;
use memprof_capture::file::rewrite::batches;
use memprof_capture::file::{CaptureWriter, Fact, FrameSymbols, Header, Summary, Thread};

use crate::interning::NewRows;
use crate::output::{Failure, Written};

/// Writes chunks until the first error.
pub struct CaptureOutput {
    writer: Option<CaptureWriter<WholeChunks>>,
    file: File,
    failure: Option<io::Error>,
    written: u64,
    /// Allocations in what was written.
    allocations: u64,
    /// Whether the file says that rows may be repeated.
    told_repetition: bool,
}

impl CaptureOutput {
    /// Starts the file.
    pub fn new(file: File, header: &Header) -> io::Result<Self> {
        let mut writer = CaptureWriter::new(WholeChunks { file: file.try_clone()?, pending: Vec::new() }, header)?;
        writer.get_mut().flush()?;
        Ok(Self {
            written: writer.bytes(),
            writer: Some(writer),
            file,
            failure: None,
            allocations: 0,
            told_repetition: false,
        })
    }

    /// A file that could not even be started.
    pub fn broken(file: File, error: io::Error) -> Self {
        Self { writer: None, file, failure: Some(error), written: 0, allocations: 0, told_repetition: false }
    }

    /// Whether it was written.
    fn write(&mut self, write: impl FnOnce(&mut CaptureWriter<WholeChunks>) -> io::Result<()>) -> bool {
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

    /// Writes rows of the tables. They must come before the events that refer to them.
    pub fn rows(&mut self, rows: &NewRows) {
        if rows.may_repeat && !std::mem::replace(&mut self.told_repetition, true) {
            self.facts(&[Fact::RowsRepeat]);
        }
        self.write(|writer| {
            writer.codes(&rows.codes)?;
            writer.modules(&rows.modules)?;
            writer.frames(&rows.frames)?;
            writer.stacks(&rows.stacks)?;
            writer.parts(&rows.parts)?;
            writer.sites(&rows.sites)
        });
    }

    /// Writes the events of a process image.
    pub fn events(&mut self, image: u32, events: &mut ColumnEncoder) {
        let allocations = events.allocations();
        if self.write(|writer| writer.events(image, events)) {
            self.allocations += allocations;
        }
        if !events.is_empty() {
            // They were not written and never will be. Their memory must go all the same.
            events.finish(&mut Vec::new());
        }
    }

    /// Writes the names of native frames.
    pub fn symbols(&mut self, symbols: &[FrameSymbols]) {
        for batch in batches(symbols) {
            self.write(|writer| writer.symbols(batch));
        }
    }

    /// Writes what turned out.
    pub fn facts(&mut self, facts: &[Fact]) {
        self.write(|writer| writer.facts(facts));
    }

    /// Writes the threads known so far.
    pub fn threads(&mut self, threads: &[Thread]) {
        self.write(|writer| writer.threads(threads));
    }

    /// Writes samples of the resident set of the process that runs an image; 0 stands for the one that was started.
    pub fn rss(&mut self, image: u32, samples: &[RssSample]) {
        self.write(|writer| writer.rss(image, samples));
    }

    /// Ends the file.
    pub fn finish(mut self, summary: &Summary) -> Written {
        if let Some(writer) = self.writer.take() {
            match writer.finish(summary) {
                Ok((_, bytes)) => self.written = bytes,
                Err(error) => self.give_up(error),
            }
        }
        let allocations = Some(self.allocations);
        Written { bytes: self.written, failure: self.failure.map(|error| Failure { error, allocations }) }
    }
}

/// Gathers what is written until a flush.
struct WholeChunks {
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
