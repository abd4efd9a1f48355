//! What is summed up while it is recorded is what a replay of the recorded events finds.

use std::fs::File;
use std::path::PathBuf;

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::ChunkWriter;
use memprof_capture::channel::followed::Followed;
use memprof_capture::channel::process::ProcessPrefix;
use memprof_capture::channel::record::{Mapped, MappedFile};
use memprof_capture::channel::writer::Author;
use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::{CaptureReader, Fact, Header};
use memprof_capture::ids::{Address, SiteId, Stamp};
use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::processes::Processes;
use memprof_replay::replay::{ReplaySettings, replay};
use proptest::prelude::*;

use super::Drain;
use crate::aggregated_output::AggregatedOutput;
use crate::capture_output::CaptureOutput;
use crate::given_channel::{header, summary};
use crate::output::Output;
use crate::shared_pool::{SharedPool, Wanted};
use memprof_capture::object_tracing::ObjectTracing;

const PROCESSES: usize = 3;
const THREADS: usize = 2;
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

impl Recording {
    fn new(folder: &tempfile::TempDir, name: &str, sums: bool) -> Self {
        let (shared, path) = (SharedPool::create(WANTED).unwrap(), folder.path().join(name));
        let stamp = shared.pool().clock().now();
        let start = ClockPoint { stamp: Stamp(stamp.0 - stamp.0 % (1 << 30)), monotonic_ns: 0 };
        let header = Header { clock: shared.pool().clock(), start, ..header() };
        let output = if sums {
            Output::Sums(Box::new(AggregatedOutput::new(path.clone(), header, false).unwrap()))
        } else {
            Output::Events(Box::new(CaptureOutput::new(File::create(&path).unwrap(), &header).unwrap()))
        };
        let threads = (0..PROCESSES * THREADS).map(|_| None).collect();
        Self { drain: Drain::new(shared.pool(), output, 0), shared, path, threads }
    }

    /// The thread of a process, which it begins as a copy of the first one, or anew.
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
            writer.site(SiteId(0), Allocator::Malloc).unwrap();
            writer.site(SiteId(1), Allocator::Mmap).unwrap();
            writer.site(SiteId(2), Allocator::Mremap).unwrap();
            writer
        })
    }

    fn end(self) -> Aggregate {
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
        replay(&mut reader, &processes, &ReplaySettings::default()).unwrap()
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

/// A file that is seen at an offset.
fn file(offset: u64) -> Mapped {
    Mapped::File(MappedFile { device: u64::MAX, inode: offset & 1, offset: offset >> 1 << 12, is_shared: true })
}

/// Process, thread, whether another look is taken before, what.
fn steps() -> impl Strategy<Value = Vec<(usize, usize, bool, What)>> {
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
    let step = (0..PROCESSES, 0..THREADS, prop::bool::weighted(0.1), what);
    proptest::collection::vec(step, 1..300)
}

/// In an order that does not depend on when the recorder met what.
fn sorted(mut slots: Vec<SlotSummary>) -> Vec<SlotSummary> {
    slots.sort_by_key(|slot| (slot.process, slot.thread, slot.site));
    slots
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn sums_are_those_of_the_events(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut both = [Recording::new(&folder, "events", false), Recording::new(&folder, "sums", true)];
        let (mut images, mut last) = ([0; PROCESSES], 0);
        for (process, thread, looks, what) in steps {
            if looks {
                both.iter_mut().for_each(|recording| recording.drain.take_published());
            }
            let begins = images[process] == 0;
            if begins {
                last += 1;
                images[process] = last;
            }
            let stamp = both[0].shared.pool().clock().now_in_order();
            for recording in &mut both {
                let writer = recording.thread(process, thread, images[process], begins);
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
        let [events, sums] = both.map(Recording::end);
        prop_assert_eq!(sums.totals, events.totals);
        prop_assert_eq!(sums.processes, events.processes);
        prop_assert_eq!(sorted(sums.slots), sorted(events.slots));
        prop_assert_eq!(sums.sizes.amounts(), events.sizes.amounts());
        let shape = |aggregate: &[memprof_replay::timeline::TimelinePoint]| aggregate.iter().map(|point| point.bytes).max();
        prop_assert_eq!(shape(&sums.timeline), shape(&events.timeline));
    }
}
