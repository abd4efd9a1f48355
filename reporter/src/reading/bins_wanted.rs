//! Whether the run is cut into bins.

use memprof_capture::file::CaptureReader;

/// Whether a report has the run in bins, from which a page has the figures of any range of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinsWanted {
    /// No.
    #[default]
    Never,
    /// If it has few events: bins take a tenth of a microsecond for each.
    WhereCheap,
    /// Yes.
    Always,
}

impl BinsWanted {
    /// Of a run of at most this many events, bins are cheap.
    const FEW_EVENTS: u64 = 4_000_000;
    /// Some 40 MB while the run is replayed.
    const MOST_ROWS: usize = 5_000_000;

    /// Into how many rows at most to cut the run.
    pub(crate) fn rows(self, reader: &CaptureReader) -> Option<usize> {
        let events = || reader.event_chunks().iter().map(|chunk| u64::from(chunk.rows)).sum::<u64>();
        match self {
            Self::Never => None,
            Self::WhereCheap => (events() <= Self::FEW_EVENTS).then_some(Self::MOST_ROWS),
            Self::Always => Some(Self::MOST_ROWS),
        }
    }
}
