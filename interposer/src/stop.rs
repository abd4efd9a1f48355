//! Why recording cannot go on.

use memprof_channel::early_stop::EarlyStop;

use crate::memory::OutOfMemory;

/// Why recording cannot go on in this process. A type of this crate's own, so that its errors turn into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(pub EarlyStop);

impl From<EarlyStop> for Stop {
    fn from(reason: EarlyStop) -> Self {
        Self(reason)
    }
}

impl From<OutOfMemory> for Stop {
    fn from(_: OutOfMemory) -> Self {
        Self(EarlyStop::OutOfMemory)
    }
}
