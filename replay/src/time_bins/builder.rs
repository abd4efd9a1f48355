//! Cuts a run into bins while its events go by.

use memprof_capture::event::AllocationNumber;
use memprof_channel::ids::Stamp;

use super::bin_numbers::BinNumbers;
use super::joining::{combine, join_pairs, sum};
use super::packed::PackedBin;
use super::{AllocatedRow, Bin, ChangeRow, EndedRow, FEWEST_BINS, MOST_BINS, ReleasedRow, TimeBins};
use crate::processes::ProcessId;
use crate::slots::{Amount, SlotId};

/// How many releases of what earlier bins had allocated are gathered before those of one slot and bin become one.
const GATHERED_RELEASES: usize = 1 << 16;

/// What a slot has done in the bin that is being filled.
#[derive(Clone, Debug)]
struct OpenRow {
    /// What it has come to so far.
    row: AllocatedRow,
    /// By how much more it has live than at the bin's beginning.
    change: ChangeRow,
    /// The same at the highest moment before `epoch`.
    at_highest: ChangeRow,
    /// The number of highest moments at the last change: while it is the present one, `at_highest` is valid, else the
    /// highest moment came after the last change and `change` is what it saw.
    epoch: u64,
}

impl OpenRow {
    const fn new(slot: u32, epoch: u64) -> Self {
        let nothing = Amount { bytes: 0, allocations: 0 };
        let change = ChangeRow { slot, bytes: 0, allocations: 0 };
        let row = AllocatedRow { slot, allocated: nothing, released: nothing, temporary: nothing };
        Self { row, change, at_highest: change, epoch }
    }
}

/// Where a slot of a process is found.
#[derive(Clone, Copy, Debug)]
struct KnownSlot {
    /// Its number among those of all processes.
    number: u32,
    /// Its row in the bin that is being filled, if the one there is of this slot.
    row: u32,
}

/// What is known of a process. Whatever is kept for each slot is small: there may be millions.
#[derive(Debug, Default)]
struct ProcessBins {
    slots: Vec<KnownSlot>,
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
    bins: Vec<PackedBin>,
    /// Where the bin that is being filled ends.
    bin_end: u64,
    /// How often the highest total of a bin was reached, at the beginning of a bin too.
    epoch: u64,
    live: u64,
    highest: u64,
    highest_at: Option<Stamp>,
    /// Of the slots that were touched in the bin.
    rows_of_bin: Vec<OpenRow>,
    released: Vec<ReleasedRow>,
    /// The number of gathered releases at which those of one slot and bin become one.
    next_combining: usize,
    ended: Vec<EndedRow>,
    processes: Vec<ProcessBins>,
    /// By number of a slot.
    owners: Vec<(ProcessId, SlotId)>,
}

impl TimeBinsBuilder {
    /// For a run of this many processes from `start` to `end`, in bins of at most `most_rows` rows in all; see
    /// [`FEWEST_BINS`].
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
            epoch: 1,
            live: 0,
            highest: 0,
            highest_at: None,
            rows_of_bin: Vec::new(),
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

    /// Begins the bin of this moment. What is after the end of the run counts for its last bin.
    #[cold]
    fn go_to(&mut self, stamp: Stamp) {
        while stamp.0 >= self.bin_end && self.open() + 1 < self.count {
            self.finish_bin();
        }
    }

    /// The row of a slot, brought up to date before it changes.
    #[inline]
    fn touch(&mut self, process: ProcessId, slot: SlotId) -> &mut OpenRow {
        let slots = &mut self.processes[process.index()].slots;
        while slots.len() <= slot.0 as usize {
            self.owners.push((process, SlotId(slots.len() as u32)));
            slots.push(KnownSlot { number: self.owners.len() as u32 - 1, row: u32::MAX });
        }
        let KnownSlot { number, row: index } = &mut slots[slot.0 as usize];
        let number = *number;
        if self.rows_of_bin.get(*index as usize).is_none_or(|row| row.row.slot != number) {
            *index = self.rows_of_bin.len() as u32;
            self.rows_of_bin.push(OpenRow::new(number, self.epoch));
        }
        let open = &mut self.rows_of_bin[*index as usize];
        if open.epoch != self.epoch {
            open.epoch = self.epoch;
            open.at_highest = open.change;
        }
        open
    }

    /// A slot allocates something. Returns the bin, to be kept with what has no number; see [`Self::release_since`].
    #[inline]
    pub fn allocate(&mut self, process: ProcessId, slot: SlotId, bytes: u64) -> BinMark {
        self.grow(process, slot, Amount { bytes, allocations: 1 })
    }

    /// Likewise, of an allocation that may have been made before.
    #[inline]
    pub fn grow(&mut self, process: ProcessId, slot: SlotId, amount: Amount) -> BinMark {
        let open = self.touch(process, slot);
        open.change.grow(amount);
        open.row.allocated = sum(open.row.allocated, amount);
        self.live = self.live.wrapping_add(amount.bytes);
        BinMark((self.open() as u32) << self.joined)
    }

    /// Of what was just allocated, this many bytes are no part of the live total.
    pub const fn set_apart(&mut self, bytes: u64) {
        self.live = self.live.wrapping_sub(bytes);
    }

    /// Nor are these, which were just released.
    pub const fn put_back(&mut self, bytes: u64) {
        self.live = self.live.wrapping_add(bytes);
    }

    /// A slot allocates a heap block.
    #[inline]
    pub fn allocate_block(&mut self, process: ProcessId, slot: SlotId, number: AllocationNumber, bytes: u64) {
        self.allocate(process, slot, bytes);
        let (open, joined) = (self.open(), self.joined);
        self.processes[process.index()].numbers.enter(number, open, joined);
    }

    /// A heap block is freed.
    #[inline]
    pub fn release_block(&mut self, process: ProcessId, slot: SlotId, number: AllocationNumber, release: Release) {
        let bin = self.processes[process.index()].numbers.take(number, self.joined);
        self.release(process, slot, bin, release);
    }

    /// Something is released, or a part of it, that was allocated in this bin.
    #[inline]
    pub fn release_since(&mut self, process: ProcessId, slot: SlotId, mark: BinMark, release: Release) {
        self.release(process, slot, mark.0 >> self.joined, release);
    }

    #[inline]
    fn release(&mut self, process: ProcessId, slot: SlotId, bin: u32, release: Release) {
        let open = self.open();
        let amount = Amount { bytes: release.bytes, allocations: u64::from(release.ended) };
        let row = self.touch(process, slot);
        row.change.shrink(amount);
        if bin as usize == open {
            row.row.released = sum(row.row.released, amount);
            if release.temporary {
                row.row.temporary = sum(row.row.temporary, amount);
            }
        } else {
            let number = row.row.slot;
            self.released.push(ReleasedRow { slot: number, since: bin, temporary: release.temporary, amount });
            if self.released.len() >= self.next_combining {
                combine(&mut self.released);
                self.next_combining = GATHERED_RELEASES + 2 * self.released.len();
            }
        }
        self.live = self.live.wrapping_sub(release.bytes);
    }

    /// What a slot has is gone because its process ended: once for each slot that has something.
    pub fn end_slot(&mut self, process: ProcessId, slot: SlotId, live: Amount) {
        let row = self.touch(process, slot);
        row.change.shrink(live);
        let number = row.row.slot;
        self.ended.push(EndedRow { slot: number, amount: live });
        self.live = self.live.wrapping_sub(live.bytes);
    }

    /// A process becomes another program, or ends, after all that it had is gone: its blocks are numbered from 0 again.
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
        for open in self.rows_of_bin.drain(..) {
            bin.allocated.push(open.row);
            bin.changes.push(if open.epoch == self.epoch { open.at_highest } else { open.change });
        }
        bin.tidy();
        let packed = PackedBin::of(&bin);
        self.rows += packed.rows();
        self.bins.push(packed);
        self.bin_end = self.bin_end.saturating_add(self.width);
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
        self.rows = self.bins.iter().map(PackedBin::rows).sum();
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
