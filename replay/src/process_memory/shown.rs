//! Mappings that show what is not memory of the process's own: files, which are counted apart, and what others may see
//! as well, which counts once.

use std::ops::Range;

use memprof_channel::ids::Stamp;

use super::Present;
use super::state::State;
use crate::mapped_sites::{MappedSite, ObjectId};
use crate::mappings::{MappingId, Released, Shown};
use crate::shared_objects::{GivenUp, Holder};
use crate::slots::{Amount, SlotId};
use crate::time_bins::{BinMark, Release};

/// What becomes of bytes that nobody shows any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutNext {
    /// They are released.
    Releases,
    /// The slot keeps them, to the end of its process.
    Keeps,
    /// Likewise, but the run's bins hear now that they are gone.
    KeepsOutOfBins,
}

impl Present {
    /// A mapping begins to show something.
    #[cold]
    pub(super) fn show(&mut self, holder: Holder, size: u64, MappedSite { is_address_space, part }: MappedSite) {
        let bytes = part
            .map_or(size, |part| self.shared.map(part.object, part.offset..part.offset.saturating_add(size), holder));
        if let Some(bins) = &mut self.bins {
            bins.grow(self.process, holder.slot, Amount { bytes, allocations: 0 });
            if is_address_space {
                bins.set_apart(bytes);
            }
        }
        self.memory.slots.get_mut(holder.slot).grow(bytes, self.watermark.epoch());
        if !is_address_space {
            self.watermark.grow(bytes);
            self.sizes.count(size);
            self.memory.own.grow(bytes);
        }
    }

    /// A mapping, or a part of one, shows no longer what it showed.
    #[cold]
    pub(super) fn hide(&mut self, released: Released, stamp: Stamp, others: &mut [State]) {
        let Released { mapping, slot, mark, bytes, ended, shown } = released;
        let is_address_space = shown.as_ref().is_some_and(|shown| shown.is_address_space);
        match shown {
            Some(Shown { object: Some(object), .. }) => {
                self.give_up(mapping, object, is_address_space, WithoutNext::Releases, stamp, others);
                self.release_piece(slot, mark, 0, ended, is_address_space);
            }
            _ => self.release_piece(slot, mark, bytes, ended, is_address_space),
        }
        self.memory.endings.frees += u64::from(ended && !is_address_space);
    }

    /// A piece of a mapping that shows something is unmapped: it is released as far as it counts.
    fn release_piece(&mut self, slot: SlotId, mark: BinMark, bytes: u64, ended: bool, is_address_space: bool) {
        if let Some(bins) = &mut self.bins {
            bins.release_since(self.process, slot, mark, Release { bytes, ended, temporary: false });
            if is_address_space {
                bins.put_back(bytes);
            }
        }
        self.memory.slots.get_mut(slot).release(bytes, ended, self.watermark.epoch());
        if !is_address_space {
            self.watermark.shrink(bytes);
            self.memory.own.shrink(bytes, ended);
        }
    }

    /// A mapping of the process no longer shows some bytes of an object. Those that it counted count from now on for
    /// the next that shows them.
    fn give_up(
        &mut self,
        mapping: MappingId,
        (object, bytes): (ObjectId, Range<u64>),
        is_address_space: bool,
        without_next: WithoutNext,
        stamp: Stamp,
        others: &mut [State],
    ) {
        let mut shared = std::mem::take(&mut self.shared);
        shared.unmap(object, bytes, (self.process, mapping), |GivenUp { bytes, slot, mark, next }| {
            if next.is_some() || without_next == WithoutNext::Releases {
                self.release_piece(slot, mark, bytes, false, is_address_space);
            } else if without_next == WithoutNext::KeepsOutOfBins
                && let Some(bins) = &mut self.bins
            {
                bins.release_since(self.process, slot, mark, Release { bytes, ended: false, temporary: false });
                if is_address_space {
                    bins.put_back(bytes);
                }
            }
            if let Some(next) = next {
                *next = self.count_on(*next, bytes, is_address_space, stamp, others);
            }
        });
        self.shared = shared;
    }

    /// Bytes that a mapping shows count for it from now on. Returns the mapping as it is then.
    fn count_on(
        &mut self,
        holder: Holder,
        bytes: u64,
        is_address_space: bool,
        stamp: Stamp,
        others: &mut [State],
    ) -> Holder {
        let process = holder.process;
        let memory = match others.get_mut(process.index()) {
            _ if process == self.process => &mut self.memory,
            Some(State::Running(memory)) => &mut **memory,
            // One that has ended, or has not begun, shows nothing.
            _ => return holder,
        };
        let slot = memory.slots.present(holder.slot);
        memory.slots.get_mut(slot).grow(bytes, self.watermark.epoch());
        if !is_address_space {
            self.watermark.grow(bytes);
            memory.own.enlarge(bytes);
            if process != self.process {
                memory.own.settle(stamp);
            }
        }
        let mark = match &mut self.bins {
            Some(bins) => {
                let mark = bins.grow(process, slot, Amount { bytes, allocations: 0 });
                if is_address_space {
                    bins.set_apart(bytes);
                }
                mark
            }
            None => BinMark::default(),
        };
        Holder { slot, mark, ..holder }
    }

    /// The process goes: what others show, too, is theirs to count. What nobody else shows stays with the slots.
    pub(super) fn leave_shared(&mut self, without_next: WithoutNext, stamp: Stamp, others: &mut [State]) {
        let shared: Vec<(MappingId, Shown)> = self.memory.mappings.shared().collect();
        for (mapping, Shown { is_address_space, object }) in shared {
            if let Some(object) = object {
                self.give_up(mapping, object, is_address_space, without_next, stamp, others);
            }
        }
    }
}
