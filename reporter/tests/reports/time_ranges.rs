//! Ranges of bins against replays of these ranges: two ways to the same figures.

use std::collections::BTreeMap;

use crate::bin_ranges::{Figures, from_rows, grow};
use crate::capture_builder::{CaptureBuilder, START};
use memprof_capture::file::{Fact, MappedPart};
use memprof_channel::allocator::Allocator;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::processes::{ProcessId, Processes};
use memprof_replay::replay::ReplaySettings;
use memprof_replay::time_range::TimeRange;
use proptest::prelude::*;

const PAGE: u64 = 16;
const SITES: u32 = 5;
/// After those of memory: shared memory, a file that others see, one that they do not.
const MAPPING_SITES: u32 = SITES + 3;
const PIDS: u32 = 3;

type Key = (ProcessId, ThreadId, SiteId);

fn key(processes: &Processes, slot: &SlotSummary) -> Key {
    (processes.of_slot(slot), slot.thread, slot.site)
}

fn event() -> impl Strategy<Value = Event> {
    let block = (1..40_u64).prop_map(|block| Address(block * 16));
    let page = (0..12_u64).prop_map(|page| Address((1000 + page) * PAGE));
    let site = || (0..SITES).prop_map(SiteId);
    let mapping_site = prop_oneof![0..SITES, SITES..MAPPING_SITES].prop_map(SiteId);
    prop_oneof![
        6 => (block.clone(), 0..100_u64, site()).prop_map(|(address, size, site)| Event::Allocation { address, size, site }),
        6 => block.clone().prop_map(|address| Event::Free { address }),
        1 => (block, 0..100_u64, site()).prop_map(|(address, size, site)| Event::Resize { address, size, site }),
        4 => (page.clone(), 1..80_u64, mapping_site).prop_map(|(address, size, site)| Event::Map { address, size, site }),
        2 => (page, 1..100_u64).prop_map(|(address, size)| Event::Unmap { address, size }),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    GoesOn,
    Execs,
    Ends,
}

/// Process, thread, what happens to the process before, time since the last event, event.
fn family() -> impl Strategy<Value = Vec<(u32, u32, Turn, u64, Event)>> {
    let turn = prop_oneof![60 => Just(Turn::GoesOn), 1 => Just(Turn::Execs), 1 => Just(Turn::Ends)];
    let gap = prop_oneof![4 => Just(0_u64), 4 => 1..5_u64, 2 => 0..5000_u64];
    proptest::collection::vec((0..PIDS, 0..2_u32, turn, gap, event()), 0..200)
}

fn capture_of(family: &[(u32, u32, Turn, u64, Event)], chunk_rows: usize) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.chunk_rows = chunk_rows;
    builder.header.page_size = PAGE as u32;
    for site in 0..SITES {
        builder.site(&[("f", "f.py", site + 1)], Allocator::Malloc);
    }
    for (inode, allocator) in [(1, Allocator::MmapShared), (2, Allocator::MmapFile)] {
        let part = MappedPart { device: 7, inode, offset: 0, name: String::new() };
        builder.part_site(&[("m", "m.py", 1)], allocator, part);
    }
    builder.site(&[("m", "m.py", 2)], Allocator::MmapFile);
    // The present image of each pid.
    let (mut now, mut images, mut present) = (START, 0, [None; PIDS as usize]);
    for &(pid, thread, turn, gap, event) in family {
        now += gap;
        let running = &mut present[pid as usize];
        if let (Turn::Ends, Some(image)) = (turn, running.take_if(|_| matches!(turn, Turn::Ends))) {
            builder.facts.push(Fact::ProcessEnded { image, at: Stamp(now) });
        }
        if running.is_none() || matches!(turn, Turn::Execs) {
            images += 1;
            *running = Some(images);
            let pid = pid + 100;
            builder.facts.push(Fact::Image { image: images, stamp: Stamp(now), pid });
            let command_line = vec!["program".to_owned()];
            builder.facts.push(Fact::Process { image: images, pid, parent: 99, forked_from: None, command_line });
        }
        builder.event_of(running.unwrap_or_default(), pid * 2 + thread, now, event);
    }
    builder
}

/// The figures of a replay by process, thread and site, without what has nothing.
fn figures_of((aggregate, processes): &(Aggregate, Processes)) -> BTreeMap<Key, Figures> {
    let mut figures: BTreeMap<Key, Figures> = BTreeMap::new();
    for slot in &aggregate.slots {
        // A replay of a range has two slots for what was there before and allocates in it.
        let sums = figures.entry(key(processes, slot)).or_default();
        grow(&mut sums.total, slot.sums.total);
        grow(&mut sums.leaked, slot.sums.leaked);
        grow(&mut sums.temporary, slot.sums.temporary);
        grow(&mut sums.peak, slot.sums.peak);
    }
    figures.retain(|_, figures| *figures != Figures::default());
    figures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_range_of_bins_is_what_a_replay_of_it_counts(
        family in family(),
        chunk_rows in 1..40_usize,
        bin_rows in prop_oneof![Just(usize::MAX), 0..100_usize],
        temporary_threshold in 0..4_u64,
        ranges in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
    ) {
        let builder = capture_of(&family, chunk_rows);
        let settings = ReplaySettings { range: None, temporary_threshold, bin_rows: None };
        let replayed = builder.replay(ReplaySettings { bin_rows: Some(bin_rows), ..settings });
        let (whole, processes) = &replayed;
        let bins = whole.bins.as_ref().expect("they were asked for");
        let of_bins = |from: usize, to: usize| {
            let range = from_rows(bins, from, to);
            let figures = range.slots.iter().map(|(&slot, &figures)| (key(processes, &whole.slots[slot as usize]), figures));
            (figures.collect::<BTreeMap<Key, Figures>>(), range.highest, range.at)
        };
        let all = bins.count();
        let (figures, highest, at) = of_bins(0, all);
        prop_assert_eq!(figures, figures_of(&replayed));
        prop_assert_eq!(highest, whole.sums.all.peak.bytes);
        prop_assert!(highest == 0 || at == Some(whole.run.peak_at));
        for (a, b) in ranges {
            let (a, b) = (a.index(all), b.index(all));
            let (from, to) = (a.min(b), a.max(b) + 1);
            let range = TimeRange { from: bins.begin_of(from), to: Stamp(bins.begin_of(to).0 - 1) };
            let replayed = builder.replay(ReplaySettings { range: Some(range), ..settings });
            let (figures, highest, at) = of_bins(from, to);
            prop_assert_eq!(highest, replayed.0.sums.all.peak.bytes, "peak of {:?}", range);
            // Where a range begins with its peak, a replay names its first moment.
            prop_assert_eq!(at.unwrap_or(range.from), replayed.0.run.peak_at, "moment of the peak of {:?}", range);
            prop_assert_eq!(figures, figures_of(&replayed), "bins {} to {}, {:?}", from, to, range);
        }
    }
}
