//! `temporary --by --json`; docs/temporary-by.schema.json describes it.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{Temporary, TemporaryRow};
use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_head::JsonHead;

const SCHEMA: &str = "memprof-temporary-by-1";

/// # memprof temporary --by --json
/// docs/metrics.md defines every figure. A row for all that --by asks for together and that has temporary allocations,
/// in the order of --sort.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What the rows are for: --by. Rows have the fields of these only.
    #[cfg_attr(test, schemars(extend("items" = crate::lists::by::names_schema())))]
    by: Vec<&'static str>,
    /// What the rows are sorted by: --sort.
    #[cfg_attr(test, schemars(extend("enum" = super::SortBy::ALL.map(super::SortBy::name))))]
    sort: &'static str,
    /// How many further allocations of its thread a temporary block may outlive: --threshold.
    threshold: u64,
    /// The sum of all rows.
    total: Amount,
    rows: R,
}

/// What has temporary allocations, and all that it allocated.
#[derive(Serialize)]
struct JsonRow<N, S> {
    /// What distinguishes it.
    #[serde(flatten)]
    names: N,
    temporary: Amount,
    total: Amount,
    /// Those with temporary allocations; nothing where the row is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    stacks: Option<S>,
}

/// Writes all rows as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(temporary: &Temporary<'_>, out: &mut impl SizedWrite) -> io::Result<()> {
    let Temporary { report, settings, .. } = *temporary;
    out.expect(temporary.expected_json())?;
    let list = temporary.names();
    let names = list.field_names();
    let row = |row: &TemporaryRow| JsonRow {
        names: list.json_row(&names, row),
        temporary: row.row.amount,
        total: row.total,
        stacks: (!temporary.is_by_stack()).then(|| temporary.json_stacks(row)),
    };
    let document = Document {
        head: JsonHead::new(SCHEMA, report, settings.view, Metric::Temporary),
        by: temporary.rows_by.by.names().collect(),
        sort: settings.sort.name(),
        threshold: report.temporary_threshold(),
        total: report.total(Metric::Temporary),
        rows: Sequence(temporary.rows.iter().map(row)),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::json::Stack;
    use super::super::{SortBy, TemporarySettings};
    use super::*;
    use crate::formatting::json_frames::JsonFrame;
    use crate::formatting::json_schema::assert_in_docs;
    use crate::lists::by::By;
    use crate::lists::list::{RowSchema, report_on_nothing};
    use crate::naming::view::View;
    use crate::sums::stacks::Stacks;
    use serde_json::Value;

    #[test]
    fn the_schema_is_in_docs() {
        let report = report_on_nothing();
        let stacks = Stacks::of(&report, View::default());
        let mut rows = RowSchema::new();
        for by in By::all() {
            let settings = TemporarySettings { view: View::default(), by: Some(by), sort: SortBy::Allocations };
            rows.add(&Temporary::of(&report, &stacks, settings).names());
        }
        rows.require::<Amount>("temporary", "The temporary allocations.");
        rows.require::<Amount>("total", "All of its allocations.");
        rows.allow::<Vec<Stack<Vec<JsonFrame>>>>("stacks", "Not by stack: those with temporary allocations.");
        assert_in_docs(rows.document::<Document<Value>>(), SCHEMA, &[("metric", Metric::Temporary.name())]);
    }
}
