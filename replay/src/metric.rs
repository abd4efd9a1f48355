//! Which memory a report shows.

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
    /// What was allocated and given back at once.
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
            Self::Temporary => "given back at once",
        }
    }
}
