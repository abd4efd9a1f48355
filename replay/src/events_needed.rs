//! Why an aggregated capture does not answer a question.

use std::fmt;
use std::io;

/// Why an aggregated capture does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsNeeded {
    /// A range of time was asked for.
    Range,
    /// Some of several processes were asked for: their common peak is another one than that of all.
    SomeProcesses,
    /// Other temporary allocations were asked for than those that outlive one further allocation.
    TemporaryThreshold,
    /// The events themselves were asked for.
    OneByOne,
}

impl fmt::Display for EventsNeeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("it is aggregated: it has the sums of its run, and no events, which ")?;
        out.write_str(match self {
            Self::Range => "a range of time needs",
            Self::SomeProcesses => "a report on some of its processes needs",
            Self::TemporaryThreshold => "another threshold for temporary allocations needs",
            Self::OneByOne => "this needs",
        })?;
        out.write_str("; record without --aggregate, or give the capture that it was made of")
    }
}

impl std::error::Error for EventsNeeded {}

impl From<EventsNeeded> for io::Error {
    fn from(need: EventsNeeded) -> Self {
        Self::new(io::ErrorKind::Unsupported, need)
    }
}
