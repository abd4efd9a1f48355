//! `lines --json`; docs/lines.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::{Metric, Sums};
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{LineSelection, SortBy, files};
use crate::formatting::json_head::JsonHead;
use crate::naming::view::View;
use crate::reading::report::Report;

const SCHEMA: &str = "memprof-lines-1";

/// # memprof lines --json
/// docs/metrics.md defines every figure. The selected file, or all files; of each the lines that have anything.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Lines<'a> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What files and lines are sorted by: --sort.
    #[cfg_attr(test, schemars(extend("enum" = SortBy::ALL.map(SortBy::name))))]
    sort: &'static str,
    total: Amount,
    files: Vec<File<'a>>,
}

/// What a file allocated, itself and with all that it called.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct File<'a> {
    /// Its path; of what is in no file, its name in angle brackets.
    file: &'a str,
    own: Sums,
    with_callees: Sums,
    lines: Vec<Line>,
}

/// What a line allocated, itself and with all that it called.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Line {
    #[cfg_attr(test, schemars(range(min = 1)))]
    line: u32,
    /// null where the source may not be shown.
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
        head: JsonHead::new(SCHEMA, report, view, metric),
        sort: sort.name(),
        total: report.total(metric),
        files: files.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &lines)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Lines>(SCHEMA, &[]);
    }
}
