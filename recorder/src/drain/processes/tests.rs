//! The ends of processes, however short they live and whenever their chunks are taken.

use std::fs::File;
use std::process::{Child, Command};
use std::sync::atomic::Ordering::AcqRel;

use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::{CaptureReader, Fact};
use memprof_channel::ChunkWriter;
use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId, Stamp};

use crate::drain::Drain;
use crate::given_channel::{header, summary};
use crate::output::capture_output::CaptureOutput;
use crate::shared_pool::{SharedPool, Wanted};
use memprof_channel::object_tracing::ObjectTracing;

/// A pool, and its drain into a file.
struct Recording {
    shared: SharedPool,
    drain: Drain,
    folder: tempfile::TempDir,
}

impl Recording {
    fn new() -> Self {
        let wanted = Wanted {
            python_only: false,
            native_stacks: false,
            python_allocators: ObjectTracing::Never,
            followed: Followed::All,
        };
        let (shared, folder) = (SharedPool::create(wanted).unwrap(), tempfile::tempdir().unwrap());
        let output = CaptureOutput::new(File::create(folder.path().join("capture.bin")).unwrap(), &header()).unwrap();
        Self { drain: Drain::new(shared.pool(), Box::new(output), 0), shared, folder }
    }

    /// What a process does: one allocation. What it does not hand over it leaves in the pool.
    fn allocates(&self, process: &Child, image: u32, hands_over: bool) {
        let pool = self.shared.pool();
        let thread = pool.header().threads_started.fetch_add(1, AcqRel);
        let author = Author { thread, tid: process.id(), image, pid: process.id(), name: [0; 16] };
        let mut writer = ChunkWriter::new(pool, author);
        writer.site(SiteId(0), Allocator::Malloc).unwrap();
        let stamp = writer.stamp();
        writer.allocation(stamp, Address(16), 8, SiteId(0)).unwrap();
        if hands_over {
            writer.seal();
        }
    }

    fn poll_processes(&mut self) -> usize {
        self.drain.poll_processes(ClockPoint { stamp: Stamp(1), monotonic_ns: 1 })
    }

    /// Ends the recording. Returns the images whose ends are in the capture, and how many there are in all.
    fn end(mut self) -> (Vec<u32>, usize) {
        self.drain.take_rest(|_| {});
        assert!(self.drain.into_output().finish(&summary(0)).failure.is_none());
        let reader = CaptureReader::open(&self.folder.path().join("capture.bin")).unwrap();
        let ended = reader.facts().iter().filter_map(|fact| match fact {
            Fact::ProcessEnded { image, .. } => Some(*image),
            _ => None,
        });
        let images = reader.facts().iter().filter(|fact| matches!(fact, Fact::Image { .. }));
        (ended.collect(), images.count())
    }
}

fn process() -> Child {
    Command::new("sleep").arg("100").spawn().unwrap()
}

fn end(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_process_whose_chunks_were_all_taken_before_anyone_polled_it() {
    let mut recording = Recording::new();
    let child = process();
    recording.allocates(&child, 1, true);
    recording.drain.take_published();
    assert_eq!(recording.poll_processes(), 1);
    end(child);
    assert_eq!(recording.poll_processes(), 0);
    assert_eq!(recording.end(), (vec![1], 1));
}

#[test]
fn a_process_that_had_ended_by_then() {
    for (hands_over, taken) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut recording = Recording::new();
        let child = process();
        recording.allocates(&child, 1, hands_over);
        end(child);
        if taken {
            recording.drain.take_published();
        }
        assert_eq!(recording.poll_processes(), 0);
        assert_eq!(recording.end(), (vec![1], 1), "{hands_over} {taken}");
    }
}

#[test]
fn a_process_that_became_another_program_and_ended_between_two_polls() {
    let mut recording = Recording::new();
    let child = process();
    recording.allocates(&child, 1, false);
    assert_eq!(recording.poll_processes(), 1);
    recording.allocates(&child, 2, true);
    recording.drain.take_published();
    end(child);
    assert_eq!(recording.poll_processes(), 0);
    assert_eq!(recording.end(), (vec![2], 2));
}

#[test]
fn a_process_that_is_expected_and_never_records() {
    let mut recording = Recording::new();
    let child = process();
    recording.drain.expect_processes(&[child.id()]);
    assert_eq!(recording.poll_processes(), 1);
    end(child);
    assert_eq!(recording.poll_processes(), 0);
    assert_eq!(recording.end(), (vec![], 0));
}

#[test]
fn a_process_that_lives_on_has_no_end() {
    let mut recording = Recording::new();
    let child = process();
    recording.allocates(&child, 1, true);
    recording.drain.take_published();
    assert_eq!(recording.poll_processes(), 1);
    assert_eq!(recording.end(), (vec![], 1));
    end(child);
}
