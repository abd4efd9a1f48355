//! The figures of a run that limits are set on.

use memprof_replay::metric::Metric;
use serde::Serialize;

use crate::formatting::quantities::{Bytes, Count, InvalidQuantity};
use crate::formatting::size_units::{count, size};

/// A figure of a run, or of a part of it. docs/metrics.md defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Bytes that were live at the peak.
    Peak,
    /// Bytes that were live at the end and are not suppressed.
    Leaked,
    /// Bytes that were ever allocated.
    Total,
    /// Bytes that were freed at once.
    Temporary,
    /// How often memory was allocated.
    Allocations,
    /// The largest resident set, in bytes.
    Rss,
}

impl Figure {
    /// All of them, as reports list them.
    pub const ALL: [Self; 6] = [Self::Peak, Self::Leaked, Self::Total, Self::Temporary, Self::Allocations, Self::Rss];

    /// The name: that of the limit without `max-`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peak => "peak",
            Self::Leaked => "leaked",
            Self::Total => "total",
            Self::Temporary => "temporary",
            Self::Allocations => "allocations",
            Self::Rss => "rss",
        }
    }

    /// The unit in data for other programs.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            _ => "bytes",
        }
    }

    /// What it means, after a value: `12.3 MiB live at the peak`, `12,345 allocations`.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Peak => Metric::Peak.heading(),
            Self::Leaked => Metric::Leaks.heading(),
            Self::Total => Metric::Total.heading(),
            Self::Temporary => Metric::Temporary.heading(),
            Self::Allocations => "allocations",
            Self::Rss => "resident",
        }
    }

    /// A value as people read it.
    #[must_use]
    pub fn text(self, value: u64) -> String {
        match self {
            Self::Allocations => count(value),
            _ => size(value),
        }
    }

    /// The metric that says where it comes from: for the resident set what the heap had at its peak.
    #[must_use]
    pub const fn metric(self) -> Metric {
        match self {
            Self::Peak | Self::Rss => Metric::Peak,
            Self::Leaked => Metric::Leaks,
            Self::Total | Self::Allocations => Metric::Total,
            Self::Temporary => Metric::Temporary,
        }
    }

    /// A value as it is written in limits.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(self, text: &str) -> Result<u64, InvalidQuantity> {
        match self {
            Self::Allocations => text.parse().map(|Count(count)| count),
            _ => text.parse().map(|Bytes(bytes)| bytes),
        }
    }
}
