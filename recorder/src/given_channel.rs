//! Records a channel that no program filled: what the recorder makes of damage, for tests and for fuzzing.
//!
//! The pool is memory of the recorded program, too, and a program that has gone wild may write anywhere.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering::Release;

use memprof_capture::file::facts::{ClockPoint, Exit};
use memprof_capture::file::{Header, Summary};
use memprof_channel::clock::ClockKind;
use memprof_channel::followed::Followed;
use memprof_channel::ids::Stamp;
use memprof_channel::layout::{CHUNK_WORDS, DEFAULT_CHUNKS};
use memprof_channel::pool::ChunkIndex;
use memprof_channel::states::{State, Task};

use crate::drain::Drain;
use crate::output::capture_output::CaptureOutput;
use crate::shared_pool::{SharedPool, Wanted};
use memprof_channel::object_tracing::ObjectTracing;

/// A chunk as it is found in the pool. All of it may be nonsense.
#[derive(Clone, Debug, Default)]
pub struct GivenChunk {
    /// 1 for a chunk that a thread fills, 2 for one that is sealed; others are nonsense, or free.
    pub state: u32,
    /// How many words it claims to hold.
    pub published: u32,
    /// Whose it is.
    pub thread: u32,
    /// That thread's id in the kernel.
    pub tid: u32,
    /// How many chunks that thread had filled before.
    pub sequence: u32,
    /// The image of the process.
    pub image: u32,
    /// The words, as far as they are not zero.
    pub words: Vec<u64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Allocations in the file.
    pub allocations: u64,
    /// Chunks that made no sense, or not to their end.
    pub damaged_chunks: u64,
}

/// Drains these chunks into a capture, as at the end of a recording. `threads_started` is how many threads the pool
/// claims to have, and `native_depth` how many native frames of a stack are kept.
///
/// # Errors
/// When there is no shared memory, or the file cannot be written.
pub fn record(chunks: &[GivenChunk], threads_started: u32, native_depth: u32, output: File) -> io::Result<Taken> {
    let shared = SharedPool::create(Wanted {
        python_only: false,
        native_stacks: true,
        python_allocators: ObjectTracing::Never,
        followed: Followed::Nobody,
    })?;
    let pool = shared.pool();
    pool.header().threads_started.store(threads_started, Release);
    let nobody = Task { image: 0, tid: 0 };
    let places: Vec<ChunkIndex> = std::iter::repeat_with(|| pool.try_take(nobody))
        .map_while(|it| it)
        .take(chunks.len().min(DEFAULT_CHUNKS))
        .collect();
    for (&place, chunk) in places.iter().zip(chunks) {
        let words = &chunk.words[..chunk.words.len().min(CHUNK_WORDS)];
        // SAFETY: the chunk has room for this many words, and nobody else knows of this pool.
        unsafe { std::ptr::copy_nonoverlapping(words.as_ptr(), pool.words(place), words.len()) };
        let descriptor = pool.descriptor(place);
        descriptor.published.store(chunk.published, Release);
        descriptor.thread.store(chunk.thread, Release);
        descriptor.tid.store(chunk.tid, Release);
        descriptor.sequence.store(chunk.sequence, Release);
        descriptor.image.store(chunk.image, Release);
        let state = match chunk.state {
            1 | 2 => State::Owned(Task { image: chunk.image, tid: chunk.tid }).word(),
            nonsense => nonsense.into(),
        };
        descriptor.state.store(state, Release);
        if chunk.state == 2 {
            pool.seal(place);
        }
    }
    let mut drain = Drain::new(pool, Box::new(CaptureOutput::new(output, &header())?), native_depth);
    drain.take_published();
    drain.take_rest(|_| {});
    let taken = Taken { allocations: drain.allocations(), damaged_chunks: drain.damaged_chunks() };
    match drain.into_output().finish(&summary(taken.damaged_chunks)).failure {
        Some(failure) => Err(failure.error),
        None => Ok(taken),
    }
}

const fn at(stamp: u64) -> ClockPoint {
    ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp }
}

/// What a capture begins with when there is no program.
pub(crate) fn header() -> Header {
    Header {
        memprof_version: env!("CARGO_PKG_VERSION").to_owned(),
        command_line: Vec::new(),
        pid: 0,
        start_unix_ns: 0,
        start: at(0),
        clock: ClockKind::Monotonic,
        page_size: 4096,
        machine: String::new(),
        native_stacks: true,
        python_allocators_traced: ObjectTracing::Never,
    }
}

/// What it ends with.
pub(crate) const fn summary(damaged_chunks: u64) -> Summary {
    Summary {
        end: at(1 << 40),
        exit: Exit::Status(0),
        cpu_us: 0,
        peak_rss_bytes: 0,
        channel_waits: 0,
        skipped_events: 0,
        stopped: None,
        damaged_chunks,
    }
}
