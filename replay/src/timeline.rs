//! How the live total went over the run, in at most [`MOST_BINS`] points.

use memprof_capture::ids::Stamp;

/// The finest resolution of a timeline.
pub const MOST_BINS: u64 = 2000;

/// The largest live total within a stretch of time, and when it was last reached there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePoint {
    /// When.
    pub at: Stamp,
    /// The live total.
    pub bytes: u64,
}

/// Gathers the points while the events go by in order.
pub struct TimelineBuilder {
    width: u64,
    /// Where the bin that is being filled ends.
    bin_end: u64,
    /// The largest total in it.
    largest: TimelinePoint,
    /// The total after the last event.
    live: u64,
    points: Vec<TimelinePoint>,
}

impl TimelineBuilder {
    /// For a run from `start` to `end`.
    #[must_use]
    pub const fn new(start: Stamp, end: Stamp) -> Self {
        let width = end.0.saturating_sub(start.0) / MOST_BINS + 1;
        Self {
            width,
            bin_end: start.0.saturating_add(width),
            largest: TimelinePoint { at: start, bytes: 0 },
            live: 0,
            points: Vec::new(),
        }
    }

    /// The live total is `live` from `stamp` on.
    #[inline]
    pub fn record(&mut self, stamp: Stamp, live: u64) {
        if stamp.0 >= self.bin_end {
            self.advance(stamp);
        }
        if live >= self.largest.bytes {
            self.largest = TimelinePoint { at: stamp, bytes: live };
        }
        self.live = live;
    }

    #[cold]
    fn advance(&mut self, stamp: Stamp) {
        self.points.push(self.largest);
        let bins = (stamp.0 - self.bin_end) / self.width;
        // The last total lasts until this event: through empty bins, and into the one that begins now.
        if bins > 0 {
            let before = self.bin_end.saturating_add(bins.saturating_mul(self.width)) - 1;
            self.points.push(TimelinePoint { at: Stamp(self.bin_end), bytes: self.live });
            if bins > 1 {
                self.points.push(TimelinePoint { at: Stamp(before), bytes: self.live });
            }
        }
        self.bin_end = self.bin_end.saturating_add((bins + 1).saturating_mul(self.width));
        self.largest = TimelinePoint { at: Stamp(self.bin_end.saturating_sub(self.width)), bytes: self.live };
    }

    /// The points, in order. The last one is the total at `end`.
    #[must_use]
    pub fn finish(mut self, end: Stamp) -> Vec<TimelinePoint> {
        self.points.push(self.largest);
        if end > self.largest.at {
            self.points.push(TimelinePoint { at: end, bytes: self.live });
        }
        // They are in order, unless a damaged capture has programs follow each other that ran side by side.
        self.points.sort_by_key(|point| point.at);
        self.points
    }
}

/// At most `most` of the points: the largest of each of so many equal runs.
#[must_use]
pub fn thin_out(points: Vec<TimelinePoint>, most: usize) -> Vec<TimelinePoint> {
    if points.len() <= most {
        return points;
    }
    let run = points.len().div_ceil(most.max(1));
    points.chunks(run).filter_map(|run| run.iter().max_by_key(|point| point.bytes)).copied().collect()
}
