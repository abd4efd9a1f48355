//! The channel between two processes: what a producer has published arrives, whole and in order, whenever it is killed.

#![expect(clippy::disallowed_methods, reason = "a program of its own, which nobody cancels")]

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::clock::ClockKind;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_channel::layout::pool_bytes;
use memprof_channel::object_tracing::ObjectTracing;
use memprof_channel::pool::futex_wake;
use memprof_channel::record::{
    ChannelFrame, ChannelNativeFrame, LARGEST_MODULE_ADDRESS, MOST_MODULES, Mapped, MappedFile,
};
use memprof_channel::{ChunkIndex, ChunkWriter, Pool, PoolSettings, Record, Records};
use proptest::prelude::*;

/// Shared memory for a pool, with room in front for what else the test shares.
struct Shared {
    start: *mut u8,
    bytes: usize,
}

impl Shared {
    fn new(bytes: usize) -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel picks an unused range.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: start.cast(), bytes }
    }

    fn pool(&self, chunks: usize, limit: u32) -> Pool {
        let settings = PoolSettings {
            chunks,
            limit,
            clock: ClockKind::Monotonic,
            python_only: false,
            native_stacks: true,
            python_allocators: ObjectTracing::Never,
            followed: Followed::Nobody,
            pid_namespace: 0,
        };
        // SAFETY: the memory is fresh, zeroed, large enough, and outlives the pool within each test.
        unsafe { Pool::create(self.start, &settings) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this test's own.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}

fn author(thread: u32) -> Author {
    Author { thread, tid: 1000 + thread, image: 1, pid: 1, name: *b"producer\0\0\0\0\0\0\0\0" }
}

/// Takes chunks as the recorder does: those that are sealed, or at the end all of them, in each thread's order.
fn take(pool: &Pool, all: bool, mut each: impl FnMut(u32, &[u64])) {
    let mut chunks: Vec<ChunkIndex> =
        pool.chunks().filter(|&chunk| pool.is_sealed(chunk) || all && pool.is_in_use(chunk)).collect();
    let order = |chunk: ChunkIndex| {
        let descriptor = pool.descriptor(chunk);
        (descriptor.thread.load(Acquire), descriptor.sequence.load(Acquire))
    };
    chunks.sort_by_key(|&chunk| order(chunk));
    let mut words = Vec::new();
    for chunk in chunks {
        words.clear();
        pool.copy_words(chunk, pool.published(chunk), &mut words);
        each(order(chunk).0, &words);
        pool.free(chunk);
    }
    futex_wake(&pool.header().space);
}

/// Writes events numbered from 1 until it is killed; `done` says how many are complete.
fn produce(pool: Pool, thread: u32, done: &AtomicU64) -> ! {
    let mut writer = ChunkWriter::new(pool, author(thread));
    writer.site(SiteId(0), Allocator::Malloc).unwrap();
    for number in 1_u64.. {
        // Now and then a size, an address or a pause that takes the longer form.
        let size = if number.is_multiple_of(100) { number << 32 } else { number };
        let address = if number.is_multiple_of(77) { number << 40 } else { number * 16 };
        let stamp = Stamp(number * if number.is_multiple_of(1000) { 5000 } else { 1 } + (number / 1000) * 5_000_000);
        writer.allocation(stamp, Address(address), size, SiteId(0)).unwrap();
        done.store(number, Release);
    }
    unreachable!()
}

#[test]
fn a_producer_killed_at_any_moment_loses_nothing_that_it_had_published() {
    const THREADS: u32 = 2;
    let mut random = 20_u64;
    for _ in 0..40 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (shared, marks) = (Shared::new(pool_bytes(8)), Shared::new(4096));
        let pool = shared.pool(8, 4);
        // SAFETY: the page is zeroed, which is a counter, and shared with the children.
        let done = |thread: u32| unsafe { &*marks.start.cast::<AtomicU64>().add(thread as usize) };
        let children: Vec<i32> = (0..THREADS)
            .map(|thread| {
                // SAFETY: the child uses only memory mapped above, and never returns from `produce`.
                match unsafe { libc::fork() } {
                    0 => produce(pool, thread, done(thread)),
                    child => child,
                }
            })
            .collect();
        let mut next: HashMap<u32, u64> = HashMap::new();
        let mut check = |thread: u32, words: &[u64]| {
            for record in Records::new(words) {
                match record.expect("a published record is whole") {
                    Record::Site { .. } => {}
                    Record::Allocation { address, size, .. } => {
                        let expected = next.entry(thread).or_insert(1);
                        let number = if expected.is_multiple_of(100) { size >> 32 } else { size };
                        assert_eq!(number, *expected);
                        let at = if number.is_multiple_of(77) { number << 40 } else { number * 16 };
                        assert_eq!(address, at);
                        *expected += 1;
                    }
                    other => panic!("nobody wrote {other:?}"),
                }
            }
        };
        let drains = (random >> 40) % 200;
        for _ in 0..drains {
            take(&pool, false, &mut check);
            std::thread::sleep(Duration::from_micros(random >> 56));
        }
        for child in children {
            // SAFETY: the child is ours and not yet reaped.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, ptr::null_mut(), 0);
            }
        }
        take(&pool, true, &mut check);
        for thread in 0..THREADS {
            let (got, complete) = (next.get(&thread).map_or(0, |next| next - 1), done(thread).load(Acquire));
            assert!(got == complete || got == complete + 1, "thread {thread}: {got} of {complete} arrived");
        }
    }
}

#[test]
fn a_thread_that_waits_for_nobody_gives_up() {
    let shared = Shared::new(pool_bytes(2));
    let settings = PoolSettings {
        chunks: 2,
        limit: 1,
        clock: ClockKind::Monotonic,
        python_only: false,
        native_stacks: true,
        python_allocators: ObjectTracing::Never,
        followed: Followed::Nobody,
        pid_namespace: 0,
    };
    // SAFETY: as in `Shared::pool`.
    let pool = unsafe { Pool::create(shared.start, &settings) };
    pool.header().recorder.cut();
    let mut writer = ChunkWriter::new(pool, author(0));
    let mut result = Ok(());
    for number in 0..100_000 {
        result = writer.free(Stamp(number), Address(number * 16));
        if result.is_err() {
            break;
        }
    }
    assert!(result.is_err());
    assert_eq!(pool.header().waits.load(Acquire), 1);
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Allocation(u64, u64, u64, u32),
    Resize(u64, u64, u64, u32),
    Map(u64, u64, u64, u32, Mapped),
    Protect(u64, u64, u64, u32),
    Free(u64, u64),
    Unmap(u64, u64, u64),
    Move(u64, u64, u64),
    Frames(u32, Vec<ChannelFrame>),
    Site(u32, Allocator),
    Name(Vec<u8>),
    Code(u32, Vec<u8>),
    Module(u32, Vec<u8>),
    Process(Vec<u8>),
}

fn frame() -> impl Strategy<Value = ChannelFrame> {
    let native = |module, address, interrupted, evaluates| {
        ChannelFrame::Native(ChannelNativeFrame { module, address, interrupted, evaluates })
    };
    prop_oneof![
        (any::<u32>(), 0..1_u32 << 31).prop_map(|(code, offset)| ChannelFrame::Python { code, offset }),
        (0..MOST_MODULES, 0..=LARGEST_MODULE_ADDRESS, any::<bool>(), any::<bool>())
            .prop_map(move |(module, address, i, e)| native(Some(module), address, i, e)),
        (0..1_u64 << 48, any::<bool>(), any::<bool>()).prop_map(move |(address, i, e)| native(None, address, i, e)),
        Just(ChannelFrame::ThreadStart),
    ]
}

fn mapped() -> impl Strategy<Value = Mapped> {
    let file = (any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>())
        .prop_map(|(device, inode, offset, is_shared)| Mapped::File(MappedFile { device, inode, offset, is_shared }));
    prop_oneof![Just(Mapped::Memory), Just(Mapped::Something), file]
}

fn step() -> impl Strategy<Value = Step> {
    let gap = || prop_oneof![0..5000_u64, 0..1_u64 << 40];
    let address = || prop_oneof![0..1_u64 << 48, any::<u64>()];
    let size = || prop_oneof![0..10_000_u64, Just(u64::from(u32::MAX)), any::<u64>()];
    prop_oneof![
        (gap(), address(), size(), any::<u32>()).prop_map(|(g, a, s, n)| Step::Allocation(g, a, s, n)),
        (gap(), address(), size(), any::<u32>()).prop_map(|(g, a, s, n)| Step::Resize(g, a, s, n)),
        (gap(), address(), size(), any::<u32>(), mapped()).prop_map(|(g, a, s, n, m)| Step::Map(g, a, s, n, m)),
        (gap(), address(), size(), any::<u32>()).prop_map(|(g, a, s, n)| Step::Protect(g, a, s, n)),
        (gap(), address()).prop_map(|(g, a)| Step::Free(g, a)),
        (gap(), address(), size()).prop_map(|(g, a, s)| Step::Unmap(g, a, s)),
        (gap(), address(), size()).prop_map(|(g, a, s)| Step::Move(g, a, s)),
        (0..1000_u32, proptest::collection::vec(frame(), 0..3000)).prop_map(|(k, f)| Step::Frames(k, f)),
        (any::<u32>(), 1..11_u8).prop_map(|(site, code)| Step::Site(site, Allocator::from_code(code).unwrap())),
        proptest::collection::vec(any::<u8>(), 0..1000).prop_map(Step::Name),
        (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..20_000)).prop_map(|(c, b)| Step::Code(c, b)),
        (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..9000)).prop_map(|(m, b)| Step::Module(m, b)),
        proptest::collection::vec(any::<u8>(), 0..9000).prop_map(Step::Process),
    ]
}

/// What a reader makes of the chunks, with frames and descriptions that came in parts put together again.
fn read_back(pool: &Pool) -> Vec<Step> {
    let (mut steps, mut before, mut code_bytes): (Vec<Step>, u64, Vec<u8>) = (Vec::new(), 0, Vec::new());
    take(pool, true, |_, words| {
        for record in Records::new(words) {
            let mut gap = |stamp: u64| stamp - std::mem::replace(&mut before, stamp);
            let step = match record.expect("a published record is whole") {
                Record::Allocation { stamp, address, size, site } => Step::Allocation(gap(stamp), address, size, site),
                Record::Resize { stamp, address, size, site } => Step::Resize(gap(stamp), address, size, site),
                Record::Map { stamp, address, size, site, mapped } => {
                    Step::Map(gap(stamp), address, size, site, mapped)
                }
                Record::Protect { stamp, address, size, site } => Step::Protect(gap(stamp), address, size, site),
                Record::Free { stamp, address } => Step::Free(gap(stamp), address),
                Record::Unmap { stamp, address, size, moves: false } => Step::Unmap(gap(stamp), address, size),
                Record::Unmap { stamp, address, size, moves: true } => Step::Move(gap(stamp), address, size),
                Record::Site { site, allocator } => Step::Site(site, Allocator::from_code(allocator).unwrap()),
                Record::Frames { keep, fresh } => {
                    let fresh = Record::frames_of(fresh);
                    match steps.last_mut() {
                        Some(Step::Frames(first, all)) if keep as usize == *first as usize + all.len() && keep > 0 => {
                            all.extend(fresh);
                            continue;
                        }
                        _ => Step::Frames(keep, fresh.collect()),
                    }
                }
                Record::Name { words, bytes } => {
                    let all: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    Step::Name(all[..bytes as usize].to_vec())
                }
                Record::Code { code, last, words, bytes } => {
                    let all: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    code_bytes.extend(&all[..bytes as usize]);
                    if !last {
                        continue;
                    }
                    Step::Code(code, std::mem::take(&mut code_bytes))
                }
                Record::Module { module, last, words, bytes } => {
                    let all: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    code_bytes.extend(&all[..bytes as usize]);
                    if !last {
                        continue;
                    }
                    Step::Module(module, std::mem::take(&mut code_bytes))
                }
                Record::Process { last, words, bytes } => {
                    let all: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    code_bytes.extend(&all[..bytes as usize]);
                    if !last {
                        continue;
                    }
                    Step::Process(std::mem::take(&mut code_bytes))
                }
            };
            steps.push(step);
        }
    });
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_record_is_read_back(steps in proptest::collection::vec(step(), 1..40)) {
        // Two FRAMES in a row could be one in two parts: keep them apart.
        let mut steps = steps;
        steps.dedup_by(|next, step| matches!((next, step), (Step::Frames(..), Step::Frames(..))));
        let shared = Shared::new(pool_bytes(64));
        let pool = shared.pool(64, 64);
        let mut writer = ChunkWriter::new(pool, author(0));
        let mut now = 0;
        for step in &steps {
            let mut at = |gap: u64| { now += gap; Stamp(now) };
            match step.clone() {
                Step::Allocation(gap, a, size, site) => writer.allocation(at(gap), Address(a), size, SiteId(site)),
                Step::Resize(gap, a, size, site) => writer.resize(at(gap), Address(a), size, SiteId(site)),
                Step::Protect(gap, a, size, site) => writer.protect(at(gap), Address(a), size, SiteId(site)),
                Step::Map(gap, a, size, site, mapped) => writer.map(at(gap), Address(a), size, SiteId(site), mapped),
                Step::Free(gap, a) => writer.free(at(gap), Address(a)),
                Step::Unmap(gap, a, size) => writer.unmap(at(gap), Address(a), size),
                Step::Move(gap, a, size) => writer.moves(at(gap), Address(a), size),
                Step::Frames(keep, frames) => writer.frames(keep, frames.into_iter()),
                Step::Site(site, allocator) => writer.site(SiteId(site), allocator),
                Step::Name(name) => writer.name(&name),
                Step::Code(code, bytes) => {
                    let (front, back) = bytes.split_at(bytes.len() / 3);
                    writer.code(code, &[front, back])
                }
                Step::Module(module, bytes) => writer.module(module, &[&bytes]),
                Step::Process(bytes) => writer.process(&[&bytes]),
            }
            .unwrap();
        }
        prop_assert_eq!(read_back(&pool), steps);
    }

    #[test]
    fn any_words_are_records_or_refused(words: Vec<u64>) {
        // Low kinds are the ones that mean something.
        let words: Vec<u64> = words.into_iter().map(|word| word >> 8 << 4 | word & 15).collect();
        prop_assert!(Records::new(&words).count() <= words.len() + 1);
    }
}
