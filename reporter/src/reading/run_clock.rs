//! From stamps to seconds since the start of the run.

use memprof_capture::file::CaptureReader;
use memprof_capture::file::facts::ClockPoint;
use memprof_channel::clock::ClockKind;
use memprof_channel::ids::Stamp;

/// Nanoseconds in a unit of a cycle counter whose rate the capture does not have: that of 2.5 GHz, in the middle of
/// what today's processors have.
const FALLBACK_CYCLE_NS: f64 = 0.4;

/// Converts the stamps of one recording.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Stamp,
    nanoseconds_per_unit: f64,
    calibrated: bool,
}

impl RunClock {
    /// Calibrated by the first and the last moment that are known on both clocks.
    #[must_use]
    pub fn of(reader: &CaptureReader) -> Self {
        let header = reader.header();
        let samples = reader.rss().iter().map(|sample| sample.at);
        let last = samples.chain(reader.summary().map(|summary| summary.end)).max_by_key(|point| point.stamp);
        Self::between(header.clock, header.start, last)
    }

    fn between(kind: ClockKind, start: ClockPoint, last: Option<ClockPoint>) -> Self {
        // The nanoseconds of the monotonic clock need no calibration; a second point could only add its error.
        let known = match kind {
            ClockKind::Monotonic => Some((1_u32 << kind.shift()).into()),
            ClockKind::CycleCounter => last.and_then(|last| {
                let units = last.stamp.0.checked_sub(start.stamp.0).filter(|&units| units > 0)?;
                let nanoseconds = last.monotonic_ns.checked_sub(start.monotonic_ns).filter(|&passed| passed > 0)?;
                Some(nanoseconds as f64 / units as f64)
            }),
        };
        Self {
            start: start.stamp,
            nanoseconds_per_unit: known.unwrap_or(f64::from(1_u32 << kind.shift()) * FALLBACK_CYCLE_NS),
            calibrated: known.is_some(),
        }
    }

    /// Seconds from the start of the run to `stamp`, to the nanosecond.
    #[must_use]
    pub fn seconds(&self, stamp: Stamp) -> f64 {
        let nanoseconds = stamp.0.saturating_sub(self.start.0) as f64 * self.nanoseconds_per_unit;
        nanoseconds.round() / 1e9
    }

    /// The moment this many seconds after the start, as far as stamps reach.
    #[must_use]
    pub fn stamp(&self, seconds: f64) -> Stamp {
        // A float that is out of range becomes the nearest integer.
        Stamp(self.start.0.saturating_add((seconds * 1e9 / self.nanoseconds_per_unit).round() as u64))
    }

    /// Whether the capture has the rate of its clock. If not, seconds are estimates.
    #[must_use]
    pub const fn is_calibrated(&self) -> bool {
        self.calibrated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ClockPoint = ClockPoint { stamp: Stamp(1000), monotonic_ns: 50 };

    #[test]
    fn a_cycle_counter_is_calibrated_by_two_points() {
        let last = ClockPoint { stamp: Stamp(3000), monotonic_ns: 1_000_000_050 };
        let clock = RunClock::between(ClockKind::CycleCounter, START, Some(last));
        assert!(clock.is_calibrated());
        assert!((clock.seconds(Stamp(2000)) - 0.5).abs() < 1e-12);
        assert!(clock.seconds(Stamp(0)).abs() < 1e-12, "a stamp before the start is the start");
    }

    #[test]
    fn a_cycle_counter_with_one_point_is_taken_for_one_of_2500_mhz() {
        let clock = RunClock::between(ClockKind::CycleCounter, START, Some(START));
        assert!(!clock.is_calibrated());
        assert!((clock.seconds(Stamp(1000 + 2_500_000_000 / 32)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_monotonic_clock_needs_no_second_point() {
        let clock = RunClock::between(ClockKind::Monotonic, START, None);
        assert!(clock.is_calibrated());
        assert!((clock.seconds(Stamp(1000 + 125_000_000)) - 1.0).abs() < 1e-12);
    }
}
