//! `tree --json`; docs/tree.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::slots::Amount;
use serde::Serialize;

use super::call_tree::{CallTree, What};
use super::selection::{Item, Limits, Row, rows};
use super::{Folding, TreeOptions};
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_head::JsonHead;
#[cfg(test)]
use crate::naming::places::PlaceKind;
use crate::reading::report::Report;

const SCHEMA: &str = "memprof-tree-1";

/// # memprof tree --json
/// docs/metrics.md defines every figure. The rows below a row, if there are any, add up to it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Tree<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// Whether callers are below what they called: --inverted.
    inverted: bool,
    /// What the largest rows have most of: --sort.
    #[cfg_attr(test, schemars(extend("enum" = crate::sums::rows::Ranking::ALL.map(|ranking| ranking.name()))))]
    sorted_by: &'static str,
    /// What the root has.
    total: Amount,
    /// The rows of the tree, each before those below it; the root is the first one. A list, as stacks are deeper than
    /// many readers of JSON go.
    calls: R,
}

/// What a row is that is no call.
const OWN: &str = "own";
const HIDDEN: &str = "hidden";
const MORE: &str = "more";

/// A row of the tree.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CallRow<'a> {
    /// The index of the row above; null for the root.
    parent: Option<u32>,
    /// What the row represents: a line of Python code, native code, the interpreter's own native code, a name in angle
    /// brackets or the root, a process; what the row above allocated itself beside its calls (own); folded frames
    /// (hidden); calls that limits leave out (more).
    #[cfg_attr(test, schemars(extend("enum" = [&PlaceKind::IN_TREES[..], &[OWN, HIDDEN, MORE]].concat())))]
    kind: &'static str,
    /// co_name of a Python function, the demangled name of a native one, or another name; empty for own, hidden and
    /// more.
    function: &'a str,
    /// co_filename; of a native function its source file or else its module; empty for all others.
    file: &'a str,
    /// 0 where it is not known, or there is none.
    line: u32,
    /// What was allocated here and in everything below.
    bytes: u64,
    allocations: u64,
    /// The part of it that was allocated right here; in an inverted tree, the part without a caller.
    own_bytes: u64,
    own_allocations: u64,
    /// For hidden, how many frames are folded; for more, how many calls are left out right here; null for all others.
    calls: Option<u64>,
}

/// Writes the tree within limits as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &mut Report, options: &TreeOptions, limits: Limits, out: &mut impl Write) -> io::Result<()> {
    let mut tree = options.tree(report);
    let report = &*report;
    let rows = rows(&mut tree, report.places(), limits);
    // Unless something is folded, all of it is there.
    let view = if options.folding == Folding::Nothing { options.view.with_imports() } else { options.view };
    let json = Tree {
        head: JsonHead::new(SCHEMA, report, view, options.metric),
        inverted: options.inverted,
        sorted_by: options.ranking.name(),
        total: report.total(options.metric),
        calls: Sequence(rows.iter().map(|row| call_row(report, &tree, row))),
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}

fn call_row<'a>(report: &'a Report, tree: &CallTree, row: &Row) -> CallRow<'a> {
    let amount = row.amount(tree);
    let nameless = |kind, own: Amount, calls| CallRow {
        parent: row.parent,
        kind,
        function: "",
        file: "",
        line: 0,
        bytes: amount.bytes,
        allocations: amount.allocations,
        own_bytes: own.bytes,
        own_allocations: own.allocations,
        calls,
    };
    let call = match row.item {
        Item::Call(call) => tree.get(call),
        Item::More { calls, .. } => return nameless(MORE, Amount::default(), Some(calls)),
    };
    match call.what {
        What::Own => nameless(OWN, call.own, None),
        What::Hidden { frames, .. } => nameless(HIDDEN, call.own, Some(frames.into())),
        What::Call(place) => CallRow {
            function: report.places().function(place),
            file: report.places().file(place),
            line: report.places().line(place),
            ..nameless(report.places().get(place).kind.name(), call.own, None)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Tree<Vec<CallRow>>>(SCHEMA, &[]);
    }
}
