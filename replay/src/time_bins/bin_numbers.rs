//! In which bin a block was allocated. Nothing is kept for each block, since blocks are numbered in the order in which
//! they are allocated.

use memprof_capture::event::AllocationNumber;
use rustc_hash::FxHashMap;

/// The bins of the blocks of one process.
#[derive(Debug, Default)]
pub(super) struct BinNumbers {
    /// By bin: the first number that was assigned in it or later. As far as there are allocations.
    first: Vec<u64>,
    /// No number so far was as high.
    next: u64,
    /// Blocks whose numbers go back, and the bins in which they were allocated: only damaged captures have such. The
    /// bins are as fine as they were at first, so that they need not be changed.
    strays: FxHashMap<u64, u32>,
}

impl BinNumbers {
    /// A block is allocated in a bin, which is the last one so far. Bins are joined `joined` times.
    #[inline]
    pub fn enter(&mut self, number: AllocationNumber, bin: usize, joined: u32) {
        if number.0 < self.next {
            self.strays.insert(number.0, (bin as u32) << joined);
            return;
        }
        if self.first.len() <= bin {
            self.first.resize(bin + 1, number.0);
        }
        self.next = number.0.saturating_add(1);
    }

    /// In which bin a block was allocated that is now freed.
    #[inline]
    pub fn take(&mut self, number: AllocationNumber, joined: u32) -> u32 {
        // Most blocks are freed soon.
        if self.first.last().is_some_and(|&first| number.0 >= first) && self.strays.is_empty() {
            return self.first.len() as u32 - 1;
        }
        if let Some(bin) = self.strays.remove(&number.0) {
            return bin >> joined;
        }
        (self.first.partition_point(|&first| first <= number.0) as u32).saturating_sub(1)
    }

    /// Every two bins have become one.
    pub fn join_pairs(&mut self) {
        let mut index = 0;
        self.first.retain(|_| {
            index += 1;
            index % 2 == 1
        });
    }

    /// The numbers begin at 0 again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
