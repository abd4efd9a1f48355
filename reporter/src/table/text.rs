//! `table` for a terminal.

use std::io::{self, Write};

use super::LOST_ALLOCATOR;
use crate::metric::Metric;
use crate::report::Report;
use crate::size_units::{count, counted, percent, size};
use crate::slots::Amount;
use crate::text::{Align, Cell, Columns, TextStyle, wrap};
use crate::view::View;

/// Writes the first `most` rows as text.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    report: &Report,
    view: View,
    metric: Metric,
    most: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let (rows, whole) = (report.rows(view, metric), report.total(metric));
    let title = format!(
        "{}: {} {} in {}{}",
        report.metadata().command_line,
        size(whole.bytes),
        metric.heading(),
        counted(whole.allocations, "allocation"),
        view.kind.heading()
    );
    for line in wrap(&title, style.width()) {
        writeln!(out, "{}", style.heading(&line))?;
    }
    for note in report.notes() {
        for line in wrap(&format!("Note: {note}"), style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let threads = report.thread_labels();
    let heads = [
        ("Bytes", Align::Right),
        ("Share", Align::Right),
        ("Allocs", Align::Right),
        ("Allocator", Align::Left),
        ("Thread", Align::Left),
    ];
    // A column that says the same in every row helps nobody.
    let several_threads = rows.iter().any(|row| row.thread != rows[0].thread);
    let heads = if several_threads { &heads[..] } else { &heads[..4] };
    let mut columns = Columns::new(heads, "Place");
    for row in rows.iter().take(most) {
        let mut cells = vec![
            size(row.amount.bytes),
            percent(row.amount.bytes, whole.bytes),
            count(row.amount.allocations),
            row.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name()).to_owned(),
        ];
        if several_threads {
            cells.push(threads.get(row.thread).to_owned());
        }
        columns.push(cells, Cell::Place(report.location(row.place)));
    }
    columns.print(out, style)?;
    if rows.len() > most {
        let mut rest = Amount::default();
        rows[most..].iter().for_each(|row| rest.add(row.amount));
        let more = counted((rows.len() - most) as u64, "more row");
        writeln!(out, "  and {more}: {} in {}", size(rest.bytes), counted(rest.allocations, "allocation"))?;
    }
    Ok(())
}
