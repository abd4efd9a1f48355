//! Comma-separated values with memray's columns (see docs/export.md), after RFC 4180.

use std::cmp::Reverse;
use std::io::{self, Write};

use memprof_replay::metric::Metric;

use super::call_tree;
use crate::flame_cells::Cell;
use crate::report::Report;
use crate::view::View;

/// Writes a row for each stack, allocator, process and thread with any of the memory that is asked for, most bytes first.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write_csv(report: &mut Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let tree = call_tree(report, view);
    let amount = |cell: &Cell| cell.amounts.get(metric);
    let mut cells: Vec<&Cell> = tree.cells().iter().filter(|cell| !amount(cell).is_zero()).collect();
    cells.sort_by_key(|cell| Reverse((amount(cell).bytes, amount(cell).allocations)));
    let (places, threads) = (&report.places, &report.tables().threads);
    out.write_all(b"allocator,num_allocations,size,tid,thread_name,stack_trace,pid\r\n")?;
    for cell in cells {
        let amount = amount(cell);
        let allocator = cell.allocator.map_or("LOST".to_owned(), |allocator| allocator.name().to_uppercase());
        let thread = threads.get(cell.thread.index()).and_then(Option::as_ref);
        let (tid, name) = thread.map_or((0, ""), |thread| (thread.tid, thread.name.as_str()));
        let mut stack = String::new();
        for place in tree.path(cell.node) {
            if !stack.is_empty() {
                stack.push('|');
            }
            stack += &format!("{};{};{}", places.function(place), places.file(place), places.line(place));
        }
        write!(out, "{allocator},{},{},{tid},", amount.allocations, amount.bytes)?;
        field(name, out)?;
        out.write_all(b",")?;
        field(&stack, out)?;
        write!(out, ",{}\r\n", report.processes().get(cell.process).pid)?;
    }
    Ok(())
}

/// Quotes what would not be one field.
fn field(text: &str, out: &mut impl Write) -> io::Result<()> {
    if text.contains(['"', ',', '\r', '\n']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
