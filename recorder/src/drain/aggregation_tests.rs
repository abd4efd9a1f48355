//! What is summed up while it is recorded is what a replay of the recorded events finds; where callers of rare stacks
//! are left out, all else is the same.

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::File;
use std::hash::Hash;
use std::path::PathBuf;

use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::{CaptureReader, Fact, Frame, Header, Site, Tables};
use memprof_channel::ChunkWriter;
use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_channel::process::ProcessPrefix;
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame, Mapped, MappedFile};
use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::metric::PerMetric;
use memprof_replay::processes::Processes;
use memprof_replay::replay::{ReplaySettings, replay};
use proptest::prelude::*;

use super::Drain;
use crate::given_channel::{header, summary};
use crate::output::Output;
use crate::output::aggregated_output::AggregatedOutput;
use crate::output::capture_output::CaptureOutput;
use crate::shared_pool::{SharedPool, Wanted};
use memprof_channel::object_tracing::ObjectTracing;

const PROCESSES: usize = 3;
const THREADS: usize = 2;
/// Deeper stacks lose some of their frames.
const MOST_NATIVE: u32 = 6;
const WANTED: Wanted = Wanted {
    python_only: false,
    native_stacks: false,
    python_allocators: ObjectTracing::Never,
    followed: Followed::All,
};

/// One of two recordings of the same.
struct Recording {
    shared: SharedPool,
    drain: Drain,
    path: PathBuf,
    /// By process and thread.
    threads: Vec<Option<ChunkWriter>>,
}

/// What a recording keeps.
#[derive(Clone, Copy)]
enum Kept {
    Events,
    Sums,
    /// With room for this many stacks, sites and slots.
    SumsInRoom((usize, usize, usize)),
}

impl Recording {
    fn new(folder: &tempfile::TempDir, name: &str, kept: Kept) -> Self {
        let (shared, path) = (SharedPool::create(WANTED).unwrap(), folder.path().join(name));
        let stamp = shared.pool().clock().now();
        let start = ClockPoint { stamp: Stamp(stamp.0 - stamp.0 % (1 << 30)), monotonic_ns: 0 };
        let header = Header { clock: shared.pool().clock(), start, ..header() };
        let sums = |header| AggregatedOutput::new(path.clone(), header, false).unwrap();
        let output: Box<dyn Output> = match kept {
            Kept::Sums => Box::new(sums(header)),
            Kept::SumsInRoom(room) => Box::new(sums(header).with_room(room)),
            Kept::Events => Box::new(CaptureOutput::new(File::create(&path).unwrap(), &header).unwrap()),
        };
        let threads = (0..PROCESSES * THREADS).map(|_| None).collect();
        Self { drain: Drain::new(shared.pool(), output, MOST_NATIVE), shared, path, threads }
    }

    /// The thread of a process, which it begins as a copy of the first one, or afresh.
    fn thread(&mut self, process: usize, thread: usize, image: u32, begins: bool) -> &mut ChunkWriter {
        let pool = self.shared.pool();
        let place = &mut self.threads[process * THREADS + thread];
        if begins {
            *place = None;
        }
        place.get_or_insert_with(|| {
            let number = pool.header().threads_started.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
            let pid = process as u32 + 4_000_000;
            let author = Author { thread: number, tid: number, image, pid, name: [0; 16] };
            let mut writer = ChunkWriter::new(pool, author);
            let forked_from = if process == 1 { 1 } else { 0 };
            writer.process(&[ProcessPrefix::new(1, forked_from).as_bytes(), b"program\0"]).unwrap();
            for (site, allocator) in SITES {
                writer.site(site, allocator).unwrap();
            }
            writer
        })
    }

    fn end(self) -> (Aggregate, Tables) {
        let Self { mut drain, path, shared, .. } = self;
        drain.take_rest(|_| {});
        assert_eq!(drain.damaged_chunks(), 0);
        let stamp = Stamp(shared.pool().clock().now().0 | 0xffff_ffff);
        let end = ClockPoint { stamp, monotonic_ns: 1 << 40 };
        let summary = memprof_capture::file::Summary { end, ..summary(0) };
        assert!(drain.into_output().finish(&summary).failure.is_none());
        let mut reader = CaptureReader::open(&path).unwrap();
        assert!(reader.damage().is_none());
        assert!(reader.facts().iter().all(|fact| !matches!(fact, Fact::Lost { .. })));
        let processes = Processes::of(&reader);
        let aggregate = replay(&mut reader, &processes, &ReplaySettings::default()).unwrap();
        (aggregate, reader.tables().clone())
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Allocate(u64, u64),
    Free(u64),
    Resize(u64, u64),
    Map(u64, u64),
    Unmap(u64, u64),
    /// A part of a file, from some byte on, of which others may see the same.
    MapFile(u64, u64, u64),
    Move(u64, u64, u64),
}

/// What a thread allocates with, by its number of the site.
const SITES: [(SiteId, Allocator); 3] =
    [(SiteId(0), Allocator::Malloc), (SiteId(1), Allocator::Mmap), (SiteId(2), Allocator::Mremap)];

fn frame(address: u64) -> ChannelFrame {
    ChannelFrame::Native(ChannelNativeFrame { module: None, address, interrupted: false, evaluates: false })
}

/// A file that is seen at an offset.
fn file(offset: u64) -> Mapped {
    Mapped::File(MappedFile { device: u64::MAX, inode: offset & 1, offset: offset >> 1 << 12, is_shared: true })
}

/// The frames of the thread's last stack that stay, and those that are new.
type Call = (usize, Vec<u64>);

/// Process, thread, whether the recorder polls before, from where, what.
fn steps() -> impl Strategy<Value = Vec<(usize, usize, bool, Option<Call>, What)>> {
    let block = || (1..30_u64).prop_map(|block| block * 16);
    let page = || (1..8_u64).prop_map(|page| page << 20);
    let what = prop_oneof![
        4 => (block(), 0..100_u64).prop_map(|(at, size)| What::Allocate(at, size)),
        3 => block().prop_map(What::Free),
        1 => (block(), 0..100_u64).prop_map(|(at, size)| What::Resize(at, size)),
        1 => (page(), 1..3_000_000_u64).prop_map(|(at, size)| What::Map(at, size)),
        1 => (page(), 1..3_000_000_u64).prop_map(|(at, size)| What::Unmap(at, size)),
        1 => (page(), 1..3_000_000_u64, 0..400_u64).prop_map(|(at, size, offset)| What::MapFile(at, size, offset)),
        1 => (page(), page(), 1..3_000_000_u64).prop_map(|(from, to, size)| What::Move(from, to, size)),
    ];
    let call = proptest::option::of((0..9_usize, proptest::collection::vec(0..3_u64, 0..4)));
    let step = (0..PROCESSES, 0..THREADS, prop::bool::weighted(0.1), call, what);
    proptest::collection::vec(step, 1..300)
}

/// In an order that does not depend on when the recorder saw what.
fn sorted(mut slots: Vec<SlotSummary>) -> Vec<SlotSummary> {
    slots.sort_by_key(|slot| (slot.image, slot.thread, slot.site));
    slots
}

/// The allocations of slots: all, at the peak, leaked, temporary; and the bytes of all.
type Amounts = [u64; 5];

/// The slots' sums by what `keys` says of each and of the frames of its stack, outermost first: it may count more than
/// once.
fn by<K: Eq + Hash>(
    aggregate: &Aggregate,
    tables: &Tables,
    keys: impl Fn(&SlotSummary, Site, Vec<Frame>) -> Vec<K>,
) -> HashMap<K, Amounts> {
    let mut sums = HashMap::new();
    for slot in &aggregate.slots {
        let site = tables.site(slot.site).unwrap();
        let mut frames: Vec<Frame> = tables.frames_of(site.stack).map(|frame| tables.frame(frame).unwrap()).collect();
        frames.reverse();
        let PerMetric { total, peak, leaked, temporary } = slot.sums;
        let amounts = [total.allocations, peak.allocations, leaked.allocations, temporary.allocations, total.bytes];
        for key in keys(slot, site, frames) {
            let sum: &mut Amounts = sums.entry(key).or_default();
            sum.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
        }
    }
    sums
}

/// All but the stacks.
fn by_all_else(aggregate: &Aggregate, tables: &Tables) -> HashMap<impl Eq + Hash + Debug + use<>, Amounts> {
    by(aggregate, tables, |slot, site, _| {
        let part = site.part.and_then(|part| tables.part(part)).cloned();
        vec![(slot.image, slot.thread, site.allocator, part)]
    })
}

/// What each stack and what it called have, by its frames up to where some are left out.
fn by_callers(aggregate: &Aggregate, tables: &Tables) -> HashMap<Vec<Frame>, Amounts> {
    by(aggregate, tables, |_, _, frames| {
        let known = frames.iter().take_while(|frame| **frame != Frame::ElidedCallers).count();
        (0..=known).map(|length| frames[..length].to_vec()).collect()
    })
}

/// By what allocates: the innermost frames.
fn by_place(aggregate: &Aggregate, tables: &Tables) -> HashMap<Vec<Frame>, Amounts> {
    by(aggregate, tables, |_, _, frames| {
        let innermost = frames.iter().rev().filter(|frame| **frame != Frame::ElidedCallers).take(3);
        vec![innermost.copied().collect()]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn sums_are_those_of_the_events(steps in steps(), room in (4..40_usize, 0..30_usize, 0..40_usize)) {
        let folder = tempfile::tempdir().unwrap();
        let kept = [("events", Kept::Events), ("sums", Kept::Sums), ("shrunk", Kept::SumsInRoom(room))];
        let mut recordings = kept.map(|(name, kept)| Recording::new(&folder, name, kept));
        let (mut images, mut last, mut depths) = ([0; PROCESSES], 0, [0; PROCESSES * THREADS]);
        for (process, thread, polls, call, what) in steps {
            if polls {
                recordings.iter_mut().for_each(|recording| recording.drain.take_published());
            }
            let begins = images[process] == 0;
            if begins {
                last += 1;
                images[process] = last;
            }
            let stamp = recordings[0].shared.pool().clock().now_in_order();
            let depth = &mut depths[process * THREADS + thread];
            let call = call.map(|(keep, fresh)| {
                let keep = keep.min(*depth);
                *depth = keep + fresh.len();
                (keep, fresh)
            });
            for recording in &mut recordings {
                let writer = recording.thread(process, thread, images[process], begins);
                if let Some((keep, fresh)) = &call {
                    writer.frames(*keep as u32, fresh.iter().copied().map(frame)).unwrap();
                    for (site, allocator) in SITES {
                        writer.site(site, allocator).unwrap();
                    }
                }
                match what {
                    What::Allocate(at, size) => writer.allocation(stamp, Address(at), size, SiteId(0)),
                    What::Free(at) => writer.free(stamp, Address(at)),
                    What::Resize(at, size) => writer.resize(stamp, Address(at), size, SiteId(0)),
                    What::Map(at, size) => writer.map(stamp, Address(at), size, SiteId(1), Mapped::Memory),
                    What::Unmap(at, size) => writer.unmap(stamp, Address(at), size),
                    What::MapFile(at, size, offset) => writer.map(stamp, Address(at), size, SiteId(1), file(offset)),
                    What::Move(from, to, size) => writer
                        .moves(stamp, Address(from), size)
                        .and_then(|()| writer.map(stamp, Address(to), size, SiteId(2), Mapped::Memory)),
                }
                .unwrap();
            }
        }
        let [(events, of_events), (sums, _), (shrunk, of_shrunk)] = recordings.map(Recording::end);
        prop_assert_eq!(&sums.sums, &events.sums);
        prop_assert_eq!(sums.run.peak_at, events.run.peak_at);
        prop_assert_eq!(&sums.run.processes, &events.run.processes);
        prop_assert_eq!(sorted(sums.slots), sorted(events.slots.clone()));
        prop_assert_eq!(&sums.run.sizes, &events.run.sizes);
        prop_assert_eq!(&shrunk.sums, &events.sums);
        prop_assert_eq!(shrunk.run.peak_at, events.run.peak_at);
        prop_assert_eq!(&shrunk.run.processes, &events.run.processes);
        prop_assert_eq!(&shrunk.run.sizes, &events.run.sizes);
        let shape = |aggregate: &[memprof_replay::timeline::TimelinePoint]| aggregate.iter().map(|point| point.bytes).max();
        prop_assert_eq!(shape(&sums.run.timeline), shape(&events.run.timeline));
        prop_assert_eq!(shape(&shrunk.run.timeline), shape(&events.run.timeline));
        // Without callers, all is as it was; and a stack has nothing that it had not.
        prop_assert_eq!(by_all_else(&shrunk, &of_shrunk), by_all_else(&events, &of_events));
        prop_assert_eq!(by_place(&shrunk, &of_shrunk), by_place(&events, &of_events));
        // There are at most this many ends of stacks with three frames, all of them after the mark.
        let ends = 1 + of_events.frames.len() * 10;
        prop_assert!(of_shrunk.stacks.len() <= room.0.max(2 * ends), "{} of {}", of_shrunk.stacks.len(), room.0);
        let all = by_callers(&events, &of_events);
        for (callers, amounts) in by_callers(&shrunk, &of_shrunk) {
            let most = all.get(&callers).copied();
            prop_assert!(most.is_some_and(|most| amounts.iter().zip(most).all(|(some, most)| *some <= most)), "{:?}", callers);
        }
    }
}
