//! `tree --json`; docs/tree.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::slots::Amount;
use serde::Serialize;

use super::call_tree::{CallTree, What};
use super::selection::{Item, Limits, Row, rows};
use super::{Folding, TreeOptions};
use crate::formatting::json_columns::Sequence;
use crate::formatting::json_head::JsonHead;
use crate::reading::report::Report;

#[derive(Serialize)]
struct Tree<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    inverted: bool,
    sorted_by: &'static str,
    total: Amount,
    calls: R,
}

/// A row of the tree. Stacks can be deeper than readers of nested JSON go, so that the tree is a list.
#[derive(Serialize)]
struct CallRow<'a> {
    /// The index of the row above; nothing for the root, which is the first one.
    parent: Option<u32>,
    kind: &'static str,
    function: &'a str,
    file: &'a str,
    line: u32,
    bytes: u64,
    allocations: u64,
    own_bytes: u64,
    own_allocations: u64,
    /// How many calls the row stands for, where it stands for some.
    calls: Option<u64>,
}

/// Writes the tree within limits as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &mut Report, options: &TreeOptions, limits: Limits, out: &mut impl Write) -> io::Result<()> {
    let mut tree = options.tree(report);
    let report = &*report;
    let rows = rows(&mut tree, &report.places, limits);
    // Unless something is folded, all of it is there.
    let view = if options.folding == Folding::Nothing { options.view.with_imports() } else { options.view };
    let json = Tree {
        head: JsonHead::new("memprof-tree-1", report, view, options.metric),
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
        Item::More { calls, .. } => return nameless("more", Amount::default(), Some(calls)),
    };
    match call.what {
        What::Own => nameless("own", call.own, None),
        What::Hidden { frames, .. } => nameless("hidden", call.own, Some(frames.into())),
        What::Call(place) => CallRow {
            function: report.places.function(place),
            file: report.places.file(place),
            line: report.places.line(place),
            ..nameless(report.places.get(place).kind.name(), call.own, None)
        },
    }
}
