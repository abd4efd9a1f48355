//! The replay against a model that is too simple to be wrong: events picked one by one, mappings byte by byte.

mod capture_builder;

use std::collections::{BTreeMap, HashMap};

use capture_builder::{CaptureBuilder, START};
use memprof_capture::allocator::Allocator;
use memprof_capture::event::{Event, TimedEvent};
use memprof_capture::file::Fact;
use memprof_capture::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_reporter::aggregate::Aggregate;
use memprof_reporter::slots::Amount;
use proptest::prelude::*;

const PAGE: u64 = 16;
const SITES: u32 = 6;

type Key = (ThreadId, SiteId);

/// What the program holds, and what was seen of it.
#[derive(Default)]
struct Model {
    blocks: HashMap<u64, (u64, Key)>,
    /// For each mapped byte, its mapping.
    bytes: BTreeMap<u64, usize>,
    /// Of each mapping: where its requested bytes end, and who made it.
    mappings: Vec<(u64, Key)>,
    total: HashMap<Key, Amount>,
    frees: u64,
    unknown_frees: u64,
    dropped: u64,
    peak_bytes: u64,
    peak_at: Stamp,
    peak: HashMap<Key, Amount>,
}

fn count(amounts: &mut HashMap<Key, Amount>, key: Key, bytes: u64, allocations: u64) {
    amounts.entry(key).or_default().add(Amount { bytes, allocations });
}

impl Model {
    fn live(&self) -> HashMap<Key, Amount> {
        let mut live = HashMap::new();
        for &(size, key) in self.blocks.values() {
            count(&mut live, key, size, 1);
        }
        let mut seen = vec![false; self.mappings.len()];
        for (&byte, &mapping) in &self.bytes {
            let (requested_end, key) = self.mappings[mapping];
            let first = !std::mem::replace(&mut seen[mapping], true);
            count(&mut live, key, u64::from(byte < requested_end), u64::from(first));
        }
        live
    }

    fn unmap(&mut self, start: u64, size: u64) -> bool {
        let range = start..(start + size).div_ceil(PAGE) * PAGE;
        let gone: Vec<(u64, usize)> = self.bytes.range(range).map(|(&byte, &mapping)| (byte, mapping)).collect();
        for (byte, _) in &gone {
            self.bytes.remove(byte);
        }
        let mut mappings: Vec<usize> = gone.iter().map(|(_, mapping)| *mapping).collect();
        mappings.dedup();
        mappings.sort_unstable();
        mappings.dedup();
        self.frees += mappings.iter().filter(|gone| !self.bytes.values().any(|left| left == *gone)).count() as u64;
        !gone.is_empty()
    }

    fn apply(&mut self, thread: ThreadId, event: TimedEvent) {
        match event.event {
            Event::Allocation { address, size, site } | Event::Resize { address, size, site } => {
                self.frees += u64::from(self.blocks.insert(address.0, (size, (thread, site))).is_some());
                count(&mut self.total, (thread, site), size, 1);
            }
            Event::Free { address } => match self.blocks.remove(&address.0) {
                Some(_) => self.frees += 1,
                None => {
                    self.unknown_frees += 1;
                    return;
                }
            },
            Event::Map { address, size, site } => {
                self.unmap(address.0, size);
                self.mappings.push((address.0 + size, (thread, site)));
                for byte in address.0..(address.0 + size).div_ceil(PAGE) * PAGE {
                    self.bytes.insert(byte, self.mappings.len() - 1);
                }
                count(&mut self.total, (thread, site), size, 1);
            }
            Event::Unmap { address, size } => {
                if !self.unmap(address.0, size) {
                    self.unknown_frees += 1;
                    return;
                }
            }
        }
        self.look(event.stamp);
    }

    fn look(&mut self, stamp: Stamp) {
        let live = self.live();
        let bytes = live.values().map(|amount| amount.bytes).sum();
        if bytes >= self.peak_bytes {
            (self.peak_bytes, self.peak_at, self.peak) = (bytes, stamp, live);
        }
    }

    fn start_image(&mut self, stamp: Stamp) {
        self.dropped += self.live().values().map(|amount| amount.allocations).sum::<u64>();
        self.blocks.clear();
        self.bytes.clear();
        self.look(stamp);
    }
}

/// Picks the next event among the threads' first ones, again and again.
fn model_of(events: &[(ThreadId, u32, TimedEvent)], images: &[(u32, Stamp)]) -> Model {
    let mut model = Model { peak_at: Stamp(START), ..Model::default() };
    for (index, &(image, stamp)) in images.iter().enumerate() {
        if index > 0 {
            model.start_image(stamp);
        }
        let mut left: Vec<_> = events.iter().filter(|event| event.1 == image).copied().collect();
        while !left.is_empty() {
            let hands_out = |event: &Event| !matches!(event, Event::Free { .. } | Event::Unmap { .. });
            let first_of_their_thread =
                (0..left.len()).filter(|&at| left[..at].iter().all(|before| before.0 != left[at].0));
            let next = first_of_their_thread
                .min_by_key(|&at| (left[at].2.stamp, hands_out(&left[at].2.event), left[at].0))
                .expect("there is an event left");
            let (thread, _, event) = left.remove(next);
            model.apply(thread, event);
        }
    }
    model
}

fn assert_agrees(model: &Model, aggregate: &Aggregate) -> Result<(), TestCaseError> {
    let totals = &aggregate.totals;
    prop_assert_eq!(totals.peak.bytes, model.peak_bytes);
    prop_assert_eq!(totals.peak_at, model.peak_at);
    prop_assert_eq!(totals.frees, model.frees);
    prop_assert_eq!(totals.unknown_frees, model.unknown_frees);
    prop_assert_eq!(totals.dropped_by_exec, model.dropped);
    prop_assert_eq!(
        totals.total.allocations,
        totals.frees + totals.leaked.allocations + totals.dropped_by_exec,
        "every allocation has one end"
    );
    let leaked = model.live();
    for slot in &aggregate.slots {
        let key = (slot.thread, slot.site);
        let expected = |amounts: &HashMap<Key, Amount>| amounts.get(&key).copied().unwrap_or_default();
        prop_assert_eq!(slot.total, expected(&model.total), "total of {:?}", key);
        prop_assert_eq!(slot.peak, expected(&model.peak), "peak of {:?}", key);
        prop_assert_eq!(slot.leaked, expected(&leaked), "leaked of {:?}", key);
    }
    let slots: Vec<Key> = aggregate.slots.iter().map(|slot| (slot.thread, slot.site)).collect();
    prop_assert!(model.total.keys().all(|key| slots.contains(key)));
    let histogram: u64 = aggregate.sizes.buckets().iter().map(|bucket| bucket.allocations).sum();
    prop_assert_eq!(histogram, totals.total.allocations);
    prop_assert_eq!(aggregate.timeline.iter().map(|point| point.bytes).max(), Some(model.peak_bytes));
    prop_assert!(aggregate.timeline.is_sorted_by_key(|point| point.at));
    prop_assert_eq!(aggregate.timeline.last().map(|point| point.bytes), Some(totals.leaked.bytes));
    Ok(())
}

fn event() -> impl Strategy<Value = Event> {
    let block = (1..24_u64).prop_map(|block| Address(block * 16));
    // Mappings begin with a page; the end of the data segment is anywhere within one.
    let page =
        prop_oneof![2 => (0..12_u64).prop_map(|page| Address(page * PAGE)), 1 => (0..12 * PAGE).prop_map(Address)];
    let site = || (0..SITES).prop_map(SiteId);
    prop_oneof![
        4 => (block.clone(), 0..100_u64, site()).prop_map(|(address, size, site)| Event::Allocation { address, size, site }),
        4 => block.clone().prop_map(|address| Event::Free { address }),
        1 => (block, 0..100_u64, site()).prop_map(|(address, size, site)| Event::Resize { address, size, site }),
        2 => (page.clone(), 1..80_u64, site()).prop_map(|(address, size, site)| Event::Map { address, size, site }),
        2 => (page, 1..100_u64).prop_map(|(address, size)| Event::Unmap { address, size }),
    ]
}

/// Thread, whether the program became another one before, time since the last event, event.
fn run() -> impl Strategy<Value = Vec<(u32, bool, u64, Event)>> {
    let gap = prop_oneof![Just(0_u64), 0..3_u64, 0..1_000_000_u64];
    proptest::collection::vec((0..4_u32, prop::bool::weighted(0.01), gap, event()), 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_replay_agrees_with_the_model(run in run(), chunk_rows in 1..40_usize) {
        let mut builder = CaptureBuilder::new();
        builder.chunk_rows = chunk_rows;
        builder.header.page_size = PAGE as u32;
        for site in 0..SITES {
            builder.site(&[("f", "f.py", site + 1)], Allocator::Malloc);
        }
        let (mut now, mut images) = (START, vec![(1, Stamp(START))]);
        for (thread, exec, gap, event) in run {
            now += gap;
            if exec {
                now += 1;
                let image = images.len() as u32 + 1;
                images.push((image, Stamp(now)));
                builder.facts.push(Fact::Image { image, stamp: Stamp(now), pid: 1 });
            }
            builder.event_of(images.len() as u32, thread, now, event);
        }
        let model = model_of(builder.events(), &images);
        let report = builder.report();
        prop_assert!(report.notes().is_empty(), "{:?}", report.notes());
        assert_agrees(&model, report.aggregate())?;
    }
}
