//! The flame graph of two captures: the page of one, with the amounts of both (templates/page/choices/difference.js).

use std::fmt::Write as _;
use std::io::{self, Write};

use memprof_replay::metric::{Metric, Sums};
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Value, json};

use super::common_names::{CommonNames, FunctionId, Side};
use super::stack_tree::{StackId, StackTree};
use crate::formatting::json_head::JsonShown;
use crate::formatting::size_units::size;
use crate::naming::strings::Strings;
use crate::naming::view::{View, Views};
use crate::pages::flamegraph::{PARTS, SCHEMA, write_nodes};
use crate::pages::page::{Columns, PageHeader, write_page};
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;
use crate::sums::site_tree::preorder;

/// All that is no column: as in the page of one capture, as far as the flame graph needs it.
#[derive(Serialize)]
struct Head<'a> {
    header: PageHeader<'a>,
    opens_on: &'static str,
    #[serde(flatten)]
    shown: JsonShown,
    inverted: bool,
    totals: Value,
    timeline: Value,
    threads: [(); 0],
    allocators: [(); 0],
    processes: [(); 0],
    bins: Option<()>,
    before: Before,
}

/// What the page of one capture does not have; the columns of its cells join it.
#[derive(Serialize)]
struct Before {
    totals: Value,
}

/// Writes the page, which begins with frames as wide as they are after.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_html(
    before: &mut Report,
    after: &mut Report,
    (view, metric, inverted): (View, Metric, bool),
    out: &mut impl Write,
) -> io::Result<()> {
    // Native frames of one of them alone would be nothing but new or gone.
    let both_native = before.native().recorded && after.native().recorded;
    let views = if both_native { Views::ALL } else { Views::BOTH_HYBRID };
    let trees = [&mut *before, &mut *after].map(|report| super::flame_tree(report, views));
    let (reports, trees) = ([&*before, &*after], trees.each_ref());
    let places = reports.map(|report| report.places());
    let names = CommonNames::of(places, trees);
    let tree = StackTree::of(&names, places, trees);
    let mut columns = Columns::default();
    let order = write_tree(&names, &tree, &mut columns);
    for (side, table) in [(Side::After, "cells"), (Side::Before, "before")] {
        write_cells(table, &tree, (side, trees[side as usize]), &order, metric, &mut columns);
    }
    let [earlier, later] = reports;
    let run = earlier.metadata();
    let peaks = (size(earlier.total(Metric::Peak).bytes), size(later.total(Metric::Peak).bytes));
    let mut hint = format!(
        "Compared with {} of {}: the peak was {} and is {}.",
        run.command_line, run.start_time, peaks.0, peaks.1
    );
    if !names.matches.is_empty() {
        let _ = write!(hint, " {}: memprof diff names them.", names.matches.counts());
    }
    let head = Head {
        header: PageHeader::of(later, Some(hint)).without_processes(),
        opens_on: "flame",
        shown: JsonShown::of(view, metric),
        inverted,
        totals: totals(later),
        timeline: json!({ "heap": { "t": [], "bytes": [] }, "rss": { "t": [], "bytes": [] } }),
        threads: [],
        allocators: [],
        processes: [],
        bins: None,
        before: Before { totals: totals(earlier) },
    };
    let title = format!("memprof difference: {}", later.metadata().command_line);
    write_page(&PARTS, &title, None::<&()>, (SCHEMA, &head, &columns), out)
}

fn totals(report: &Report) -> Value {
    let mut totals: serde_json::Map<String, Value> =
        Metric::ALL.iter().map(|&metric| (metric.name().to_owned(), json!(report.total(metric)))).collect();
    totals["peak"]["at_s"] = json!(report.clock().seconds(report.aggregate().run.peak_at));
    totals.into()
}

/// Writes functions as frames without lines, and the tree; answers where each stack is in it.
fn write_tree(names: &CommonNames, tree: &StackTree, columns: &mut Columns) -> Vec<NodeId> {
    let parents: Vec<NodeId> = tree.stacks().map(|stack| NodeId(tree.parent(stack).index() as u32)).collect();
    let order = preorder(parents.len(), |node| parents[node]);
    let mut stacks = vec![StackId::ROOT; order.len()];
    tree.stacks().for_each(|stack| stacks[order[stack.index()].index()] = stack);
    let mut functions: Vec<FunctionId> = Vec::new();
    let mut numbers: FxHashMap<FunctionId, u32> = FxHashMap::default();
    let mut frames = Vec::with_capacity(stacks.len());
    for &stack in &stacks {
        let function = tree.function(stack);
        frames.push(*numbers.entry(function).or_insert_with(|| {
            functions.push(function);
            functions.len() as u32 - 1
        }));
    }
    let mut strings = Strings::default();
    let mut texts = |name: &str, text: fn(&CommonNames, FunctionId) -> &str| {
        columns.unsigned(name, functions.iter().map(|&function| strings.intern(text(names, function)).0));
    };
    texts("frames.function", CommonNames::name);
    texts("frames.file", CommonNames::latest_file);
    columns.unsigned("frames.line", functions.iter().map(|_| 0_u32));
    columns.unsigned("frames.kind", functions.iter().map(|&function| names.kind(function) as u8));
    columns.unsigned("frames.shown", functions.iter().map(|&function| names.shown(function).bits()));
    // Its amounts are at their places already.
    for name in ["frames.origin", "frames.passes_on", "frames.enters_allocator"] {
        columns.unsigned(name, functions.iter().map(|_| 0_u8));
    }
    columns.optional("frames.module", functions.iter().map(|_| None));
    columns.optional("frames.source", functions.iter().map(|_| None));
    columns.text("strings", strings.iter());
    let above: Vec<NodeId> = stacks.iter().map(|&stack| order[tree.parent(stack).index()]).collect();
    write_nodes(&above, frames, columns);
    order
}

/// Writes what one side allocated right at each node, where it did.
fn write_cells(
    table: &str,
    tree: &StackTree,
    (side, flame_tree): (Side, &FlameTree),
    order: &[NodeId],
    first: Metric,
    columns: &mut Columns,
) {
    let of_nodes = tree.of_nodes(side);
    let mut sums: Vec<Option<Sums>> = vec![None; tree.len()];
    for cell in flame_tree.cells() {
        let stack = of_nodes[cell.node.index()];
        sums[order[stack.index()].index()].get_or_insert_default().add(&cell.sums);
    }
    let cells: Vec<(u32, Sums)> = (0..).zip(sums).filter_map(|(node, amounts)| Some((node, amounts?))).collect();
    columns.ascending(&format!("{table}.node"), cells.iter().map(|&(node, _)| node));
    let others = Metric::ALL.into_iter().filter(|metric| *metric != first);
    for metric in [first].into_iter().chain(others) {
        let amounts = || cells.iter().map(move |(_, amounts): &(u32, Sums)| -> Amount { amounts[metric] });
        columns.unsigned(&format!("{table}.{}_bytes", metric.name()), amounts().map(|amount| amount.bytes));
        let allocations = amounts().map(|amount| amount.allocations);
        columns.unsigned(&format!("{table}.{}_allocations", metric.name()), allocations);
    }
}
