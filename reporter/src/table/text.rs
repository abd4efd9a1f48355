//! `table` for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::LOST_ALLOCATOR;
use crate::place_report::PlaceLists;
use crate::pymalloc;
use crate::report_title;
use crate::rows::Row;
use crate::size_units::{count, counted, percent, size};
use crate::text::{Align, Cell, Columns, TextStyle, wrap};

/// Writes the first `most` rows as text.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    lists: &PlaceLists<'_>,
    metric: Metric,
    most: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let report = lists.report;
    let (rows, whole) = (lists.rows(metric), report.total(metric));
    report_title::write(report, lists.view, metric, style, out)?;
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
    let who = |row: &Row| (row.process, row.thread);
    let several_threads = rows.iter().any(|row| who(row) != who(&rows[0]));
    let cells = |row: &Row| {
        vec![
            size(row.amount.bytes),
            percent(row.amount.bytes, whole.bytes),
            count(row.amount.allocations),
            row.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name()).to_owned(),
        ]
    };
    let thread = |row: &Row| threads.with_process(row.process, row.thread);
    let mut columns = Columns::new(if several_threads { &heads } else { &heads[..4] }, "Place");
    for row in rows.iter().take(most) {
        let cells = cells(row).into_iter().chain(several_threads.then(|| thread(row)));
        columns.push(cells.collect(), Cell::Place(report.location(row.place)));
    }
    if several_threads && !columns.fit(style) {
        columns = Columns::new(&heads[..4], "");
        for row in rows.iter().take(most) {
            columns.push(cells(row), Cell::Lines(thread(row), report.location(row.place)));
        }
    }
    columns.print(out, style)?;
    if rows.len() > most {
        let mut rest = Amount::default();
        rows[most..].iter().for_each(|row| rest.add(row.amount));
        let more = counted((rows.len() - most) as u64, "more row");
        writeln!(out, "  and {more}: {} in {}", size(rest.bytes), counted(rest.allocations, "allocation"))?;
    }
    if let Some(hint) = pymalloc::hint(report, &lists.row_places, &rows, metric) {
        writeln!(out)?;
        for line in wrap(&hint, style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
