//! Where a recording goes: its events into a file that grows ([`capture_output`]), or their sums into one that is
//! rewritten now and then ([`aggregated_output`]).

pub(crate) mod aggregated_output;
mod capture_file;
pub(crate) mod capture_output;
mod large_blocks;
mod resident_moments;

use std::fs::File;
use std::io;

use memprof_capture::file::facts::RssSample;
use memprof_capture::file::image_events::ImageEvents;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_capture::file::{Fact, FrameSymbols, PackagedFile, Summary, Thread};
use memprof_channel::ids::Stamp;

use crate::interning::{Interning, NewRows};

/// Where the bytes go.
#[derive(Debug)]
pub enum Destination {
    /// Into a file, which is empty.
    File(File),
    /// Into something that they cannot be read from again: a pipe, a device.
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

/// What a recording is written to. Errors are kept until the end: they must not disturb the program.
///
/// It is called for a thousand events at a time or more, never for a single one.
pub(crate) trait Output: Send {
    /// Tables that number rows in a way that this output can use.
    fn tables(&self) -> Interning;

    /// Takes rows of the tables. They come before the events that refer to them.
    fn rows(&mut self, rows: NewRows);

    /// Takes what turned out.
    fn facts(&mut self, facts: &[Fact]);

    /// Takes the threads known so far.
    fn threads(&mut self, threads: &[Thread]);

    /// Takes samples of the resident set of the process that runs an image; 0 represents the one that was started.
    fn rss(&mut self, image: u32, samples: &[RssSample]);

    /// Takes the names of native frames.
    fn symbols(&mut self, symbols: &[FrameSymbols]);

    /// Takes the packages of files.
    fn packages(&mut self, files: Vec<PackagedFile>);

    /// Takes the events of an image that are older than `bound`, and the rows that they refer to. None can come any
    /// more that is older than that.
    fn events(&mut self, image: u32, bound: Stamp, events: &mut ImageEvents, interning: &mut Interning);

    /// Takes events that it has left to gather in columns.
    fn gathered_events(&mut self, _image: u32, _events: &mut ImageEvents, _interning: &mut Interning) {}

    /// All events of all images have been taken that are older than `bound`.
    fn known_before(&mut self, _bound: Stamp) {}

    /// Makes room for new stacks, if there is none left. Returns what sites have become, if they have got other
    /// numbers; so have stacks then.
    fn make_room(&mut self, _interning: &mut Interning) -> Option<SiteNumbers> {
        None
    }

    /// It has everything that is known so far. A file that is written as a whole can be written now.
    fn checkpoint(&mut self) {}

    /// The allocations that it was given.
    fn allocations(&self) -> u64;

    /// Ends the file.
    fn finish(self: Box<Self>, summary: &Summary) -> Written;
}
