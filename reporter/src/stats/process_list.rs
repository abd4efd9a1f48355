//! The list of processes in `stats`, for a terminal.

use std::io::{self, Write};

use memprof_replay::aggregate::ProcessTotals;
use memprof_replay::processes::{Process, ProcessId};

use crate::report::Report;
use crate::size_units::{count, counted, seconds, size};
use crate::text::{Align, Cell, Columns, Location, TextStyle};

/// The pids of the processes that the report is about: `4711`, `4711 and 3 others`, `4712 (1 of 4 that were recorded)`.
pub(super) fn who(report: &Report) -> String {
    let processes = report.processes();
    let (reported, recorded) = (processes.list(), processes.recorded());
    let Some(first) = reported.first() else { return report.metadata().pid.to_string() };
    let mut text = first.label();
    if reported.len() > 1 {
        text += &format!(" and {}", counted(reported.len() as u64 - 1, "other"));
    }
    if reported.len() < recorded {
        text += &format!(" ({} of {} that were recorded)", reported.len(), recorded);
    }
    text
}

/// Writes the `top` processes with the largest peaks, if there are several.
pub(super) fn write(report: &Report, top: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    if !report.processes().are_several() || top == 0 {
        return Ok(());
    }
    let mut rows: Vec<(ProcessId, &Process, &ProcessTotals)> = (0..)
        .map(ProcessId)
        .zip(report.processes().list())
        .zip(&report.aggregate.processes)
        .map(|((id, process), totals)| (id, process, totals))
        .collect();
    // Stable: otherwise in the order in which they began.
    rows.sort_by_key(|(.., totals)| std::cmp::Reverse(totals.own_peak.bytes));
    let labels = report.process_labels();
    writeln!(out, "\n{}", style.heading("Processes, by their own peaks"))?;
    let heads = ["Process", "Started", "Peak", "Leaked", "Allocated", "Allocs"].map(|head| (head, Align::Right));
    let mut columns = Columns::new(&heads, "Command");
    for (id, process, totals) in rows.iter().take(top) {
        let cells = vec![
            process.label(),
            seconds(report.started_s(process)),
            size(totals.own_peak.bytes),
            size(totals.leaked.bytes),
            size(totals.total.bytes),
            count(totals.total.allocations),
        ];
        columns.push(cells, Cell::Place(Location::new(&labels.with_beginning(*id), "", 0)));
    }
    columns.print(out, style)?;
    if rows.len() > top {
        let more = rows.len() - top;
        writeln!(out, "  and {more} more process{}", if more == 1 { "" } else { "es" })?;
    }
    Ok(())
}
