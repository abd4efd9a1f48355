//! The four sums of one thing: at the peak, at the end, in all, and given back at once.

use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

/// How much memory there was, by metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Live at the peak.
    pub peak: Amount,
    /// Live at the end.
    pub leaked: Amount,
    /// Ever allocated.
    pub total: Amount,
    /// Given back at once.
    pub temporary: Amount,
}

impl Amounts {
    /// What one thread of a process did at one site.
    #[must_use]
    pub const fn of(slot: &SlotSummary) -> Self {
        Self { peak: slot.peak, leaked: slot.leaked, total: slot.total, temporary: slot.temporary }
    }

    /// The sum that a metric asks for.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Amount {
        match metric {
            Metric::Peak => self.peak,
            Metric::Leaks => self.leaked,
            Metric::Total => self.total,
            Metric::Temporary => self.temporary,
        }
    }

    /// Adds others.
    pub const fn add(&mut self, other: &Self) {
        self.peak.add(other.peak);
        self.leaked.add(other.leaked);
        self.total.add(other.total);
        self.temporary.add(other.temporary);
    }

    /// Whether there was nothing at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.peak.is_zero() && self.leaked.is_zero() && self.total.is_zero() && self.temporary.is_zero()
    }
}
