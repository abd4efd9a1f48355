//! How the live total went over the run, in at most [`MOST_BINS`] stretches.

pub use memprof_capture::file::aggregate::TimelinePoint;
use memprof_channel::ids::Stamp;

/// The finest resolution of a timeline.
pub const MOST_BINS: u64 = 2000;

/// Gathers the points while the events go by in order. How long the run will be need not be known: when there are too
/// many stretches, each two become one. So the outcome is the same as if it had been known.
#[derive(Clone, Debug)]
pub struct TimelineBuilder {
    start: Stamp,
    /// How long a stretch is: a power of two.
    width: u64,
    /// Where the stretch that is being filled ends.
    bin_end: u64,
    /// That stretch.
    present: Bin,
    /// The total after the last event.
    live: u64,
    /// Those before it, from the start on.
    bins: Vec<Bin>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bin {
    largest: TimelinePoint,
    /// Whether that is the total with which it began, reached before.
    carried: bool,
}

impl Bin {
    const fn carrying(bytes: u64, at: u64) -> Self {
        Self { largest: TimelinePoint { at: Stamp(at), bytes }, carried: true }
    }

    /// This stretch and the one after it.
    const fn with(self, next: Self) -> Self {
        if next.carried || next.largest.bytes < self.largest.bytes { self } else { next }
    }
}

impl TimelineBuilder {
    /// For a run from `start` on.
    #[must_use]
    pub const fn new(start: Stamp) -> Self {
        let present = Bin { largest: TimelinePoint { at: start, bytes: 0 }, carried: true };
        Self { start, width: 1, bin_end: start.0.saturating_add(1), present, live: 0, bins: Vec::new() }
    }

    /// The live total is `live` from `stamp` on.
    #[inline]
    pub fn record(&mut self, stamp: Stamp, live: u64) {
        if stamp.0 >= self.bin_end {
            self.advance(stamp);
        }
        if live >= self.present.largest.bytes {
            self.present = Bin { largest: TimelinePoint { at: stamp, bytes: live }, carried: false };
        }
        self.live = live;
    }

    /// Goes on to the stretch in which `stamp` lies.
    #[cold]
    fn advance(&mut self, stamp: Stamp) {
        let passed = stamp.0.saturating_sub(self.start.0);
        while passed / self.width >= MOST_BINS {
            self.widen();
        }
        while stamp.0 >= self.bin_end && self.bin_end < u64::MAX {
            self.bins.push(self.present);
            // The last total lasts until the next event.
            self.present = Bin::carrying(self.live, self.bin_end);
            self.bin_end = self.bin_end.saturating_add(self.width);
        }
    }

    /// Makes stretches twice as long.
    fn widen(&mut self) {
        let is_second_half = self.bins.len() % 2 == 1;
        if is_second_half && let Some(first) = self.bins.pop() {
            self.present = first.with(self.present);
        }
        self.bins = self.bins.chunks_exact(2).map(|pair| pair[0].with(pair[1])).collect();
        self.width *= 2;
        self.bin_end = self.start.0.saturating_add((self.bins.len() as u64 + 1).saturating_mul(self.width));
    }

    /// The stretches up to `end`, and how long they are. The last one goes on after the last event.
    fn stretches(&self, end: Stamp) -> (Vec<Bin>, u64) {
        let mut whole = self.clone();
        while end.0.saturating_sub(self.start.0) / whole.width >= MOST_BINS {
            whole.widen();
        }
        whole.bins.push(whole.present);
        (whole.bins, whole.width)
    }

    /// The points up to `end`, in order. The last one is the total then.
    #[must_use]
    pub fn points(&self, end: Stamp) -> Vec<TimelinePoint> {
        let (mut bins, width) = self.stretches(end);
        let present = bins.pop();
        let mut points = Vec::new();
        // A total that lasts is there where it begins and where it ends.
        let lasts = |one: &Bin, next: &Bin| one.carried && next.carried && one.largest.bytes == next.largest.bytes;
        for lasting in bins.chunk_by(lasts) {
            points.push(lasting[0].largest);
            if let [_, .., last] = lasting {
                let at = Stamp(last.largest.at.0.saturating_add(width - 1));
                points.push(TimelinePoint { at, bytes: last.largest.bytes });
            }
        }
        points.extend(present.map(|present| present.largest));
        // Of several totals at the very end, the last stretch has the largest.
        let rest = points.last().filter(|last| end > last.at || last.bytes != self.live);
        if let Some(at) = rest.map(|last| last.at.max(end)) {
            points.push(TimelinePoint { at, bytes: self.live });
        }
        // They are in order, unless a damaged capture has programs follow each other that ran side by side.
        points.sort_by_key(|point| point.at);
        points
    }
}

/// At most `most` of the points: the largest of each of that many equal runs.
#[must_use]
pub fn thin_out(points: Vec<TimelinePoint>, most: usize) -> Vec<TimelinePoint> {
    if points.len() <= most {
        return points;
    }
    let run = points.len().div_ceil(most.max(1));
    points.chunks(run).filter_map(|run| run.iter().max_by_key(|point| point.bytes)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The stretches, straight from the events.
    fn model(start: u64, end: u64, events: &[(u64, u64)]) -> (Vec<Bin>, u64) {
        let last = events.last().map_or(start, |event| event.0);
        let mut width = 1;
        while (last.max(end) - start) / width >= MOST_BINS {
            width *= 2;
        }
        let mut live = 0;
        let bins = (0..=(last - start) / width).map(|number| {
            let mut bin = Bin::carrying(live, start + number * width);
            for &(at, bytes) in events.iter().filter(|(at, _)| (at - start) / width == number) {
                live = bytes;
                if bytes >= bin.largest.bytes {
                    bin = Bin { largest: TimelinePoint { at: Stamp(at), bytes }, carried: false };
                }
            }
            bin
        });
        (bins.collect(), width)
    }

    proptest! {
        #[test]
        fn stretches_that_grow_are_as_if_they_had_been_as_long_from_the_start(
            gaps in prop::collection::vec((prop_oneof![0..3_u64, 0..5000_u64, 0..300_000_u64], 0..50_u64), 0..100),
            rest in prop_oneof![0..3_u64, 0..5_000_000_u64],
        ) {
            const START: u64 = 777;
            let (mut now, mut builder) = (START, TimelineBuilder::new(Stamp(START)));
            let mut events = Vec::new();
            for (gap, live) in gaps {
                now += gap;
                events.push((now, live));
                builder.record(Stamp(now), live);
            }
            let end = now + rest;
            prop_assert_eq!(builder.stretches(Stamp(end)), model(START, end, &events));
            let points = builder.points(Stamp(end));
            prop_assert!(points.is_sorted_by_key(|point| point.at));
            prop_assert!(points.len() as u64 <= MOST_BINS + 2);
            let most = events.iter().map(|event| event.1).max().unwrap_or(0);
            prop_assert_eq!(points.iter().map(|point| point.bytes).max(), Some(most));
            let last = events.last().map_or(0, |event| event.1);
            prop_assert_eq!(points.last().map(|point| point.bytes), Some(last), "the total at the end");
        }
    }
}
