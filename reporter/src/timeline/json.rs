//! `timeline --json`; docs/timeline.schema.json describes it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Point, Series};
use crate::formatting::json_columns::Sequence;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

#[derive(Serialize)]
struct Timeline<'a, H, R> {
    schema: &'static str,
    metadata: &'a Metadata,
    notes: &'a [String],
    from_s: f64,
    to_s: f64,
    peak: JsonPoint,
    heap: H,
    rss: R,
}

#[derive(Serialize)]
struct JsonPoint {
    at_s: f64,
    bytes: u64,
}

impl JsonPoint {
    const fn of(point: &Point) -> Self {
        Self { at_s: point.at_s, bytes: point.bytes }
    }
}

/// Writes the points as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let series = Series::of(report);
    let timeline = Timeline {
        schema: "memprof-timeline-1",
        metadata: report.metadata(),
        notes: report.notes(),
        from_s: series.from_s,
        to_s: series.to_s,
        peak: JsonPoint::of(&series.peak),
        heap: Sequence(series.heap.iter().map(JsonPoint::of)),
        rss: Sequence(series.rss.iter().map(JsonPoint::of)),
    };
    serde_json::to_writer_pretty(&mut *out, &timeline)?;
    writeln!(out)
}
