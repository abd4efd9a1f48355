//! Whatever stacks and sites the recorder has evicted, a capture says the same.

use std::fs::File;

use memprof_capture::event::ResolvedEvent;
use memprof_capture::file::columns::EventBatch;
use memprof_capture::file::{CaptureReader, Tables};
use memprof_channel::ChunkWriter;
use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::followed::Followed;
use memprof_channel::ids::{Address, SiteId};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame, Mapped};
use proptest::prelude::*;

use super::Drain;
use crate::given_channel::{header, summary};
use crate::interning::Interning;
use crate::output::capture_output::CaptureOutput;
use crate::shared_pool::{SharedPool, Wanted};

/// An allocation: frames of the last stack that stay, those that are new, how it is allocated, and whether the recorder
/// polls before.
#[derive(Clone, Debug)]
struct Step {
    keep: usize,
    fresh: Vec<u64>,
    allocator: Allocator,
    polls: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let allocator = prop_oneof![
        3 => Just(Allocator::Malloc),
        1 => Just(Allocator::Calloc),
        1 => Just(Allocator::Mmap),
        1 => Just(Allocator::Mremap),
    ];
    // Some of a few long runs come again and again.
    let run = (0..3_u64, 4..9_u64).prop_map(|(step, length)| (0..length).map(|frame| frame * step % 3).collect());
    let fresh = prop_oneof![2 => proptest::collection::vec(0..3_u64, 0..4), 1 => run];
    (0..8_usize, fresh, allocator, prop::bool::weighted(0.1)).prop_map(|(keep, fresh, allocator, polls)| Step {
        keep,
        fresh,
        allocator,
        polls,
    })
}

fn frame(number: u64) -> ChannelFrame {
    ChannelFrame::Native(ChannelNativeFrame { module: None, address: number, interrupted: false, evaluates: false })
}

/// What a reader finds when these steps were recorded with such tables: all rows, and all events.
fn recorded(steps: &[Step], interning: Interning) -> (Tables, Vec<ResolvedEvent>) {
    let wanted = Wanted {
        python_only: false,
        native_stacks: true,
        python_allocators: ObjectTracing::Never,
        followed: Followed::Nobody,
    };
    let shared = SharedPool::create(wanted).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    let output = CaptureOutput::new(File::create(&path).unwrap(), &header()).unwrap();
    let mut drain = Drain::with_tables(shared.pool(), Box::new(output), 100, interning);
    let thread = shared.pool().header().threads_started.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    let mut writer = ChunkWriter::new(shared.pool(), Author { thread, tid: 1, image: 1, pid: 1, name: [0; 16] });
    let mut depth = 0;
    for (number, step) in steps.iter().enumerate() {
        if step.polls {
            drain.take_published();
        }
        let keep = step.keep.min(depth);
        depth = keep + step.fresh.len();
        writer.frames(keep as u32, step.fresh.iter().copied().map(frame)).unwrap();
        // Numbers are used again, as those of a program are.
        let (site, at) = (SiteId(number as u32 % 3), Address((number as u64 + 1) << 20));
        writer.site(site, step.allocator).unwrap();
        let stamp = writer.stamp();
        match step.allocator {
            Allocator::Mmap | Allocator::Mremap => writer.map(stamp, at, 4096, site, Mapped::Memory).unwrap(),
            _ => writer.allocation(stamp, at, 8, site).unwrap(),
        }
    }
    writer.seal();
    drain.take_rest(|_| {});
    assert_eq!(drain.damaged_chunks(), 0);
    assert!(drain.into_output().finish(&summary(0)).failure.is_none());
    let mut reader = CaptureReader::open(&path).unwrap();
    assert!(reader.damage().is_none(), "{:?}", reader.damage());
    let (mut batch, mut events) = (EventBatch::default(), Vec::new());
    for chunk in reader.event_chunks().to_vec() {
        reader.read_events(&chunk, &mut batch).unwrap();
        events.extend(batch.events.iter().map(|timed| timed.event));
    }
    (reader.tables().clone(), events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_capture_does_not_show_what_was_evicted(
        steps in proptest::collection::vec(step(), 1..300), stacks in 0..7_u32, sites in 0..5_u32,
    ) {
        let all = recorded(&steps, Interning::without_repetition());
        let few = recorded(&steps, Interning::bounded_to(1 << stacks, 1 << sites));
        prop_assert_eq!(&few.0.stacks, &all.0.stacks);
        prop_assert_eq!(&few.0.sites, &all.0.sites);
        prop_assert!(few == all);
    }
}
