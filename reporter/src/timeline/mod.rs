//! The report `timeline`: what was live, and the resident set, over the run.

mod axis;
mod json;
mod svg;
mod text;

use memprof_replay::timeline::TimelinePoint;

pub use json::write_json;
pub use svg::write_svg;
pub use text::write_text;

use crate::reading::report::Report;

/// How many rows the chart has as text, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 15;

/// A size at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    /// Seconds since the start of the run.
    at_s: f64,
    bytes: u64,
}

/// What the charts show.
struct Series {
    /// The stretch of time, in seconds since the start of the run.
    from_s: f64,
    to_s: f64,
    /// The live total. Never empty.
    heap: Vec<Point>,
    /// The resident set; empty where it was never measured.
    rss: Vec<Point>,
    /// The highest live total, when it was last reached by a change.
    peak: Point,
}

impl Series {
    fn of(report: &Report) -> Self {
        let point = |point: &TimelinePoint| Point { at_s: report.clock().seconds(point.at), bytes: point.bytes };
        let mut heap: Vec<Point> = report.aggregate().run.timeline.iter().map(point).collect();
        if heap.is_empty() {
            heap.push(Point { at_s: 0.0, bytes: 0 });
        }
        let (from_s, to_s) = (heap[0].at_s, heap[heap.len() - 1].at_s);
        let rss = report.rss().iter().map(point).filter(|point| (from_s..=to_s).contains(&point.at_s)).collect();
        // Points repeat a level that lasted, so that they do not say when it was reached.
        let at_s = report.clock().seconds(report.aggregate().run.peak_at).clamp(from_s, to_s);
        let peak = Point { at_s, bytes: heap.iter().map(|point| point.bytes).max().unwrap_or(0) };
        Self { from_s, to_s, heap, rss, peak }
    }

    /// The largest size of all.
    fn largest(&self) -> u64 {
        self.heap.iter().chain(&self.rss).map(|point| point.bytes).max().unwrap_or(0)
    }

    /// How long the stretch of time is; never nothing.
    fn span_s(&self) -> f64 {
        (self.to_s - self.from_s).max(1e-9)
    }
}

/// For each of `count` equal stretches of time the largest of the points in it, or else the last before.
fn columns(points: &[Point], series: &Series, count: usize) -> Vec<Option<u64>> {
    let mut columns: Vec<Option<u64>> = vec![None; count];
    for point in points {
        let at = (point.at_s - series.from_s) / series.span_s() * count as f64;
        let column = &mut columns[(at as usize).min(count - 1)];
        *column = (*column).max(Some(point.bytes));
    }
    // The largest of a stretch is not what the next one begins with: that is its last point.
    let mut points = points.iter().peekable();
    let mut last = None;
    for (index, column) in columns.iter_mut().enumerate() {
        let end = series.from_s + series.span_s() * (index + 1) as f64 / count as f64;
        if column.is_none() {
            *column = last;
        }
        while let Some(point) = points.next_if(|point| point.at_s < end) {
            last = Some(point.bytes);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_peaks_and_carry_the_last_value() {
        let point = |at_s, bytes| Point { at_s, bytes };
        let heap = vec![point(0.0, 1), point(2.1, 9), point(2.5, 4), point(7.9, 2), point(8.0, 3)];
        let series = Series { from_s: 0.0, to_s: 8.0, peak: heap[1], heap, rss: Vec::new() };
        let some = [1, 1, 9, 4, 4, 4, 4, 3].map(Some);
        assert_eq!(columns(&series.heap, &series, 8), some);
        assert_eq!(columns(&[point(4.0, 7)], &series, 4), [None, None, Some(7), Some(7)]);
    }
}
