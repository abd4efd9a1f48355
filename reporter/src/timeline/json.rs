//! `timeline --json`; docs/timeline.schema.json describes it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Point, Series};
use crate::formatting::json_columns::Sequence;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

const SCHEMA: &str = "memprof-timeline-1";

/// # memprof timeline --json
/// docs/metrics.md defines every figure. Times are seconds since the start of the run.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Timeline<'a, H, R> {
    schema: &'static str,
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, a sentence each.
    notes: &'a [String],
    #[cfg_attr(test, schemars(range(min = 0)))]
    from_s: f64,
    #[cfg_attr(test, schemars(range(min = 0)))]
    to_s: f64,
    peak: JsonPoint,
    /// The live total: the largest of each of at most some 2000 stretches of time, when it was reached.
    heap: H,
    /// The resident sets of all processes together; empty where they were not measured.
    rss: R,
}

/// A moment and what there was.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Point"))]
struct JsonPoint {
    #[cfg_attr(test, schemars(range(min = 0)))]
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
        schema: SCHEMA,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Timeline<Vec<JsonPoint>, Vec<JsonPoint>>>(SCHEMA, &[]);
    }
}
