//! A recording of all events: they are written when a chunk of them has gathered.

use std::fs::File;
use std::io;

use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::RssSample;
use memprof_capture::file::image_events::ImageEvents;
use memprof_capture::file::rewrite::batches;
use memprof_capture::file::{Fact, FrameSymbols, Header, PackagedFile, Summary, Thread};
use memprof_channel::ids::Stamp;

use super::capture_file::CaptureFile;
use super::{Failure, Output, Written};
use crate::interning::{Interning, NewRows};

/// Events go into columns, and those into a file.
pub struct CaptureOutput {
    sizes: RecentSizes,
    chunks: Chunks,
}

/// The chunks of the file.
struct Chunks {
    file: CaptureFile,
    /// Allocations so far, and those of them that are in the file.
    allocations: u64,
    written_allocations: u64,
    /// Whether the file says that rows may be repeated.
    repetition_noted: bool,
}

impl CaptureOutput {
    /// Starts the file.
    pub fn new(file: File, header: &Header) -> io::Result<Self> {
        CaptureFile::begin(file, header).map(Self::to)
    }

    /// Into a file that could not even be started.
    pub fn broken(file: File, error: io::Error) -> Self {
        Self::to(CaptureFile::broken(file, error))
    }

    fn to(file: CaptureFile) -> Self {
        let chunks = Chunks { file, allocations: 0, written_allocations: 0, repetition_noted: false };
        Self { sizes: RecentSizes::default(), chunks }
    }
}

impl Chunks {
    fn rows(&mut self, rows: &NewRows) {
        if rows.may_repeat && !std::mem::replace(&mut self.repetition_noted, true) {
            self.file.write(|writer| writer.facts(&[Fact::RowsRepeat]));
        }
        self.file.write(|writer| {
            writer.codes(&rows.codes)?;
            writer.modules(&rows.modules)?;
            writer.frames(&rows.frames)?;
            writer.stacks(&rows.stacks)?;
            writer.parts(&rows.parts)?;
            writer.sites(&rows.sites)
        });
    }

    /// Writes the events that have gathered, and before them the rows that they refer to.
    fn events(&mut self, image: u32, events: &mut ColumnEncoder, interning: &mut Interning) {
        if events.is_empty() {
            return;
        }
        self.rows(&interning.take_rows(false));
        let allocations = events.allocations();
        self.allocations += allocations;
        if self.file.write(|writer| writer.events(image, events)) {
            self.written_allocations += allocations;
        }
        if !events.is_empty() {
            // They were not written and never will be. Their memory must go all the same.
            events.finish(&mut Vec::new());
        }
    }
}

impl Output for CaptureOutput {
    fn tables(&self) -> Interning {
        Interning::bounded()
    }

    fn rows(&mut self, rows: NewRows) {
        self.chunks.rows(&rows);
    }

    fn facts(&mut self, facts: &[Fact]) {
        self.chunks.file.write(|writer| writer.facts(facts));
    }

    fn threads(&mut self, threads: &[Thread]) {
        self.chunks.file.write(|writer| writer.threads(threads));
    }

    fn rss(&mut self, image: u32, samples: &[RssSample]) {
        self.chunks.file.write(|writer| writer.rss(image, samples));
    }

    fn symbols(&mut self, symbols: &[FrameSymbols]) {
        for batch in batches(symbols) {
            self.chunks.file.write(|writer| writer.symbols(batch));
        }
    }

    fn packages(&mut self, files: Vec<PackagedFile>) {
        self.chunks.file.write(|writer| writer.packages(&files));
    }

    fn events(&mut self, image: u32, bound: Stamp, events: &mut ImageEvents, interning: &mut Interning) {
        let Self { sizes, chunks } = self;
        events.settle(bound, interning, sizes, |events, interning| chunks.events(image, events, interning));
    }

    fn gathered_events(&mut self, image: u32, events: &mut ImageEvents, interning: &mut Interning) {
        self.chunks.events(image, events.gathered(), interning);
        // An image that has fallen silent keeps no room for events.
        events.gathered().shrink();
    }

    fn allocations(&self) -> u64 {
        self.chunks.allocations
    }

    fn finish(self: Box<Self>, summary: &Summary) -> Written {
        let Chunks { file, written_allocations, .. } = self.chunks;
        let (bytes, error) = file.finish(summary);
        let allocations = Some(written_allocations);
        Written { bytes, failure: error.map(|error| Failure { error, allocations }) }
    }
}
