//! What is summed up, and sums of all that.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// Some memory: how much, in how many allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// Requested bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
}

impl Amount {
    /// Adds another amount.
    #[inline]
    pub const fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.allocations = self.allocations.saturating_add(other.allocations);
    }

    /// Whether it is nothing at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.bytes == 0 && self.allocations == 0
    }
}

/// The questions that every report can answer. docs/metrics.md defines them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// What was live at the peak.
    #[default]
    Peak,
    /// What was live at the end.
    Leaks,
    /// Everything that was ever allocated.
    Total,
    /// What was allocated and freed at once.
    Temporary,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Peak, Self::Leaks, Self::Total, Self::Temporary];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peak => "peak",
            Self::Leaks => "leaked",
            Self::Total => "total",
            Self::Temporary => "temporary",
        }
    }

    /// What it means, for a heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Peak => "live at the peak",
            Self::Leaks => "not freed at the end",
            Self::Total => "allocated in total",
            Self::Temporary => "freed at once",
        }
    }
}

/// A value for each metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PerMetric"))]
pub struct PerMetric<T> {
    /// Of what was live at the peak.
    pub peak: T,
    /// Of what was live at the end.
    pub leaked: T,
    /// Of everything that was ever allocated.
    pub total: T,
    /// Of what was freed at once.
    pub temporary: T,
}

/// Bytes and allocations by each metric.
pub type Sums = PerMetric<Amount>;

impl<T> PerMetric<T> {
    /// What a function says of each metric.
    pub fn by(mut of: impl FnMut(Metric) -> T) -> Self {
        Self {
            peak: of(Metric::Peak),
            leaked: of(Metric::Leaks),
            total: of(Metric::Total),
            temporary: of(Metric::Temporary),
        }
    }
}

impl<T> Index<Metric> for PerMetric<T> {
    type Output = T;

    fn index(&self, metric: Metric) -> &T {
        match metric {
            Metric::Peak => &self.peak,
            Metric::Leaks => &self.leaked,
            Metric::Total => &self.total,
            Metric::Temporary => &self.temporary,
        }
    }
}

impl<T> IndexMut<Metric> for PerMetric<T> {
    fn index_mut(&mut self, metric: Metric) -> &mut T {
        match metric {
            Metric::Peak => &mut self.peak,
            Metric::Leaks => &mut self.leaked,
            Metric::Total => &mut self.total,
            Metric::Temporary => &mut self.temporary,
        }
    }
}

impl Sums {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for metric in Metric::ALL {
            self[metric].add(other[metric]);
        }
    }

    /// Whether there was nothing at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.peak.is_zero() && self.leaked.is_zero() && self.total.is_zero() && self.temporary.is_zero()
    }
}
