//! `table --json`; docs/table.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::LOST_ALLOCATOR;
use crate::json_columns::Sequence;
use crate::json_head::JsonHead;
use crate::report::Report;
use crate::rows::Row;
use crate::view::View;

#[derive(Serialize)]
struct Table<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    total: Amount,
    rows: R,
}

#[derive(Serialize)]
struct TableRow<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
    kind: &'static str,
    allocator: &'a str,
    bytes: u64,
    allocations: u64,
    thread: String,
    process: u32,
}

/// Writes all rows as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let rows = report.rows(&report.row_places(view), metric);
    let threads = report.thread_labels();
    let row = |row: &Row| TableRow {
        function: report.places.function(row.place),
        file: report.places.file(row.place),
        line: report.places.line(row.place),
        kind: report.places.get(row.place).kind.name(),
        allocator: row.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name()),
        bytes: row.amount.bytes,
        allocations: row.amount.allocations,
        thread: threads.get(row.thread),
        process: report.processes().get(row.process).pid,
    };
    let table = Table {
        head: JsonHead::new("memprof-table-1", report, view, metric),
        total: report.total(metric),
        rows: Sequence(rows.iter().map(row)),
    };
    serde_json::to_writer_pretty(&mut *out, &table)?;
    writeln!(out)
}
