//! The live total and its peak.
//!
//! That of all processes together is a [`HighWatermark`]; each process has its [`OwnPeak`] besides.

use memprof_channel::ids::Stamp;

use crate::slots::Amount;

/// Follows the live total. Its peak is the last moment at which the total equals its maximum.
#[derive(Clone, Debug)]
pub struct HighWatermark {
    live: u64,
    peak: u64,
    peak_at: Stamp,
    /// How often a peak was reached: the number of the present one.
    epoch: u64,
}

impl HighWatermark {
    /// Nothing is live at the start, and that is the first peak.
    #[must_use]
    pub const fn new(start: Stamp) -> Self {
        Self { live: 0, peak: 0, peak_at: start, epoch: 1 }
    }

    /// Adds to the total. The caller says with [`Self::settle`] when the moment is complete.
    #[inline]
    pub const fn grow(&mut self, bytes: u64) {
        self.live = self.live.wrapping_add(bytes);
    }

    /// Takes from the total.
    #[inline]
    pub const fn shrink(&mut self, bytes: u64) {
        self.live = self.live.wrapping_sub(bytes);
    }

    /// Begins the search for the peak again at this moment.
    pub const fn begin_range(&mut self, from: Stamp) {
        (self.peak, self.peak_at) = (self.live, from);
        self.epoch += 1;
    }

    /// Ends a moment: if the total is at its maximum, this is the last peak so far.
    #[inline]
    pub const fn settle(&mut self, stamp: Stamp) {
        if self.live >= self.peak {
            self.peak = self.live;
            self.peak_at = stamp;
            self.epoch += 1;
        }
    }

    /// What is live now.
    #[inline]
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.live
    }

    /// The maximum so far.
    #[must_use]
    pub const fn peak(&self) -> u64 {
        self.peak
    }

    /// When it was last reached.
    #[must_use]
    pub const fn peak_at(&self) -> Stamp {
        self.peak_at
    }

    /// The number of the last peak.
    #[inline]
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Follows what is live in one process. Unlike the peak of all, it is a sum only, not divided among sites.
#[derive(Clone, Debug)]
pub struct OwnPeak {
    live: Amount,
    peak: Amount,
    at: Stamp,
}

impl OwnPeak {
    /// Nothing is live at the start of the run.
    #[must_use]
    pub fn new(start: Stamp) -> Self {
        Self { live: Amount::default(), peak: Amount::default(), at: start }
    }

    /// Of a process of which so much is known.
    #[must_use]
    pub const fn known(live: Amount, peak: Amount, at: Stamp) -> Self {
        Self { live, peak, at }
    }

    /// Adds an allocation.
    #[inline]
    pub const fn grow(&mut self, bytes: u64) {
        self.live.bytes = self.live.bytes.wrapping_add(bytes);
        self.live.allocations += 1;
    }

    /// Adds bytes to an allocation.
    pub const fn enlarge(&mut self, bytes: u64) {
        self.live.bytes = self.live.bytes.wrapping_add(bytes);
    }

    /// Takes bytes away, and with them an allocation if they were the last of it.
    #[inline]
    pub fn shrink(&mut self, bytes: u64, ended: bool) {
        self.live.bytes = self.live.bytes.wrapping_sub(bytes);
        self.live.allocations -= u64::from(ended);
    }

    /// Takes everything away.
    pub fn drop_live(&mut self) {
        self.live = Amount::default();
    }

    /// Begins the search for the peak again at this moment.
    pub const fn begin_range(&mut self, from: Stamp) {
        (self.peak, self.at) = (self.live, from);
    }

    /// Ends a moment: if as much is live as ever, this is the last peak so far.
    #[inline]
    pub const fn settle(&mut self, stamp: Stamp) {
        if self.live.bytes >= self.peak.bytes {
            self.peak = self.live;
            self.at = stamp;
        }
    }

    /// What was live at the peak.
    #[must_use]
    pub const fn amount(&self) -> Amount {
        self.peak
    }

    /// When it was last reached.
    #[must_use]
    pub const fn at(&self) -> Stamp {
        self.at
    }
}
