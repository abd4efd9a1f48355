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

const SCHEMA: &str = "memprof-leaks-1";

/// What a leak takes without its frames, and how far these are from the margin.
const LEAK_BYTES: u64 = 200;
const FRAME_INDENTATION: u64 = 8;

/// # memprof leaks --json
/// docs/metrics.md defines every figure. All stacks, largest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, L> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    total: Amount,
    /// What the suppressions took out of all other figures, by suppression.
    suppressed: &'a [SuppressedLeaks],
    leaks: L,
}

/// What was allocated with one stack and allocator, and not freed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Leak<'a, F> {
    bytes: u64,
    allocations: u64,
    allocator: &'static str,
    /// Not before this were they allocated; null where that is not known.
    #[cfg_attr(test, schemars(range(min = 0)))]
    allocated_from_s: Option<f64>,
    /// Nor after this.
    #[cfg_attr(test, schemars(range(min = 0)))]
    allocated_to_s: Option<f64>,
    /// Where tables list it.
    place: JsonFrame<'a>,
    /// The stack, innermost first, as the view shows it.
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
        head: JsonHead::new(SCHEMA, report, settings.view, Metric::Leaks),
        total: report.total(Metric::Leaks),
        suppressed: &settings.suppressed,
        leaks: Sequence(groups.iter().map(leak)),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Document<Vec<Leak<Vec<JsonFrame>>>>>(SCHEMA, &[("metric", Metric::Leaks.name())]);
    }
}
