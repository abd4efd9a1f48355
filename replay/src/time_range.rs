//! Ranges of time, and a sink that cuts a replay to one.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_channel::ids::Stamp;

use crate::aggregate::Aggregator;
use crate::event_sink::{EventSink, Strand};
use crate::processes::ProcessId;

/// A range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Its first moment.
    pub from: Stamp,
    /// Its last one; not before the first.
    pub to: Stamp,
}

/// Lets an aggregator count from the first event of a range on, and stops at the last one.
pub(crate) struct RangeSink {
    aggregator: Aggregator,
    range: TimeRange,
    has_begun: bool,
    /// Processes with an event after the range: what follows it is not wanted either, whatever its stamp.
    through: Vec<bool>,
}

impl RangeSink {
    /// For this many processes.
    pub fn new(aggregator: Aggregator, range: TimeRange, processes: usize) -> Self {
        Self { aggregator, range, has_begun: false, through: vec![false; processes] }
    }

    /// What was counted. Nothing, if all was over before the range began.
    pub fn finish(mut self) -> Aggregator {
        self.begin();
        self.aggregator
    }

    fn begin(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            self.aggregator.begin_range(self.range.from);
        }
    }

    /// Whether an event of this stamp is in the range or before it; the range begins with the first that is in it.
    fn admits(&mut self, process: ProcessId, stamp: Stamp) -> bool {
        let through = &mut self.through[process.index()];
        *through |= stamp > self.range.to;
        if *through {
            return false;
        }
        if stamp >= self.range.from {
            self.begin();
        }
        true
    }
}

impl EventSink for RangeSink {
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]) {
        let mut rest = events;
        if !self.has_begun {
            let before = rest.iter().position(|event| event.stamp >= self.range.from).unwrap_or(rest.len());
            self.aggregator.events(strand, &rest[..before]);
            rest = &rest[before..];
        }
        let Some(first) = rest.first() else { return };
        if !self.admits(strand.process, first.stamp) {
            return;
        }
        let within = rest.iter().position(|event| event.stamp > self.range.to).unwrap_or(rest.len());
        self.aggregator.events(strand, &rest[..within]);
        self.through[strand.process.index()] = within < rest.len();
    }

    fn start_image(&mut self, process: ProcessId, stamp: Stamp) {
        if self.admits(process, stamp) {
            self.aggregator.start_image(process, stamp);
        }
    }

    fn end_process(&mut self, process: ProcessId, stamp: Stamp) {
        if self.admits(process, stamp) {
            self.aggregator.end_process(process, stamp);
        }
    }
}
