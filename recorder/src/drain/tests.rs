//! What comes out of the pool, whatever threads do while it is being polled.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use memprof_capture::event::ResolvedEvent;
use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_channel::ChunkWriter;
use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId};
use memprof_channel::layout::{CHUNK_WORDS, DEFAULT_CHUNKS};
use memprof_channel::states::{State, Task};

use super::Drain;
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
            followed: Followed::Nobody,
        };
        let shared = SharedPool::create(wanted).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let output = CaptureOutput::new(File::create(Self::path(&folder)).unwrap(), &header()).unwrap();
        Self { drain: Drain::new(shared.pool(), Box::new(output), 0), shared, folder }
    }

    fn path(folder: &tempfile::TempDir) -> impl AsRef<Path> {
        folder.path().join("capture.bin")
    }

    /// A thread with one site.
    fn thread(&self) -> ChunkWriter {
        let pool = self.shared.pool();
        let thread = pool.header().threads_started.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        let mut writer = ChunkWriter::new(pool, Author { thread, tid: 1, image: 1, pid: 1, name: [0; 16] });
        writer.site(SiteId(0), Allocator::Malloc).unwrap();
        writer
    }

    /// Ends the recording, and requires that every event was understood. Returns how many there are.
    fn end(mut self) -> usize {
        self.drain.take_rest(|_| {});
        assert_eq!(self.drain.damaged_chunks(), 0);
        assert!(self.drain.into_output().finish(&summary(0)).failure.is_none());
        let mut reader = CaptureReader::open(Self::path(&self.folder).as_ref()).unwrap();
        let (mut batch, mut count) = (EventBatch::default(), 0);
        for chunk in reader.event_chunks().to_vec() {
            reader.read_events(&chunk, &mut batch).unwrap();
            count += batch.events.len();
            for timed in &batch.events {
                let is_known =
                    !matches!(timed.event, ResolvedEvent::UnknownFree { .. } | ResolvedEvent::UnseenFree { .. });
                assert!(is_known, "{timed:?}");
            }
        }
        count
    }
}

fn allocate(thread: &mut ChunkWriter, block: u64) {
    let stamp = thread.stamp();
    thread.allocation(stamp, Address(block * 16), 8, SiteId(0)).unwrap();
}

fn free(thread: &mut ChunkWriter, block: u64) {
    let stamp = thread.stamp();
    thread.free(stamp, Address(block * 16)).unwrap();
}

#[test]
fn a_chunk_is_taken_bit_by_bit() {
    let mut recording = Recording::new();
    let mut thread = recording.thread();
    for block in 1..=3000 {
        allocate(&mut thread, block);
        if block % 7 == 0 {
            recording.drain.take_published();
        }
        free(&mut thread, block);
    }
    assert_eq!(recording.end(), 6000);
}

#[test]
fn blocks_change_hands_between_two_polls() {
    let mut recording = Recording::new();
    let (mut one, mut other) = (recording.thread(), recording.thread());
    for block in 1..=2000 {
        // The same address again and again, by turns.
        allocate(&mut one, 5);
        free(&mut other, 5);
        allocate(&mut other, 5);
        free(&mut one, 5);
        if block % 13 == 0 {
            recording.drain.take_published();
        }
    }
    assert_eq!(recording.end(), 8000);
}

/// A thread that is polled while it goes from one chunk to the next can be seen in the next one only.
#[test]
fn a_chunk_waits_for_the_one_before_it() {
    let mut recording = Recording::new();
    let pool = recording.shared.pool();
    let mut thread = recording.thread();
    let first = pool.chunks().next().unwrap();
    let mut block = 0;
    while pool.chunks().count() == 1 {
        block += 1;
        allocate(&mut thread, block);
        free(&mut thread, block);
    }
    assert!(block as usize * 3 >= CHUNK_WORDS - 8);
    // As if the first one had still been free when the poll came to it.
    let state = &pool.descriptor(first).state;
    let sealed = state.swap(0, std::sync::atomic::Ordering::AcqRel);
    recording.drain.take_published();
    state.store(sealed, std::sync::atomic::Ordering::Release);
    recording.drain.take_published();
    assert_eq!(recording.end(), 2 * block as usize);
}

/// A pid of which there is no process any more.
fn ended_process() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

/// Threads are killed at their first chunk, before they have said what it is for.
#[test]
fn chunks_come_back_from_the_dead_and_stay_with_the_living() {
    let mut recording = Recording::new();
    let pool = recording.shared.pool();
    let (dead, living) = (Task { image: 7, tid: ended_process() }, Task { image: 8, tid: std::process::id() });
    let kept = pool.try_take(living).unwrap();
    let lost = std::iter::from_fn(|| pool.try_take(dead)).count();
    assert_eq!(lost, DEFAULT_CHUNKS - 1);
    // One of them was killed a moment before, and another as the process of a chunk that is its own.
    let chunks: Vec<_> = pool.chunks().collect();
    pool.release(chunks[9], dead);
    pool.header().free[0].fetch_and(!(1 << 9), Relaxed);
    pool.own(chunks[10], &Author { thread: 0, tid: dead.tid, image: 7, pid: dead.tid, name: [0; 16] }, 0);
    let newcomer = Task { image: 9, tid: 1 };
    assert_eq!(pool.try_take(newcomer), None);
    recording.drain.take_abandoned();
    assert_eq!(pool.try_take(newcomer), None, "nobody has said that he wants one");
    pool.want();
    recording.drain.take_abandoned();
    assert_eq!(std::iter::from_fn(|| pool.try_take(newcomer)).count(), lost);
    assert_eq!(pool.state(kept), State::Taken(living));
}

/// A signal handler left a hook that was at work, and the thread began again with another chunk.
#[test]
fn a_thread_has_lost_sight_of_all_chunks_but_its_last() {
    let mut recording = Recording::new();
    let pool = recording.shared.pool();
    let pid = std::process::id();
    let author = |thread| Author { thread, tid: pid, image: 1, pid, name: [0; 16] };
    let chunks = [0, 1].map(|thread| {
        pool.header().threads_started.fetch_add(1, Relaxed);
        let chunk = pool.try_take(author(thread).task()).unwrap();
        pool.own(chunk, &author(thread), 0);
        chunk
    });
    pool.want();
    recording.drain.take_abandoned();
    assert_eq!(chunks.map(|chunk| pool.is_in_use(chunk)), [false, true]);
}

/// What others do with memory can be published before the release that let them have it.
#[test]
fn nothing_is_settled_beyond_a_release_under_way() {
    let mut recording = Recording::new();
    let (mut one, mut other) = (recording.thread(), recording.thread());
    allocate(&mut one, 1);
    allocate(&mut one, 2);
    let before = one.hold().unwrap();
    // The block has moved; its old address is already somebody else's.
    allocate(&mut other, 1);
    recording.drain.take_published();
    recording.drain.take_published();
    one.free(before, Address(16)).unwrap();
    one.let_go();
    recording.drain.take_published();
    free(&mut other, 1);
    free(&mut one, 2);
    assert_eq!(recording.end(), 6);
}
