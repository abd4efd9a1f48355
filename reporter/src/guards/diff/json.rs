//! `diff --json`; docs/diff.schema.json describes it.

use std::io;

use memprof_replay::slots::Amount;
use serde::Serialize;

use super::common_names::{FunctionId, Side};
use super::{Change, Diff, Difference, Matches, Row, Status, StatusSum, Subject};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_frames::pretty_bytes;
use crate::formatting::json_head::JsonShown;
use crate::reading::metadata::Metadata;

/// What a row takes without its stack, and how far the functions of that are from the margin.
const ROW_BYTES: u64 = 400;
const FUNCTION_INDENTATION: u64 = 8;

const SCHEMA: &str = "memprof-diff-1";

/// # memprof diff --json
/// docs/metrics.md defines every figure, and what is the same in both captures. All rows that differ; their differences
/// add up to that of the total.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DiffJson<'a, R> {
    schema: &'static str,
    #[serde(flatten)]
    shown: JsonShown,
    /// What a row is for: --by.
    #[cfg_attr(test, schemars(extend("enum" = super::By::ALL.map(super::By::name))))]
    by: &'static str,
    before: Capture<'a>,
    after: Capture<'a>,
    /// The sum over all.
    total: Figures,
    /// The sums over all rows of a status.
    statuses: Vec<StatusJson>,
    matches: &'a Matches,
    rows: R,
}

/// One of the captures.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Capture<'a> {
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, a sentence each.
    notes: &'a [String],
}

/// A change with what follows from it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Figures {
    pub before: Amount,
    pub after: Amount,
    pub difference: Difference,
    /// The difference of the bytes in percent of those before; null where there were none.
    pub percent: Option<f64>,
}

/// All rows of a status together.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StatusJson {
    status: Status,
    rows: usize,
    before: Amount,
    after: Amount,
    difference: Difference,
}

/// What has other memory after than before.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RowJson<'a> {
    pub status: Status,
    #[serde(flatten)]
    pub subject: SubjectJson<'a>,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum SubjectJson<'a> {
    /// By stack.
    Stack {
        /// Its functions, innermost first.
        stack: Vec<FunctionJson<'a>>,
    },
    /// By function.
    Function(FunctionJson<'a>),
    /// By line.
    Line {
        #[serde(flatten)]
        function: FunctionJson<'a>,
        /// 0 where it is not known, or there is none.
        line: u32,
    },
    /// By module.
    Module {
        /// Its path after, or before where it is gone.
        module: &'a str,
        /// Its path before, where that was another one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(with = "String"))]
        module_before: Option<&'a str>,
    },
    /// By package.
    Package {
        /// Its name, as in metrics.md.
        package: &'a str,
    },
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub(super) struct FunctionJson<'a> {
    /// co_name of a Python function, the demangled name of a native one, or a name in angle brackets.
    pub function: &'a str,
    /// Its file after, or before where it is gone; empty for names in angle brackets.
    pub file: &'a str,
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::places::PlaceKind::IN_STACKS)))]
    pub kind: &'static str,
    /// Its file before, where that was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub file_before: Option<&'a str>,
}

impl Figures {
    fn of(change: Change) -> Self {
        let (before, after) = (change.before, change.after);
        Self { before, after, difference: change.difference(), percent: change.percent() }
    }
}

pub(super) fn function_json<'a>(diff: &'a Diff, function: FunctionId) -> FunctionJson<'a> {
    let file = diff.names.latest_file(function);
    FunctionJson {
        function: diff.names.name(function),
        file,
        kind: diff.names.kind(function).name(),
        file_before: diff.names.file(function, Side::Before).filter(|&before| before != file),
    }
}

pub(super) fn row_json<'a>(diff: &'a Diff, row: &Row) -> RowJson<'a> {
    let subject = match row.subject {
        Subject::Stack(stack) => {
            let functions = diff.tree.functions(stack);
            SubjectJson::Stack { stack: functions.map(|function| function_json(diff, function)).collect() }
        }
        Subject::Function(function) => SubjectJson::Function(function_json(diff, function)),
        Subject::Line(function, line) => SubjectJson::Line { function: function_json(diff, function), line },
        Subject::Module(path) => {
            let module = diff.names.latest_path(path);
            let module_before = diff.names.path(path, Side::Before).filter(|&before| before != module);
            SubjectJson::Module { module, module_before }
        }
        Subject::Package(package) => SubjectJson::Package { package: diff.package(package) },
    };
    RowJson { status: row.change.status(), subject, figures: Figures::of(row.change) }
}

/// What all rows take.
fn rows_bytes(diff: &Diff) -> u64 {
    let has_stacks = diff.rows().iter().any(|row| matches!(row.subject, Subject::Stack(_)));
    let bytes = |function| pretty_bytes(&function_json(diff, function), FUNCTION_INDENTATION);
    let stacks = if has_stacks { diff.tree.lengths(bytes) } else { Vec::new() };
    let row = |row: &Row| match row.subject {
        Subject::Stack(stack) => stacks[stack.index()].saturating_add(ROW_BYTES),
        _ => ROW_BYTES,
    };
    diff.rows().iter().map(row).fold(0, u64::saturating_add)
}

/// Writes the comparison with all rows that differ as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(diff: &Diff, out: &mut impl SizedWrite) -> io::Result<()> {
    out.expect(ExpectedSize::About(rows_bytes(diff)))?;
    let [before, after] = diff.reports;
    let status = |status| {
        let StatusSum { rows, change } = diff.sum(status);
        let (before, after) = (change.before, change.after);
        StatusJson { status, rows, before, after, difference: change.difference() }
    };
    let json = DiffJson {
        schema: SCHEMA,
        shown: JsonShown::of(diff.comparison.view, diff.comparison.metric),
        by: diff.comparison.by.name(),
        before: Capture { metadata: before.metadata(), notes: before.notes() },
        after: Capture { metadata: after.metadata(), notes: after.notes() },
        total: Figures::of(diff.total),
        statuses: Status::ALL.map(status).into(),
        matches: diff.matches(),
        rows: Sequence(diff.rows().iter().map(|row| row_json(diff, row))),
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<DiffJson<Vec<RowJson>>>(SCHEMA, &[]);
    }
}
