//! A writer that has been cut off from the pool: whatever is done with it, the pool stays as it is.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::clock::ClockKind;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId};
use memprof_channel::layout::{CHUNK_BYTES, CHUNK_WORDS, pool_bytes};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_channel::record::ChannelFrame;
use memprof_channel::{ChunkWriter, Pool, PoolSettings};
use proptest::prelude::*;

const CHUNKS: usize = 3;

/// A pool in memory of its own.
struct Own {
    start: *mut u8,
    layout: Layout,
}

impl Own {
    fn new() -> Self {
        let layout = Layout::from_size_align(pool_bytes(CHUNKS), 4096).unwrap();
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null());
        Self { start, layout }
    }

    fn pool(&self) -> Pool {
        let settings = PoolSettings {
            chunks: CHUNKS,
            limit: CHUNKS as u32,
            clock: ClockKind::Monotonic,
            python_only: false,
            native_stacks: false,
            python_allocators: ObjectTracing::Never,
            followed: Followed::Nobody,
            pid_namespace: 0,
        };
        // SAFETY: the memory is fresh, zeroed, large enough, and outlives the pool within each test.
        let pool = unsafe { Pool::create(self.start, &settings) };
        // A thread that waited would give up.
        pool.header().recorder.cut();
        pool
    }

    fn words(&self) -> Vec<u64> {
        let start = self.start.cast::<u64>();
        // SAFETY: the memory holds this many words, and nobody writes to them now.
        (0..self.layout.size() / 8)
            .map(|index| unsafe { AtomicU64::from_ptr(start.add(index)) }.load(Relaxed))
            .collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: it came from there.
        unsafe { dealloc(self.start, self.layout) };
    }
}

const AUTHOR: Author = Author { thread: 0, tid: 5, image: 1, pid: 5, name: [0; 16] };

fn scratch() -> Vec<u64> {
    assert_eq!(CHUNK_BYTES, CHUNK_WORDS * 8);
    vec![0; CHUNK_WORDS]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Allocates,
    Releases,
    HoldsAndReleases,
    Unmaps,
    EmitsFrames(usize),
    EmitsCode(usize),
    EmitsName(usize),
    Seals,
}

fn make(writer: &mut ChunkWriter, step: Step) {
    let at = Address(0x7f00_0000_1000);
    let stamp = writer.stamp();
    match step {
        Step::Allocates => writer.allocation(stamp, at, 1 << 40, SiteId(0)),
        Step::Releases => writer.free(stamp, at),
        Step::HoldsAndReleases => {
            let stamp = writer.hold().unwrap();
            writer.free(stamp, at).map(|()| writer.let_go())
        }
        Step::Unmaps => writer.unmap(stamp, at, 4096),
        Step::EmitsFrames(count) => writer.frames(0, (0..count).map(|_| ChannelFrame::ThreadStart)),
        Step::EmitsCode(bytes) => writer.code(1, &[&vec![7; bytes]]),
        Step::EmitsName(bytes) => writer.name(&vec![b'a'; bytes]),
        Step::Seals => {
            writer.seal();
            writer.site(SiteId(0), Allocator::Malloc)
        }
    }
    .unwrap();
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Allocates),
        2 => Just(Step::Releases),
        2 => Just(Step::HoldsAndReleases),
        1 => Just(Step::Unmaps),
        1 => (0..6000_usize).prop_map(Step::EmitsFrames),
        1 => (0..40_000_usize).prop_map(Step::EmitsCode),
        1 => (0..3000_usize).prop_map(Step::EmitsName),
        1 => Just(Step::Seals),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 100 }))]
    #[test]
    fn nothing_reaches_the_pool_any_more(
        before in proptest::collection::vec(Just(Step::Allocates), 0..if cfg!(miri) { 20 } else { 1000 }),
        holds: bool,
        after in proptest::collection::vec(step(), 1..if cfg!(miri) { 6 } else { 60 }),
    ) {
        let own = Own::new();
        let mut writer = ChunkWriter::new(own.pool(), AUTHOR);
        for step in before {
            make(&mut writer, step);
        }
        if holds {
            writer.hold().unwrap();
        }
        let (left, mut scratch) = (own.words(), scratch());
        // SAFETY: nobody is at work in the writer; the scratch area stays.
        unsafe { ChunkWriter::abandon(&raw mut writer, scratch.as_mut_ptr()) };
        writer.let_go();
        for step in after {
            make(&mut writer, step);
        }
        writer.seal();
        prop_assert!(own.words() == left);
    }
}

/// The iterator stands in for a signal handler: it is called in the middle of a record.
#[test]
#[cfg_attr(miri, ignore = "a handler changes what the interrupted code has borrowed, which Rust has no words for")]
fn a_writer_is_abandoned_in_the_middle_of_a_record() {
    for at in 0..1000 {
        let own = Own::new();
        let mut writer = ChunkWriter::new(own.pool(), AUTHOR);
        for _ in 0..at {
            make(&mut writer, Step::Allocates);
        }
        let (mut scratch, left) = (scratch(), Cell::new(Vec::new()));
        let this = &raw mut writer;
        let frames = (0..700).map(|frame| {
            if frame == at % 700 {
                left.set(own.words());
                // SAFETY: the code that is at work in the writer is what `abandon` is made for.
                unsafe { ChunkWriter::abandon(this, scratch.as_mut_ptr()) };
            }
            ChannelFrame::ThreadStart
        });
        // SAFETY: the writer lives.
        unsafe { (*this).frames(0, frames) }.unwrap();
        for _ in 0..2000 {
            make(&mut writer, Step::HoldsAndReleases);
        }
        assert!(own.words() == left.take(), "after {at}");
    }
}
