//! The format of memray 1.20, for its own reporters: every event of one process.
//!
//! Stacks are written by names, as frames of Python, whatever they are: memray would look native ones up in the files
//! of the machine that it runs on, and Python's lines in tables that differ from version to version.

mod events;
mod records;

use std::io;

use memprof_channel::ids::{Stamp, ThreadId};

use super::event_places::EventPlaces;
use super::format::{Format, Metrics, Processes, Source};
use super::lifetimes::beginnings_and_ends;
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::reading::run_clock::RunClock;
use events::MemrayEvents;
use records::{Header, RecordWriter};

/// A record with some of the calls before it and returns after it.
const EVENT_BYTES: u64 = 12;

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "memray",
    help: "memray 1.20's capture file, every event: for its reporters",
    extension: "bin",
    metrics: Metrics::All,
    processes: Processes::One,
    source: Source::Events(write),
};

/// Writes the process of a report, which must be the only one.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
fn write(report: &mut Report, view: View, out: &mut dyn SizedWrite) -> io::Result<()> {
    let places = EventPlaces::of(report, view);
    let end = report.end();
    let metadata = report.metadata();
    let start_ms = report.start_unix_ns() / 1_000_000;
    let header = Header {
        python_version: version_number(&metadata.python_version),
        // It counts the two halves of a `realloc`, too; but this is only what it measures its progress by.
        allocations: report.stored_events(),
        start_ms,
        end_ms: start_ms + milliseconds(report.clock(), end),
        command_line: &metadata.command_line,
        pid: metadata.pid,
        main_thread: thread_number(ThreadId(0)),
        python_allocator: &metadata.python_allocator,
        traces_python_allocators: metadata.python_allocators_traced,
    };
    out.expect(ExpectedSize::About(beginnings_and_ends(report) * EVENT_BYTES))?;
    let records = RecordWriter::begin(out, &header)?;
    let rss = report.rss().to_vec();
    let page_size = report.page_size();
    let clock = *report.clock();
    report.read_events(|names| MemrayEvents::new(records, places, names, clock, rss, page_size))?.finish()
}

/// `3.11.7` as `PY_VERSION_HEX` has it for a release.
fn version_number(version: &str) -> u32 {
    let mut numbers = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u8>().unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    match [next(), next(), next()] {
        [0, _, _] => 0,
        [major, minor, micro] => u32::from_be_bytes([major, minor, micro, 0xf0]),
    }
}

/// memray counts threads from 1: 0 is none in particular.
const fn thread_number(thread: ThreadId) -> u64 {
    thread.0 as u64 + 1
}

/// From the start of the run.
fn milliseconds(clock: &RunClock, at: Stamp) -> u64 {
    (clock.seconds(at) * 1e3) as u64
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn versions_are_as_python_has_them() {
        assert_eq!(version_number("3.11.7"), 0x030b_07f0);
        assert_eq!(version_number("3.13.0rc2"), 0x030d_00f0);
        assert_eq!(version_number(""), 0);
    }
}
