//! `leaks --json`; docs/leaks.schema.json describes it.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{LeakSettings, Leaks};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_frames::{JsonFrame, frames, pretty_bytes};
use crate::formatting::json_head::JsonHead;
use crate::guards::suppressions::SuppressedLeaks;
use crate::naming::allocator_name::allocator_name;
use crate::reading::report::Report;
use crate::sums::stacks::StackGroup;

/// What a leak takes without its frames, and how far these stand from the margin.
const LEAK_BYTES: u64 = 200;
const FRAME_INDENTATION: u64 = 8;

#[derive(Serialize)]
struct Document<'a, L> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    total: Amount,
    suppressed: &'a [SuppressedLeaks],
    leaks: L,
}

#[derive(Serialize)]
struct Leak<'a, F> {
    bytes: u64,
    allocations: u64,
    allocator: &'static str,
    allocated_from_s: Option<f64>,
    allocated_to_s: Option<f64>,
    place: JsonFrame<'a>,
    frames: F,
}

/// Writes all stacks as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(report: &Report, settings: &LeakSettings, out: &mut impl SizedWrite) -> io::Result<()> {
    let Leaks { paths, groups, ages } = Leaks::of(report, settings);
    let stack_bytes = paths.lengths(|place| pretty_bytes(&JsonFrame::new(report, place), FRAME_INDENTATION));
    let bytes = groups.iter().map(|group| stack_bytes(group.path).saturating_add(LEAK_BYTES));
    out.expect(ExpectedSize::About(bytes.fold(0, u64::saturating_add)))?;
    let leak = |group: &StackGroup| {
        let between = ages.get(group.path, group.allocator);
        Leak {
            bytes: group.amount.bytes,
            allocations: group.amount.allocations,
            allocator: allocator_name(group.allocator),
            allocated_from_s: between.map(|between| between.from_s),
            allocated_to_s: between.map(|between| between.to_s),
            place: JsonFrame::new(report, group.place),
            frames: frames(report, paths.places(group.path)),
        }
    };
    let document = Document {
        head: JsonHead::new("memprof-leaks-1", report, settings.view, Metric::Leaks),
        total: report.total(Metric::Leaks),
        suppressed: &settings.suppressed,
        leaks: Sequence(groups.iter().map(leak)),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
