//! `lines --json`; docs/lines.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::{Metric, Sums};
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{LineSelection, SortBy, files};
use crate::formatting::json_head::JsonHead;
use crate::naming::view::View;
use crate::reading::report::Report;

#[derive(Serialize)]
struct Lines<'a> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    sort: &'static str,
    total: Amount,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    own: Sums,
    with_callees: Sums,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    line: u32,
    text: Option<String>,
    own: Sums,
    with_callees: Sums,
}

/// Writes all selected files and lines as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(
    report: &Report,
    view: View,
    metric: Metric,
    selection: &LineSelection,
    sort: SortBy,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut sources = report.source_lines();
    let files = files(report, view, metric, selection, sort).into_iter().map(|file| {
        let lines = file.lines.into_iter().filter(|row| row.line > 0).map(|row| Line {
            line: row.line,
            text: sources.indented(file.name, row.line).map(str::to_owned),
            own: row.own,
            with_callees: row.with_callees,
        });
        File { file: file.name, own: file.whole.own, with_callees: file.whole.with_callees, lines: lines.collect() }
    });
    let lines = Lines {
        head: JsonHead::new("memprof-lines-1", report, view, metric),
        sort: sort.name(),
        total: report.total(metric),
        files: files.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &lines)?;
    writeln!(out)
}
