//! The replay against a model that is too simple to be wrong: events picked one by one, mappings byte by byte.

use std::collections::{BTreeMap, HashMap};

use crate::capture_builder::{CaptureBuilder, START};
use memprof_capture::event::TimedEvent;
use memprof_capture::file::aggregate::Endings;
use memprof_capture::file::{Fact, MappedPart};
use memprof_channel::allocator::Allocator;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::metric::Sums;
use memprof_replay::processes::Processes;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;
use memprof_replay::replay::ReplaySettings;
use memprof_replay::slots::Amount;
use memprof_replay::time_range::TimeRange;
use proptest::prelude::*;

const PAGE: u64 = 16;
const SITES: u32 = 6;
/// After those of memory: a private mapping of a file, two parts of shared memory, a shared mapping of a file.
const MAPPING_SITES: u32 = SITES + 4;
const PROCESSES: usize = 4;

/// Process, thread, site.
type Key = (usize, ThreadId, SiteId);

/// A block on the heap.
#[derive(Clone, Copy)]
struct Block {
    size: u64,
    key: Key,
    number: usize,
    is_before_range: bool,
}

#[derive(Clone, Copy)]
struct Mapping {
    start: u64,
    requested_end: u64,
    key: Key,
    is_before_range: bool,
}

impl Mapping {
    /// Which byte of what others see, too, is at an address.
    fn object_byte(&self, address: u64) -> Option<ObjectByte> {
        let (object, offset) = part(self.key.2).filter(|_| address < self.requested_end)?;
        Some((object, offset + address - self.start))
    }
}

/// An object, and a byte of it.
type ObjectByte = (u64, u64);

/// A byte of an object in a process's memory.
#[derive(Clone, Copy, PartialEq)]
struct Shower {
    process: usize,
    mapping: usize,
    /// Whether it has counted the byte since before the range.
    is_before_range: bool,
}

/// What a site maps of what others see, too: an object, and an offset.
fn part(site: SiteId) -> Option<(u64, u64)> {
    match site.0.checked_sub(SITES)? {
        0 => None,
        1 => Some((1, 0)),
        2 => Some((1, 24)),
        _ => Some((2, 0)),
    }
}

fn is_address_space(site: SiteId) -> bool {
    site.0 == SITES || site.0 == SITES + 3
}

/// What a process holds.
#[derive(Default)]
struct Memory {
    blocks: HashMap<u64, Block>,
    /// The blocks and mappings that each thread has allocated, in order, each by a number of its own.
    made: HashMap<ThreadId, Vec<usize>>,
    allocations_made: usize,
    /// For each mapped byte, its mapping.
    bytes: BTreeMap<u64, usize>,
    mappings: Vec<Mapping>,
    frees: u64,
    unknown_frees: u64,
    inherited_frees: u64,
    dropped: u64,
    peak: Amount,
    peak_at: Stamp,
    /// What was live at its end, if it has ended.
    left: Option<HashMap<Key, Amount>>,
    /// How many others a temporary block may outlive.
    threshold: u64,
}

/// What all processes hold, and what was seen of it.
#[derive(Default)]
struct Model {
    memories: Vec<Memory>,
    /// Who shows a byte of an object, the oldest first: that one counts it.
    shared: BTreeMap<ObjectByte, Vec<Shower>>,
    total: HashMap<Key, Amount>,
    temporary: HashMap<Key, Amount>,
    peak_bytes: u64,
    peak_at: Stamp,
    peak: HashMap<Key, Amount>,
}

/// A program that a process ran: its number, when it began, whether the process began as a copy of another.
type Image = (u32, Stamp, bool);

/// The programs of a process, and when it ended.
#[derive(Clone, Debug, Default)]
struct Course {
    images: Vec<Image>,
    ended: Option<Stamp>,
}

fn count(amounts: &mut HashMap<Key, Amount>, key: Key, bytes: u64, allocations: u64) {
    amounts.entry(key).or_default().add(Amount { bytes, allocations });
}

/// Without files.
fn sum(amounts: &HashMap<Key, Amount>) -> Amount {
    let mut sum = Amount::default();
    amounts.iter().filter(|(key, _)| !is_address_space(key.2)).for_each(|(_, amount)| sum.add(*amount));
    sum
}

impl Memory {
    /// Counts an allocation of a thread, be it of a block or a mapping.
    fn made_by(&mut self, thread: ThreadId) -> usize {
        let number = self.allocations_made;
        self.allocations_made += 1;
        self.made.entry(thread).or_default().push(number);
        number
    }

    fn allocate(&mut self, address: Address, size: u64, key: Key) {
        let number = self.made_by(key.1);
        self.blocks.insert(address.0, Block { size, key, number, is_before_range: false });
    }

    /// Takes a block away. Returns it if it was temporary as well.
    fn free(&mut self, address: Address, thread: ThreadId) -> Option<(Block, bool)> {
        let block = self.blocks.remove(&address.0)?;
        self.frees += 1;
        let made = self.made.get(&thread).map_or(&[][..], Vec::as_slice);
        let last = &made[made.len().saturating_sub(self.threshold as usize + 1)..];
        Some((block, block.key.1 == thread && last.contains(&block.number)))
    }

    /// False when nothing was there to be released; and the block that turned out to be temporary.
    fn apply(
        &mut self,
        key: impl Fn(SiteId) -> Key,
        thread: ThreadId,
        event: Event,
        inherits: bool,
    ) -> (bool, Option<Block>) {
        match event {
            Event::Allocation { address, size, site } => {
                // What was there has been freed unseen.
                let _ = self.free(address, thread);
                self.allocate(address, size, key(site));
                return (true, None);
            }
            Event::Resize { address, size, site } => {
                let old = self.free(address, thread);
                if old.is_none() {
                    self.miss(inherits);
                }
                self.allocate(address, size, key(site));
                return (true, old.filter(|old| old.1).map(|old| old.0));
            }
            Event::Free { address } => {
                if let Some((block, temporary)) = self.free(address, thread) {
                    return (true, temporary.then_some(block));
                }
            }
            other => unreachable!("{other:?} is the model's business"),
        }
        self.miss(inherits);
        (false, None)
    }

    fn miss(&mut self, inherits: bool) {
        *(if inherits { &mut self.inherited_frees } else { &mut self.unknown_frees }) += 1;
    }

    fn clear(&mut self) {
        self.made.clear();
        self.blocks.clear();
        self.bytes.clear();
    }
}

impl Model {
    fn live_of(&self, process: usize, wanted: impl Fn(bool) -> bool) -> HashMap<Key, Amount> {
        let (memory, mut live) = (&self.memories[process], HashMap::new());
        for block in memory.blocks.values().filter(|block| wanted(block.is_before_range)) {
            count(&mut live, block.key, block.size, 1);
        }
        let mut seen = vec![false; memory.mappings.len()];
        for (&byte, &number) in &memory.bytes {
            let mapping = &memory.mappings[number];
            let first = !std::mem::replace(&mut seen[number], true) && wanted(mapping.is_before_range);
            let counts = match mapping.object_byte(byte) {
                Some(at) => {
                    let counts = self.shared[&at][0];
                    (counts.process, counts.mapping) == (process, number) && wanted(counts.is_before_range)
                }
                None => byte < mapping.requested_end && wanted(mapping.is_before_range),
            };
            count(&mut live, mapping.key, u64::from(counts), u64::from(first));
        }
        live
    }

    fn live(&self) -> HashMap<Key, Amount> {
        (0..self.memories.len()).flat_map(|process| self.live_of(process, |_| true)).collect()
    }

    fn leaked_of(&self, process: usize) -> HashMap<Key, Amount> {
        self.live_of(process, |is_before_range| !is_before_range)
    }

    fn leaked(&self) -> HashMap<Key, Amount> {
        let of = |process: usize| self.memories[process].left.clone().unwrap_or_else(|| self.leaked_of(process));
        (0..self.memories.len()).flat_map(of).collect()
    }

    /// A mapping no longer shows a byte of an object. If it counted it, the next one does.
    fn hide(&mut self, process: usize, mapping: usize, at: ObjectByte, stamp: Stamp) {
        let showers = self.shared.get_mut(&at).expect("it is shown");
        let index = showers.iter().position(|it| (it.process, it.mapping) == (process, mapping)).expect("it is shown");
        showers.remove(index);
        if let (0, Some(next)) = (index, showers.first_mut()) {
            next.is_before_range = false;
            let next = *next;
            let key = self.memories[next.process].mappings[next.mapping].key;
            count(&mut self.total, key, 1, 0);
            if next.process != process && !is_address_space(key.2) {
                self.update_peak_of(next.process, stamp);
            }
        }
    }

    fn unmap(&mut self, process: usize, start: u64, size: u64, stamp: Stamp) -> bool {
        let memory = &mut self.memories[process];
        let range = start..(start + size).div_ceil(PAGE) * PAGE;
        let gone: Vec<(u64, usize)> = memory.bytes.range(range).map(|(&byte, &mapping)| (byte, mapping)).collect();
        for (byte, _) in &gone {
            memory.bytes.remove(byte);
        }
        let mut mappings: Vec<usize> = gone.iter().map(|(_, mapping)| *mapping).collect();
        mappings.sort_unstable();
        mappings.dedup();
        mappings.retain(|gone| !memory.bytes.values().any(|left| left == gone));
        mappings.retain(|&gone| !is_address_space(memory.mappings[gone].key.2));
        memory.frees += mappings.len() as u64;
        for &(byte, mapping) in &gone {
            if let Some(at) = self.memories[process].mappings[mapping].object_byte(byte) {
                self.hide(process, mapping, at, stamp);
            }
        }
        !gone.is_empty()
    }

    fn map(&mut self, key: Key, start: u64, size: u64, stamp: Stamp) {
        let (process, thread, _) = key;
        self.unmap(process, start, size, stamp);
        let memory = &mut self.memories[process];
        memory.made_by(thread);
        let mapping = Mapping { start, requested_end: start + size, key, is_before_range: false };
        memory.mappings.push(mapping);
        let number = memory.mappings.len() - 1;
        let mut counted = if part(key.2).is_some() { 0 } else { size };
        for byte in start..(start + size).div_ceil(PAGE) * PAGE {
            memory.bytes.insert(byte, number);
            if let Some(at) = mapping.object_byte(byte) {
                let showers = self.shared.entry(at).or_default();
                showers.push(Shower { process, mapping: number, is_before_range: false });
                counted += u64::from(showers.len() == 1);
            }
        }
        count(&mut self.total, key, counted, 1);
    }

    /// Whether a process has as much as ever.
    fn update_peak_of(&mut self, process: usize, stamp: Stamp) {
        let own = sum(&self.live_of(process, |_| true));
        let memory = &mut self.memories[process];
        if own.bytes >= memory.peak.bytes {
            (memory.peak, memory.peak_at) = (own, stamp);
        }
    }

    fn apply(&mut self, process: usize, inherits: bool, thread: ThreadId, event: TimedEvent) {
        let key = |site| (process, thread, site);
        let (applied, temporary) = match event.event {
            Event::Map { address, size, site } => {
                self.map(key(site), address.0, size, event.stamp);
                (true, None)
            }
            Event::Unmap { address, size } => {
                let any = self.unmap(process, address.0, size, event.stamp);
                if !any {
                    self.memories[process].miss(inherits);
                }
                (any, None)
            }
            other => self.memories[process].apply(key, thread, other, inherits),
        };
        if !applied {
            return;
        }
        self.update_peak_of(process, event.stamp);
        if let Event::Allocation { size, site, .. } | Event::Resize { size, site, .. } = event.event {
            count(&mut self.total, key(site), size, 1);
        }
        if let Some(Block { size, key, .. }) = temporary.filter(|block| !block.is_before_range) {
            count(&mut self.temporary, key, size, 1);
        }
        self.update_peak(event.stamp);
    }

    fn update_peak(&mut self, stamp: Stamp) {
        let live = self.live();
        let bytes = sum(&live).bytes;
        if bytes >= self.peak_bytes {
            (self.peak_bytes, self.peak_at, self.peak) = (bytes, stamp, live);
        }
    }

    /// From now on things count.
    fn begin_range(&mut self, from: Stamp) {
        self.shared.values_mut().flatten().for_each(|shower| shower.is_before_range = true);
        for process in 0..self.memories.len() {
            let live = sum(&self.live_of(process, |_| true));
            let memory = &mut self.memories[process];
            memory.blocks.values_mut().for_each(|block| block.is_before_range = true);
            memory.mappings.iter_mut().for_each(|mapping| mapping.is_before_range = true);
            (memory.frees, memory.unknown_frees, memory.inherited_frees, memory.dropped) = (0, 0, 0, 0);
            (memory.peak, memory.peak_at) = (live, from);
            memory.left = memory.left.as_ref().map(|_| HashMap::new());
        }
        (self.total, self.temporary) = (HashMap::new(), HashMap::new());
        (self.peak, self.peak_at) = (self.live(), from);
        self.peak_bytes = sum(&self.peak).bytes;
    }

    /// The process becomes another program, or ends.
    fn pass_boundary(&mut self, process: usize, ends: bool, stamp: Stamp) {
        // What others show, too, is theirs from now on.
        let memory = &self.memories[process];
        let shown = memory
            .bytes
            .iter()
            .filter_map(|(&byte, &number)| Some((number, memory.mappings[number].object_byte(byte)?)));
        for (mapping, at) in shown.collect::<Vec<_>>() {
            if self.shared[&at].len() > 1 {
                self.hide(process, mapping, at, stamp);
            }
        }
        let (live, leaked) = (self.live_of(process, |_| true), self.leaked_of(process));
        let memory = &mut self.memories[process];
        if ends {
            memory.left = Some(leaked);
        } else {
            memory.dropped += sum(&live).allocations;
        }
        memory.clear();
        self.shared.values_mut().for_each(|showers| showers.retain(|shower| shower.process != process));
        self.update_peak(stamp);
    }
}

/// Stamp, whether it allocates, whether it is an event, process, thread.
type Due = (Stamp, bool, bool, usize, ThreadId);

/// Picks the next event among the first ones of all threads that are in their process's present image, again and again.
fn model_of(events: &[(ThreadId, u32, TimedEvent)], courses: &[Course], settings: ReplaySettings) -> Model {
    let mut model = Model { peak_at: Stamp(START), ..Model::default() };
    model.memories = courses
        .iter()
        .map(|_| Memory { peak_at: Stamp(START), threshold: settings.temporary_threshold, ..Memory::default() })
        .collect();
    let mut left = events.to_vec();
    // The present image of each process; one more than it has when it has ended.
    let mut present = vec![0; courses.len()];
    let range = settings.range.unwrap_or(TimeRange { from: Stamp(0), to: Stamp(u64::MAX) });
    let mut has_begun = settings.range.is_none();
    // Processes that have gone beyond the range.
    let mut through = vec![false; courses.len()];
    let allocates = |event: &Event| !matches!(event, Event::Free { .. } | Event::Unmap { .. });
    loop {
        // Stamp, whether it allocates, whether it is an event, process, thread; the event's index.
        let mut due: Vec<(Due, usize)> = Vec::new();
        for (process, course) in courses.iter().enumerate() {
            let Some(&(image, ..)) = course.images.get(present[process]) else { continue };
            let of_image: Vec<usize> = (0..left.len()).filter(|&at| left[at].1 == image).collect();
            for &at in &of_image {
                let (thread, _, event) = left[at];
                if of_image.iter().all(|&before| before >= at || left[before].0 != thread) {
                    due.push(((event.stamp, allocates(&event.event), true, process, thread), at));
                }
            }
            let next = course.images.get(present[process] + 1).map(|image| image.1).or(course.ended);
            if let (true, Some(stamp)) = (of_image.is_empty(), next) {
                due.push(((stamp, false, false, process, ThreadId(0)), usize::MAX));
            }
        }
        let Some(&((stamp, _, is_event, process, _), at)) = due.iter().min() else {
            if !has_begun {
                model.begin_range(range.from);
            }
            return model;
        };
        let course = &courses[process];
        through[process] |= stamp > range.to;
        if !through[process] && stamp >= range.from && !has_begun {
            has_begun = true;
            model.begin_range(range.from);
        }
        if through[process] {
            if is_event {
                left.remove(at);
            } else {
                present[process] += 1;
            }
            continue;
        }
        if is_event {
            let (thread, _, event) = left.remove(at);
            model.apply(process, course.images[present[process]].2, thread, event);
        } else {
            present[process] += 1;
            model.pass_boundary(process, present[process] == course.images.len(), stamp);
        }
    }
}

/// What a slot has of something.
type AmountOf = fn(&SlotSummary) -> Amount;

fn assert_agrees(
    model: &Model,
    (aggregate, processes): &(Aggregate, Processes),
    has_range: bool,
) -> Result<(), TestCaseError> {
    let (sums, run) = (&aggregate.sums.all, &aggregate.run);
    prop_assert_eq!(sums.peak.bytes, model.peak_bytes);
    // A peak of nothing is at no particular moment: the capture need not know of a program that made no event.
    let moment = |peak: u64, at: Stamp| (peak > 0).then_some(at);
    prop_assert_eq!(moment(sums.peak.bytes, run.peak_at), moment(model.peak_bytes, model.peak_at));
    for (memory, (process, sums)) in model.memories.iter().zip(aggregate.by_process()) {
        let Endings { frees, dropped_by_exec, unknown_frees, inherited_frees } = process.endings;
        prop_assert_eq!(frees, memory.frees);
        prop_assert_eq!(unknown_frees, memory.unknown_frees);
        prop_assert_eq!(inherited_frees, memory.inherited_frees);
        prop_assert_eq!(dropped_by_exec, memory.dropped);
        prop_assert_eq!(process.own_peak, memory.peak);
        let own_moment = moment(process.own_peak.bytes, process.own_peak_at);
        prop_assert_eq!(own_moment, moment(memory.peak.bytes, memory.peak_at));
        prop_assert!(
            has_range || sums.total.allocations == frees + sums.leaked.allocations + dropped_by_exec,
            "every allocation has one end"
        );
    }
    let leaked = model.leaked();
    let expected: [(&str, &HashMap<Key, Amount>, AmountOf); 4] = [
        ("total", &model.total, |slot| slot.sums.total),
        ("peak", &model.peak, |slot| slot.sums.peak),
        ("leaked", &leaked, |slot| slot.sums.leaked),
        ("temporary", &model.temporary, |slot| slot.sums.temporary),
    ];
    for (name, amounts, amount_of) in expected {
        // What was allocated before a range has slots of its own.
        let mut sums: HashMap<Key, Amount> = HashMap::new();
        for slot in &aggregate.slots {
            let Amount { bytes, allocations } = amount_of(slot);
            count(&mut sums, (processes.of_slot(slot).index(), slot.thread, slot.site), bytes, allocations);
        }
        for key in sums.keys().chain(amounts.keys()) {
            let of = |amounts: &HashMap<Key, Amount>| amounts.get(key).copied().unwrap_or_default();
            prop_assert_eq!(of(&sums), of(amounts), "{} of {:?}", name, key);
        }
    }
    let histogram: u64 = run.sizes.buckets().iter().map(|bucket| bucket.allocations).sum();
    prop_assert_eq!(histogram, sums.total.allocations);
    for (whole, of_process) in [
        (sums.peak, (|process| process.peak) as fn(&Sums) -> Amount),
        (sums.total, |process| process.total),
        (sums.leaked, |process| process.leaked),
        (sums.temporary, |process| process.temporary),
    ] {
        let mut of_all = Amount::default();
        aggregate.sums.by_process.iter().for_each(|process| of_all.add(of_process(process)));
        prop_assert_eq!(whole, of_all);
    }
    prop_assert_eq!(run.timeline.iter().map(|point| point.bytes).max(), Some(model.peak_bytes));
    prop_assert!(run.timeline.is_sorted_by_key(|point| point.at));
    prop_assert_eq!(run.timeline.last().map(|point| point.bytes), Some(sum(&model.live()).bytes));
    Ok(())
}

fn event() -> impl Strategy<Value = Event> {
    let block = (1..24_u64).prop_map(|block| Address(block * 16));
    // Mappings begin with a page; the end of the data segment is anywhere within one.
    let page =
        prop_oneof![2 => (0..12_u64).prop_map(|page| Address(page * PAGE)), 1 => (0..12 * PAGE).prop_map(Address)];
    let site = || (0..SITES).prop_map(SiteId);
    let mapping_site = || (0..MAPPING_SITES).prop_map(SiteId);
    prop_oneof![
        4 => (block.clone(), 0..100_u64, site()).prop_map(|(address, size, site)| Event::Allocation { address, size, site }),
        4 => block.clone().prop_map(|address| Event::Free { address }),
        1 => (block, 0..100_u64, site()).prop_map(|(address, size, site)| Event::Resize { address, size, site }),
        2 => (page.clone(), 1..80_u64, mapping_site()).prop_map(|(address, size, site)| Event::Map { address, size, site }),
        2 => (page, 1..100_u64).prop_map(|(address, size)| Event::Unmap { address, size }),
    ]
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0_u64), 0..3_u64, 0..1_000_000_u64]
}

/// Most often everything; else a range of a run that takes this long, and another threshold.
fn settings() -> impl Strategy<Value = (Option<(f64, f64)>, u64)> {
    let range = (0.0..1.1_f64, 0.0..1.1_f64).prop_map(|(a, b)| (a.min(b), a.max(b)));
    (prop::option::of(range), prop_oneof![2 => Just(TEMPORARY_THRESHOLD), 1 => Just(0_u64), 1 => 2..9_u64])
}

fn settings_of((range, temporary_threshold): (Option<(f64, f64)>, u64), end: u64) -> ReplaySettings {
    let at = |share: f64| Stamp(START + ((end - START) as f64 * share) as u64);
    let range = range.map(|(from, to)| TimeRange { from: at(from), to: at(to) });
    ReplaySettings { range, temporary_threshold, bin_rows: None }
}

/// Thread, whether the program became another one before, time since the last event, event.
fn run() -> impl Strategy<Value = Vec<(u32, bool, u64, Event)>> {
    proptest::collection::vec((0..4_u32, prop::bool::weighted(0.01), gap(), event()), 0..150)
}

/// What happens to a process before an event of it.
#[derive(Clone, Copy, Debug)]
enum Turn {
    GoesOn,
    Execs,
    /// It ends: the event is another one's, which has the same pid.
    Ends,
}

/// Process, thread, what happened before, time since the last event, event.
fn family() -> impl Strategy<Value = Vec<(usize, u32, Turn, u64, Event)>> {
    let turn = prop_oneof![40 => Just(Turn::GoesOn), 1 => Just(Turn::Execs), 1 => Just(Turn::Ends)];
    proptest::collection::vec((0..PROCESSES, 0..2_u32, turn, gap(), event()), 0..150)
}

fn builder(chunk_rows: usize) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.chunk_rows = chunk_rows;
    builder.header.page_size = PAGE as u32;
    for site in 0..SITES {
        builder.site(&[("f", "f.py", site + 1)], Allocator::Malloc);
    }
    builder.site(&[("m", "m.py", 1)], Allocator::MmapFile);
    for (site, allocator) in [(1, Allocator::MmapShared), (2, Allocator::MmapShared), (3, Allocator::MmapFile)] {
        let (inode, offset) = part(SiteId(SITES + site)).expect("others see it");
        let part = MappedPart { device: 7, inode, offset, name: String::new() };
        builder.part_site(&[("m", "m.py", 1 + site)], allocator, part);
    }
    builder
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_replay_agrees_with_the_model(run in run(), chunk_rows in 1..40_usize, settings in settings()) {
        let mut builder = builder(chunk_rows);
        let (mut now, mut images) = (START, vec![(1, Stamp(START), false)]);
        for (thread, exec, gap, event) in run {
            now += gap;
            if exec {
                now += 1;
                let image = images.len() as u32 + 1;
                images.push((image, Stamp(now), false));
                builder.facts.push(Fact::Image { image, stamp: Stamp(now), pid: 1 });
            }
            builder.event_of(images.len() as u32, thread, now, event);
        }
        let settings = settings_of(settings, now);
        let model = model_of(builder.events(), &[Course { images, ended: None }], settings);
        assert_agrees(&model, &builder.replay(settings), settings.range.is_some())?;
    }

    #[test]
    fn processes_side_by_side_agree_with_the_model(family in family(), chunk_rows in 1..40_usize, settings in settings()) {
        let mut builder = builder(chunk_rows);
        let (mut now, mut image) = (START, 0);
        // In the order in which they begin; the present one of each pid.
        let (mut courses, mut running): (Vec<Course>, Vec<Option<usize>>) = (Vec::new(), vec![None; PROCESSES]);
        for (pid, thread, turn, gap, event) in family {
            now += gap;
            let known = running[pid].filter(|_| !matches!(turn, Turn::Ends));
            if let (None, Some(ended)) = (known, running[pid]) {
                courses[ended].ended = Some(Stamp(now));
                let last = courses[ended].images.last().expect("it has one").0;
                builder.facts.push(Fact::ProcessEnded { image: last, at: Stamp(now) });
            }
            let course = known.unwrap_or_else(|| {
                courses.push(Course::default());
                courses.len() - 1
            });
            running[pid] = Some(course);
            if known.is_none() || matches!(turn, Turn::Execs) {
                image += 1;
                // Half of them begin as forks.
                let forked_from = (known.is_none() && image % 2 == 0).then_some(1);
                courses[course].images.push((image, Stamp(now), forked_from.is_some()));
                let pid = pid as u32 + 100;
                builder.facts.push(Fact::Image { image, stamp: Stamp(now), pid });
                let command_line = vec![format!("program{image}")];
                builder.facts.push(Fact::Process { image, pid, parent: 99, forked_from, command_line });
            }
            let image = courses[course].images.last().expect("it has one").0;
            builder.event_of(image, pid as u32 * 2 + thread, now, event);
        }
        let settings = settings_of(settings, now);
        let model = model_of(builder.events(), &courses, settings);
        let report = builder.report();
        prop_assert!(report.notes().is_empty(), "{:?}", report.notes());
        if !courses.is_empty() {
            prop_assert_eq!(report.processes().list().len(), courses.len());
            assert_agrees(&model, &builder.replay(settings), settings.range.is_some())?;
        }
    }
}
