//! Comma-separated values with memray's columns (see docs/export.md), after RFC 4180.

use std::cmp::Reverse;
use std::io;

use memprof_replay::metric::Metric;

use super::format::{Format, Metrics, Processes, Source, TreeFormat};
use super::stack_lengths::stack_lengths;
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::naming::places::Places;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_cells::Cell;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

const COLUMNS: &[u8] = b"allocator,num_allocations,size,tid,thread_name,stack_trace,pid\r\n";
/// What a field must not have unless it is quoted.
const SEPARATORS: [char; 4] = ['"', ',', '\r', '\n'];

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "csv",
    help: "Rows with memray's columns, for spreadsheets and data frames",
    extension: "csv",
    metrics: Metrics::Chosen,
    processes: Processes::All,
    source: Source::Tree(TreeFormat(write)),
};

/// Writes a row for each stack, allocator, process and thread with any of the memory that is asked for, most bytes
/// first.
///
/// # Errors
/// What `out` answers to a write.
fn write(report: &Report, tree: &FlameTree, (_, metric): (View, Metric), out: &mut dyn SizedWrite) -> io::Result<()> {
    let amount = |cell: &Cell| cell.sums[metric];
    let numbered = (0..).zip(tree.cells());
    let mut cells: Vec<u32> = numbered.filter(|(_, cell)| !amount(cell).is_zero()).map(|(number, _)| number).collect();
    cells.sort_by_key(|&cell| Reverse((amount(&tree.cell(cell)).bytes, amount(&tree.cell(cell)).allocations)));
    let cells = || cells.iter().map(|&cell| tree.cell(cell));
    let stacks = Stacks::of(tree, report.places());
    let row = |cell: &Cell| before_stack(report, cell, metric).len() + after_stack(report, cell).len();
    let sizes = cells().map(|cell| stacks.bytes(cell.node).saturating_add(row(&cell) as u64));
    out.expect(ExpectedSize::Exactly(sizes.fold(COLUMNS.len() as u64, u64::saturating_add)))?;
    out.write_all(COLUMNS)?;
    for cell in cells() {
        out.write_all(before_stack(report, &cell, metric).as_bytes())?;
        stacks.write(cell.node, out)?;
        out.write_all(after_stack(report, &cell).as_bytes())?;
    }
    Ok(())
}

fn before_stack(report: &Report, cell: &Cell, metric: Metric) -> String {
    let amount = cell.sums[metric];
    let allocator = cell.allocator.map_or("LOST".to_owned(), |allocator| allocator.name().to_uppercase());
    let thread = report.tables().threads.get(cell.thread.index()).and_then(Option::as_ref);
    let (tid, name) = thread.map_or((0, ""), |thread| (thread.tid, thread.name.as_str()));
    let name = if name.contains(SEPARATORS) { format!("\"{}\"", quotable(name)) } else { name.to_owned() };
    format!("{allocator},{},{},{tid},{name},", amount.allocations, amount.bytes)
}

fn after_stack(report: &Report, cell: &Cell) -> String {
    format!(",{}\r\n", report.processes().get(cell.process).pid)
}

/// As it is written between quotes.
fn quotable(text: &str) -> String {
    text.replace('"', "\"\"")
}

/// The stacks of a tree, each of them a field.
struct Stacks<'a> {
    tree: &'a FlameTree,
    /// By place, as they are written between quotes. Those that need none have nothing that would be written
    /// differently.
    names: Vec<String>,
    /// By node: the bytes of its stack without quotes, and whether it needs them.
    lengths: Vec<u64>,
    is_quoted: Vec<bool>,
}

impl<'a> Stacks<'a> {
    fn of(tree: &'a FlameTree, places: &Places) -> Self {
        let name =
            |place| quotable(&format!("{};{};{}", places.function(place), places.file(place), places.line(place)));
        let names: Vec<String> = places.ids().map(name).collect();
        let name = |node: NodeId| &names[tree.nodes()[node.index()].place.index()];
        // A separator comes after each of them but the last.
        let lengths = stack_lengths(tree, |node| name(node).len() as u64 + 1);
        let quoted = stack_lengths(tree, |node| name(node).contains(SEPARATORS).into());
        let is_quoted = quoted.iter().map(|&names| names > 0).collect();
        Self { tree, lengths, is_quoted, names }
    }

    fn bytes(&self, node: NodeId) -> u64 {
        let quotes = if self.is_quoted[node.index()] { 2 } else { 0 };
        self.lengths[node.index()].saturating_sub(1).saturating_add(quotes)
    }

    fn write(&self, node: NodeId, out: &mut dyn SizedWrite) -> io::Result<()> {
        let quote: &[u8] = if self.is_quoted[node.index()] { b"\"" } else { b"" };
        out.write_all(quote)?;
        for (index, place) in self.tree.path(node).enumerate() {
            out.write_all(if index == 0 { b"" } else { b"|" })?;
            out.write_all(self.names[place.index()].as_bytes())?;
        }
        out.write_all(quote)
    }
}
