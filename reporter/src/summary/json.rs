//! `summary --json`; docs/summary.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{FunctionRow, SortBy, rows};
use crate::amounts::Amounts;
use crate::json_columns::Sequence;
use crate::json_head::JsonHead;
use crate::report::Report;
use crate::view::View;

#[derive(Serialize)]
struct Summary<'a, F> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    sort: &'static str,
    total: Amount,
    functions: F,
}

#[derive(Serialize)]
struct Function<'a> {
    function: &'a str,
    file: &'a str,
    kind: &'static str,
    own: Amounts,
    with_callees: Amounts,
}

/// Writes all functions as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, view: View, metric: Metric, sort: SortBy, out: &mut impl Write) -> io::Result<()> {
    let rows = rows(report, view, metric, sort);
    let function = |row: &FunctionRow| Function {
        function: report.places.function(row.place),
        file: report.places.file(row.place),
        kind: report.places.get(row.place).kind.name(),
        own: row.own,
        with_callees: row.with_callees,
    };
    let summary = Summary {
        head: JsonHead::new("memprof-summary-1", report, view, metric),
        sort: sort.name(),
        total: report.total(metric),
        functions: Sequence(rows.iter().map(function)),
    };
    serde_json::to_writer_pretty(&mut *out, &summary)?;
    writeln!(out)
}
