//! `table --json`; docs/table.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::LOST_ALLOCATOR;
use crate::json_columns::Sequence;
use crate::json_head::JsonHead;
use crate::place_report::PlaceLists;
use crate::rows::Row;

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
pub fn write_json(lists: &PlaceLists<'_>, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let (report, rows) = (lists.report, lists.rows(metric));
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
        head: JsonHead::new("memprof-table-1", report, lists.view, metric),
        total: report.total(metric),
        rows: Sequence(rows.iter().map(row)),
    };
    serde_json::to_writer_pretty(&mut *out, &table)?;
    writeln!(out)
}
