//! Where a recording goes: its events into a file that grows, or their sums into one that is written anew now and then.

use std::fs::File;
use std::io;

use memprof_capture::file::facts::RssSample;
use memprof_capture::file::{Fact, FrameSymbols, Summary, Thread};

use crate::aggregated_output::AggregatedOutput;
use crate::capture_output::CaptureOutput;
use crate::interning::NewRows;

/// Where the bytes go.
#[derive(Debug)]
pub enum Destination {
    /// Into a file, which is empty.
    File(File),
    /// Into something that does not give them back: a pipe, a device.
    Stream(File),
}

/// What became of the file.
#[derive(Debug)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Why it is not complete, if so.
    pub failure: Option<Failure>,
}

/// Why a file is not complete.
#[derive(Debug)]
pub struct Failure {
    /// What the system said.
    pub error: io::Error,
    /// Allocations that the file holds all the same. Not known of sums.
    pub allocations: Option<u64>,
}

/// Either of the two.
pub enum Output {
    /// All events.
    Events(Box<CaptureOutput>),
    /// What they sum up to.
    Sums(Box<AggregatedOutput>),
}

impl Output {
    /// Writes rows of the tables. They must come before the events that refer to them.
    pub fn rows(&mut self, rows: NewRows) {
        match self {
            Self::Events(file) => file.rows(&rows),
            Self::Sums(sums) => sums.rows(rows),
        }
    }

    /// Writes the names of native frames.
    pub fn symbols(&mut self, symbols: &[FrameSymbols]) {
        match self {
            Self::Events(file) => file.symbols(symbols),
            Self::Sums(sums) => sums.symbols(symbols),
        }
    }

    /// Writes what turned out.
    pub fn facts(&mut self, facts: &[Fact]) {
        match self {
            Self::Events(file) => file.facts(facts),
            Self::Sums(sums) => sums.facts(facts),
        }
    }

    /// Writes the threads known so far.
    pub fn threads(&mut self, threads: &[Thread]) {
        match self {
            Self::Events(file) => file.threads(threads),
            Self::Sums(sums) => sums.threads(threads),
        }
    }

    /// Writes samples of the resident set of the process that runs an image; 0 stands for the one that was started.
    pub fn rss(&mut self, image: u32, samples: &[RssSample]) {
        match self {
            Self::Events(file) => file.rss(image, samples),
            Self::Sums(sums) => sums.rss(image, samples),
        }
    }

    /// Ends the file.
    pub fn finish(self, summary: &Summary) -> Written {
        match self {
            Self::Events(file) => file.finish(summary),
            Self::Sums(sums) => sums.finish(summary),
        }
    }
}
