//! A process as the others see it: what its memory is while another one has its turn.

use memprof_capture::file::aggregate::Endings;

use super::ProcessMemory;
use crate::high_watermark::{HighWatermark, OwnPeak};
use crate::mapped_sites::MappedSites;
use crate::slots::{Amount, FinishedSlots, Slot};

/// The sums of a process whose events are through, or as far as they are.
#[derive(Clone)]
pub(crate) struct Closed {
    /// Their threads are numbers in the list of threads there.
    pub finished: FinishedSlots,
    pub endings: Endings,
    pub own: OwnPeak,
}

impl Closed {
    /// Of a process that goes on.
    pub fn so_far(memory: &ProcessMemory) -> Self {
        Self { finished: memory.slots.so_far(), endings: memory.endings, own: memory.own.clone() }
    }

    /// The peak of its own, if it was always alone.
    pub fn peak_alone(self, watermark: &HighWatermark, sites: &MappedSites) -> OwnPeak {
        let (mut live, mut peak) = (Amount::default(), Amount::default());
        let _ = self.finished.map(|slot, _| {
            if !sites.is_address_space(slot.site) {
                live.add(slot.live);
                peak.add(slot.at_peak(watermark.epoch()));
            }
        });
        OwnPeak::known(live, peak, watermark.peak_at())
    }
}

/// A process while another one has its turn.
pub(crate) enum State {
    /// It has made no event, or has its turn.
    Blank,
    Running(Box<ProcessMemory>),
    Ended(Closed),
}

impl State {
    pub fn slots(&self) -> &[Slot] {
        match self {
            Self::Blank => &[],
            Self::Running(memory) => memory.slots.as_slice(),
            Self::Ended(closed) => closed.finished.as_slice(),
        }
    }
}
