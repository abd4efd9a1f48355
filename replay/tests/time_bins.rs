//! Ranges of bins against a model that is too simple to be wrong: it goes through everything that happened for each
//! range.

mod bin_ranges;

use std::collections::BTreeMap;

use bin_ranges::{Range, from_rows, grow, shrink};
use memprof_capture::event::AllocationNumber;
use memprof_channel::ids::Stamp;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::{Amount, SlotId};
use memprof_replay::time_bins::{BinMark, FEWEST_BINS, MOST_BINS, Release, TimeBins, TimeBinsBuilder};
use proptest::prelude::*;

const PROCESSES: u32 = 2;
const SLOTS: u32 = 4;
const START: u64 = 1000;

/// What happened to a slot.
#[derive(Clone, Copy, Debug)]
enum Change {
    Allocated(Amount),
    /// Of what was allocated at this moment.
    Released {
        amount: Amount,
        since: Stamp,
        temporary: bool,
    },
    /// With its process.
    Ended(Amount),
}

/// Everything that happened; what is one moment has one number.
#[derive(Default)]
struct Log(Vec<(Stamp, u32, u32, Change)>);

impl Log {
    fn range(&self, from: Stamp, to: Stamp) -> Range {
        let mut range = Range::default();
        let mut live: BTreeMap<u32, Amount> = BTreeMap::new();
        let total = |live: &BTreeMap<u32, Amount>| live.values().map(|amount| amount.bytes).sum::<u64>();
        let mut peak: Option<BTreeMap<u32, Amount>> = None;
        for (index, &(stamp, moment, slot, change)) in self.0.iter().enumerate() {
            if stamp >= to {
                break;
            }
            if stamp >= from && peak.is_none() {
                range.highest = total(&live);
                peak = Some(live.clone());
            }
            let counts = stamp >= from;
            let amount = live.entry(slot).or_default();
            match change {
                Change::Allocated(by) => {
                    grow(amount, by);
                    if counts {
                        grow(&mut range.of(slot).total, by);
                        grow(&mut range.of(slot).leaked, by);
                    }
                }
                Change::Released { amount: by, since, temporary } => {
                    shrink(amount, by);
                    if counts && since >= from {
                        shrink(&mut range.of(slot).leaked, by);
                        if temporary {
                            grow(&mut range.of(slot).temporary, by);
                        }
                    }
                }
                Change::Ended(by) => shrink(amount, by),
            }
            let is_over = self.0.get(index + 1).is_none_or(|next| next.1 != moment);
            if counts && is_over && total(&live) >= range.highest {
                (range.highest, range.at) = (total(&live), Some(stamp));
                peak = Some(live.clone());
            }
        }
        if peak.is_none() {
            range.highest = total(&live);
        }
        for (slot, amount) in peak.unwrap_or(live) {
            range.of(slot).peak = amount;
        }
        range.without_nothing()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(u32, u32, u64),
    Map(u32, u32, u64),
    /// One of what is live: this many bytes of a mapping and no more, or all.
    Release(prop::sample::Index, Option<u64>, bool),
    /// The next number of a process: after a gap, or backwards, as in damaged captures.
    Jump(u32, u64),
    Exec(u32),
    End(u32),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let who = || (0..PROCESSES, 0..SLOTS);
    let step = prop_oneof![
        12 => (who(), 0..90_u64).prop_map(|((process, slot), size)| Step::Allocate(process, slot, size)),
        3 => (who(), 0..90_u64).prop_map(|((process, slot), size)| Step::Map(process, slot, size)),
        12 => (any::<prop::sample::Index>(), prop::option::of(0..50_u64), any::<bool>())
            .prop_map(|(which, part, temporary)| Step::Release(which, part, temporary)),
        1 => (0..PROCESSES, 0..60_u64).prop_map(|(process, number)| Step::Jump(process, number)),
        1 => (0..PROCESSES).prop_map(Step::Exec),
        1 => (0..PROCESSES).prop_map(Step::End),
    ];
    (prop_oneof![4 => Just(0_u64), 4 => 0..4_u64, 2 => 0..300_u64], step)
}

/// Something live: a block by its number, or a mapping.
#[derive(Clone, Copy)]
struct Live {
    process: u32,
    slot: u32,
    bytes: u64,
    since: Stamp,
    handle: Handle,
}

#[derive(Clone, Copy)]
enum Handle {
    Block(AllocationNumber),
    Mapping(BinMark),
}

struct Run {
    builder: TimeBinsBuilder,
    log: Log,
    live: Vec<Live>,
    next: [u64; PROCESSES as usize],
    now: Stamp,
    moment: u32,
}

impl Run {
    fn enter(&mut self, process: u32, slot: u32, change: Change) {
        self.log.0.push((self.now, self.moment, process * SLOTS + slot, change));
    }

    fn release(&mut self, Live { process, slot, bytes, since, handle }: Live, ended: bool, temporary: bool) {
        let release = Release { bytes, ended, temporary };
        match handle {
            Handle::Block(number) => self.builder.release_block(ProcessId(process), SlotId(slot), number, release),
            Handle::Mapping(mark) => self.builder.release_since(ProcessId(process), SlotId(slot), mark, release),
        }
        let amount = Amount { bytes, allocations: u64::from(ended) };
        self.enter(process, slot, Change::Released { amount, since, temporary });
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Allocate(process, slot, bytes) => {
                let number = self.next[process as usize];
                let number = (number..).find(|&free| !self.has_block(process, free)).expect("not all are in use");
                self.next[process as usize] = number + 1;
                let handle = Handle::Block(AllocationNumber(number));
                self.builder.allocate_block(ProcessId(process), SlotId(slot), AllocationNumber(number), bytes);
                self.live.push(Live { process, slot, bytes, since: self.now, handle });
                self.enter(process, slot, Change::Allocated(Amount { bytes, allocations: 1 }));
            }
            Step::Map(process, slot, bytes) => {
                let mark = self.builder.allocate(ProcessId(process), SlotId(slot), bytes);
                self.live.push(Live { process, slot, bytes, since: self.now, handle: Handle::Mapping(mark) });
                self.enter(process, slot, Change::Allocated(Amount { bytes, allocations: 1 }));
            }
            Step::Release(which, part, temporary) if !self.live.is_empty() => {
                let index = which.index(self.live.len());
                let live = self.live[index];
                match (live.handle, part) {
                    (Handle::Mapping(_), Some(part)) if part < live.bytes => {
                        self.live[index].bytes -= part;
                        self.release(Live { bytes: part, ..live }, false, false);
                    }
                    _ => {
                        self.live.remove(index);
                        self.release(live, true, temporary);
                    }
                }
            }
            Step::Release(..) => {}
            Step::Jump(process, number) => self.next[process as usize] = number,
            Step::Exec(process) => {
                for live in std::mem::take(&mut self.live) {
                    if live.process == process {
                        self.release(live, true, false);
                    } else {
                        self.live.push(live);
                    }
                }
                self.builder.begin_image(ProcessId(process));
                self.next[process as usize] = 0;
            }
            Step::End(process) => {
                let mut ended: BTreeMap<u32, Amount> = BTreeMap::new();
                for live in std::mem::take(&mut self.live) {
                    if live.process == process {
                        let gone = Amount { bytes: live.bytes, allocations: 1 };
                        grow(ended.entry(live.slot).or_default(), gone);
                        self.enter(process, live.slot, Change::Ended(gone));
                    } else {
                        self.live.push(live);
                    }
                }
                for (slot, amount) in ended {
                    self.builder.end_slot(ProcessId(process), SlotId(slot), amount);
                }
                self.builder.begin_image(ProcessId(process));
            }
        }
    }

    fn has_block(&self, of: u32, number: u64) -> bool {
        let number = AllocationNumber(number);
        self.live
            .iter()
            .any(|live| live.process == of && matches!(live.handle, Handle::Block(known) if known == number))
    }
}

fn run_of(steps: &[(u64, Step)], rest: u64, most_rows: usize) -> (TimeBins, Log, Stamp) {
    let end = Stamp(START + steps.iter().map(|(gap, _)| gap).sum::<u64>() + rest);
    let mut run = Run {
        builder: TimeBinsBuilder::new(Stamp(START), end, PROCESSES as usize, most_rows),
        log: Log::default(),
        live: Vec::new(),
        next: [0; PROCESSES as usize],
        now: Stamp(START),
        moment: 0,
    };
    for (gap, step) in steps {
        run.now.0 += gap;
        run.moment += 1;
        run.builder.begin_event(run.now);
        let before = run.log.0.len();
        run.apply(step);
        if run.log.0.len() > before {
            run.builder.settle(run.now);
        }
    }
    (run.builder.finish(|process, slot| process.0 * SLOTS + slot.0), run.log, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_range_agrees_with_the_model(
        steps in proptest::collection::vec(step(), 0..120),
        rest in 0..9000_u64,
        most_rows in prop_oneof![Just(0_usize), 0..60_usize, Just(usize::MAX)],
        ranges in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 30),
    ) {
        let (bins, log, end) = run_of(&steps, rest, most_rows);
        prop_assert!(bins.count() <= MOST_BINS && bins.begin_of(bins.count()) > end);
        prop_assert!(bins.count() <= FEWEST_BINS || bins.rows() <= most_rows);
        let everything = [(0, bins.count())];
        let some = ranges.iter().map(|(a, b)| {
            let (a, b) = (a.index(bins.count()), b.index(bins.count()));
            (a.min(b), a.max(b) + 1)
        });
        for (from, to) in everything.into_iter().chain(some) {
            let expected = log.range(bins.begin_of(from), bins.begin_of(to));
            prop_assert_eq!(from_rows(&bins, from, to), expected, "bins {} to {} of {:?}", from, to, &bins);
        }
    }

    #[test]
    fn slots_of_one_number_are_one(steps in proptest::collection::vec(step(), 0..120), most_rows in 0..60_usize) {
        let (bins, ..) = run_of(&steps, 100, usize::MAX);
        let joined = bins.clone().renumbered(|slot| Some(slot / 3)).with_at_most(most_rows);
        let (mut summed, length) = (Range::default(), bins.count());
        for (slot, figures) in from_rows(&bins, 0, length).slots {
            let sum = summed.of(slot / 3);
            grow(&mut sum.total, figures.total);
            grow(&mut sum.leaked, figures.leaked);
            grow(&mut sum.temporary, figures.temporary);
            grow(&mut sum.peak, figures.peak);
        }
        prop_assert_eq!(from_rows(&joined, 0, joined.count()).slots, summed.without_nothing().slots);
    }
}
