//! Cuts a run into bins while its events go by.

use memprof_capture::event::AllocationNumber;
use memprof_capture::ids::Stamp;

use super::bin_numbers::BinNumbers;
use super::joining::{combine, join_pairs};
use super::{AllocatedRow, Bin, ChangeRow, EndedRow, FEWEST_BINS, MOST_BINS, ReleasedRow, TimeBins};
use crate::processes::ProcessId;
use crate::slots::{Amount, SlotId};

/// So many releases of what earlier bins had allocated are gathered before those of one slot and bin become one.
const GATHERED_RELEASES: usize = 1 << 16;

/// A slot of a process, and what it did in the bin that is being filled.
#[derive(Clone, Debug, Default)]
struct Counters {
    /// The number of the slot among those of all processes.
    number: u32,
    /// The bin in which it was last touched: of that one the rest is. See [`TimeBinsBuilder::serial`].
    serial: u32,
    /// What is live now.
    live: Amount,
    at_begin: Amount,
    /// What was live at the highest moment before `epoch`.
    at_highest: Amount,
    /// The number of highest moments at the last change: while it is the present one, `at_highest` is valid, else the
    /// highest moment came after the last change and `live` is what it saw.
    epoch: u64,
    allocated: Amount,
    released: Amount,
    temporary: Amount,
}

impl Counters {
    const fn at_highest(&self, epoch: u64) -> Amount {
        if self.epoch == epoch { self.at_highest } else { self.live }
    }
}

#[derive(Debug, Default)]
struct ProcessBins {
    slots: Vec<Counters>,
    numbers: BinNumbers,
}

/// What becomes of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// How many bytes are gone.
    pub bytes: u64,
    /// Whether that was the last of the allocation.
    pub ended: bool,
    /// Whether the allocation was temporary.
    pub temporary: bool,
}

/// Gathers the bins of a run.
///
/// For every event, in order: [`Self::begin_event`], what it did, [`Self::settle`].
#[derive(Debug)]
pub struct TimeBinsBuilder {
    start: Stamp,
    width: u64,
    /// How often all bins were joined in pairs.
    joined: u32,
    /// How many bins of the present width the run has.
    count: usize,
    most_rows: usize,
    rows: usize,
    /// Those that are through.
    bins: Vec<Bin>,
    /// Where the bin that is being filled ends.
    bin_end: u64,
    /// Counts the bins that were begun, whatever became of them. Never 0.
    serial: u32,
    /// How often the highest total of a bin was reached, at the beginning of a bin too.
    epoch: u64,
    live: u64,
    highest: u64,
    highest_at: Option<Stamp>,
    touched: Vec<(ProcessId, SlotId)>,
    released: Vec<ReleasedRow>,
    /// The number of gathered releases at which those of one slot and bin become one.
    next_combining: usize,
    ended: Vec<EndedRow>,
    processes: Vec<ProcessBins>,
    /// By number of a slot.
    owners: Vec<(ProcessId, SlotId)>,
}

impl TimeBinsBuilder {
    /// For a run of so many processes from `start` to `end`, in bins of at most so many rows in all; see [`FEWEST_BINS`].
    #[must_use]
    pub fn new(start: Stamp, end: Stamp, processes: usize, most_rows: usize) -> Self {
        let length = end.0.saturating_sub(start.0);
        let width = length / MOST_BINS as u64 + 1;
        Self {
            start,
            width,
            joined: 0,
            count: (length / width + 1) as usize,
            most_rows,
            rows: 0,
            bins: Vec::new(),
            bin_end: start.0.saturating_add(width),
            serial: 1,
            epoch: 1,
            live: 0,
            highest: 0,
            highest_at: None,
            touched: Vec::new(),
            released: Vec::new(),
            next_combining: GATHERED_RELEASES,
            ended: Vec::new(),
            processes: (0..processes).map(|_| ProcessBins::default()).collect(),
            owners: Vec::new(),
        }
    }

    /// The bin that is being filled.
    fn open(&self) -> usize {
        self.bins.len()
    }

    /// An event comes, of this moment.
    #[inline]
    pub fn begin_event(&mut self, stamp: Stamp) {
        if stamp.0 >= self.bin_end {
            self.go_to(stamp);
        }
    }

    /// Begins the bin of this moment. What is behind the end of the run counts for its last bin.
    #[cold]
    fn go_to(&mut self, stamp: Stamp) {
        while stamp.0 >= self.bin_end && self.open() + 1 < self.count {
            self.finish_bin();
        }
    }

    /// The counters of a slot, brought up to date before they change.
    #[inline]
    fn touch(&mut self, process: ProcessId, slot: SlotId) -> &mut Counters {
        let slots = &mut self.processes[process.index()].slots;
        let index = slot.0 as usize;
        if slots.len() <= index {
            let known = slots.len()..=index;
            slots.resize(index + 1, Counters::default());
            for new in known {
                slots[new].number = self.owners.len() as u32;
                self.owners.push((process, SlotId(new as u32)));
            }
        }
        let counters = &mut slots[index];
        if counters.serial != self.serial {
            counters.serial = self.serial;
            counters.at_begin = counters.live;
            (counters.allocated, counters.released, counters.temporary) = Default::default();
            self.touched.push((process, slot));
        }
        if counters.epoch != self.epoch {
            counters.epoch = self.epoch;
            counters.at_highest = counters.live;
        }
        counters
    }

    /// A slot allocates something. Returns the bin, to be kept with what has no number; see [`Self::release_since`].
    #[inline]
    pub fn allocate(&mut self, process: ProcessId, slot: SlotId, bytes: u64) -> BinMark {
        let counters = self.touch(process, slot);
        counters.live.bytes = counters.live.bytes.wrapping_add(bytes);
        counters.live.allocations = counters.live.allocations.wrapping_add(1);
        counters.allocated.bytes = counters.allocated.bytes.wrapping_add(bytes);
        counters.allocated.allocations += 1;
        self.live = self.live.wrapping_add(bytes);
        BinMark((self.open() as u32) << self.joined)
    }

    /// A slot allocates a heap block.
    #[inline]
    pub fn allocate_block(&mut self, process: ProcessId, slot: SlotId, number: AllocationNumber, bytes: u64) {
        self.allocate(process, slot, bytes);
        let (open, joined) = (self.open(), self.joined);
        self.processes[process.index()].numbers.enter(number, open, joined);
    }

    /// A heap block is given back.
    #[inline]
    pub fn release_block(&mut self, process: ProcessId, slot: SlotId, number: AllocationNumber, release: Release) {
        let bin = self.processes[process.index()].numbers.take(number, self.joined);
        self.release(process, slot, bin, release);
    }

    /// Something is given back, or a part of it, that was allocated in this bin.
    #[inline]
    pub fn release_since(&mut self, process: ProcessId, slot: SlotId, mark: BinMark, release: Release) {
        self.release(process, slot, mark.0 >> self.joined, release);
    }

    #[inline]
    fn release(&mut self, process: ProcessId, slot: SlotId, bin: u32, release: Release) {
        let open = self.open();
        let amount = Amount { bytes: release.bytes, allocations: u64::from(release.ended) };
        let counters = self.touch(process, slot);
        counters.live.bytes = counters.live.bytes.wrapping_sub(amount.bytes);
        counters.live.allocations = counters.live.allocations.wrapping_sub(amount.allocations);
        if bin as usize == open {
            counters.released.bytes = counters.released.bytes.wrapping_add(amount.bytes);
            counters.released.allocations += amount.allocations;
            if release.temporary {
                counters.temporary.bytes = counters.temporary.bytes.wrapping_add(amount.bytes);
                counters.temporary.allocations += amount.allocations;
            }
        } else {
            let number = counters.number;
            self.released.push(ReleasedRow { slot: number, since: bin, temporary: release.temporary, amount });
            if self.released.len() >= self.next_combining {
                combine(&mut self.released);
                self.next_combining = GATHERED_RELEASES + 2 * self.released.len();
            }
        }
        self.live = self.live.wrapping_sub(release.bytes);
    }

    /// Everything that a process has is gone because it ended.
    pub fn end_process(&mut self, process: ProcessId) {
        for index in 0..self.processes[process.index()].slots.len() {
            let counters = &self.processes[process.index()].slots[index];
            if counters.live.is_zero() {
                continue;
            }
            let counters = self.touch(process, SlotId(index as u32));
            let (slot, amount) = (counters.number, std::mem::take(&mut counters.live));
            self.ended.push(EndedRow { slot, amount });
            self.live = self.live.wrapping_sub(amount.bytes);
        }
        self.processes[process.index()].numbers.clear();
    }

    /// A process becomes another program, after all that it had has been released: its blocks are numbered anew.
    pub fn begin_image(&mut self, process: ProcessId) {
        self.processes[process.index()].numbers.clear();
    }

    /// Ends a moment: if the total is the highest of its bin, this is the last such moment so far.
    #[inline]
    pub const fn settle(&mut self, stamp: Stamp) {
        if self.live >= self.highest {
            self.highest = self.live;
            self.highest_at = Some(stamp);
            self.epoch += 1;
        }
    }

    fn finish_bin(&mut self) {
        let mut bin = Bin { highest: self.highest, highest_at: self.highest_at, ..Bin::default() };
        bin.released = std::mem::take(&mut self.released);
        bin.ended = std::mem::take(&mut self.ended);
        for (process, slot) in self.touched.drain(..) {
            let counters = &self.processes[process.index()].slots[slot.0 as usize];
            let &Counters { number, allocated, released, temporary, .. } = counters;
            bin.allocated.push(AllocatedRow { slot: number, allocated, released, temporary });
            bin.changes.push(ChangeRow::between(number, counters.at_begin, counters.at_highest(self.epoch)));
        }
        bin.tidy();
        self.rows += bin.rows();
        self.bins.push(bin);
        self.bin_end = self.bin_end.saturating_add(self.width);
        self.serial += 1;
        self.epoch += 1;
        (self.highest, self.highest_at) = (self.live, None);
        self.next_combining = GATHERED_RELEASES;
        // Only whole pairs, so that the next event's bin is empty.
        while self.rows > self.most_rows && self.open().is_multiple_of(2) && self.count > FEWEST_BINS {
            self.join_pairs();
        }
    }

    fn join_pairs(&mut self) {
        self.bins = join_pairs(std::mem::take(&mut self.bins));
        self.rows = self.bins.iter().map(Bin::rows).sum();
        self.processes.iter_mut().for_each(|process| process.numbers.join_pairs());
        self.joined += 1;
        self.width = self.width.saturating_mul(2);
        self.count = self.count.div_ceil(2);
        let end = self.width.saturating_mul(self.open() as u64 + 1);
        self.bin_end = self.start.0.saturating_add(end);
    }

    /// The bins, with the slots numbered as `index_of` says.
    #[must_use]
    pub fn finish(mut self, index_of: impl Fn(ProcessId, SlotId) -> u32) -> TimeBins {
        while self.open() < self.count {
            self.finish_bin();
        }
        let Self { start, width, bins, owners, most_rows, .. } = self;
        let number_of = |number: u32| {
            let (process, slot) = owners[number as usize];
            Some(index_of(process, slot))
        };
        TimeBins { start, width, bins }.with_at_most(most_rows).renumbered(number_of)
    }
}

/// The bin in which something without a number was allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinMark(u32);
