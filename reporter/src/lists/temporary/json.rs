//! `temporary --json`; docs/temporary.schema.json describes it.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{Temporary, TemporaryRow};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_frames::{JsonFrame, frames, pretty_bytes};
use crate::formatting::json_head::JsonHead;
use crate::naming::allocator_name::allocator_name;
use crate::sums::stacks::StackGroup;

const SCHEMA: &str = "memprof-temporary-1";

/// What a stack takes without its frames, and how far these are from the margin.
const STACK_BYTES: u64 = 150;
const FRAME_INDENTATION: u64 = 12;

/// # memprof temporary --json
/// docs/metrics.md defines every figure. All places with temporary allocations, in the order of --sort.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, P> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What the places are sorted by: --sort.
    #[cfg_attr(test, schemars(extend("enum" = super::SortBy::ALL.map(super::SortBy::name))))]
    sort: &'static str,
    /// How many further allocations of its thread a temporary block may outlive: --threshold.
    threshold: u64,
    total: Amount,
    places: P,
}

/// A place with temporary allocations, and all that it allocated.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Place<'a, S> {
    #[serde(flatten)]
    place: JsonFrame<'a>,
    temporary: Amount,
    total: Amount,
    /// Those with temporary allocations.
    stacks: S,
}

/// Temporary allocations with one stack and allocator.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Stack<F> {
    #[serde(flatten)]
    amount: Amount,
    allocator: &'static str,
    /// The stack, innermost first, as the view shows it.
    frames: F,
}

impl<'a> Temporary<'a> {
    /// How much all rows take with their stacks.
    pub(super) fn expected_json(&self) -> ExpectedSize {
        let pretty = |place| pretty_bytes(&JsonFrame::new(self.report, place), FRAME_INDENTATION);
        let stack_bytes = self.paths.lengths(pretty);
        let stacks = self.rows.iter().flat_map(|row| &row.stacks);
        let bytes = stacks.map(|group| stack_bytes(group.path).saturating_add(STACK_BYTES));
        ExpectedSize::About(bytes.fold(0, u64::saturating_add))
    }

    /// The stacks of a row.
    pub(super) fn json_stacks<'s>(&'s self, row: &TemporaryRow) -> Vec<Stack<impl Serialize + use<'s, 'a>>> {
        let stack = |group: &StackGroup| Stack {
            amount: group.amount,
            allocator: allocator_name(group.allocator),
            frames: frames(self.report, self.paths.places(group.path)),
        };
        row.stacks.iter().map(stack).collect()
    }
}

/// Writes all places as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(temporary: &Temporary<'_>, out: &mut impl SizedWrite) -> io::Result<()> {
    let Temporary { report, settings, .. } = *temporary;
    out.expect(temporary.expected_json())?;
    let place = |row: &TemporaryRow| Place {
        place: JsonFrame::new(report, row.row.key.place),
        temporary: row.row.amount,
        total: row.total,
        stacks: temporary.json_stacks(row),
    };
    let document = Document {
        head: JsonHead::new(SCHEMA, report, settings.view, Metric::Temporary),
        sort: settings.sort.name(),
        threshold: report.temporary_threshold(),
        total: report.total(Metric::Temporary),
        places: Sequence(temporary.rows.iter().map(place)),
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
        assert_type_in_docs::<Document<Vec<Place<Vec<Stack<Vec<JsonFrame>>>>>>>(
            SCHEMA,
            &[("metric", Metric::Temporary.name())],
        );
    }
}
