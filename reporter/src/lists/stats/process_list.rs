//! The list of processes in `stats`, for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Sums;
use memprof_replay::processes::{Process, ProcessId};
use memprof_replay::slots::Amount;

use crate::formatting::size_units::counted;
use crate::lists::list::{Column, List, Subject, SubjectName};
use crate::reading::report::Report;
use crate::text::{Align, TextStyle};

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

const COMMAND: SubjectName = SubjectName { name: "command", head: "Command", meaning: "How it began and what it ran." };

struct ProcessRow<'a> {
    id: ProcessId,
    process: &'a Process,
    own_peak: Amount,
    sums: &'a Sums,
}

type ProcessColumn<'a> = Column<'a, ProcessRow<'a>>;

/// Writes the `top` processes with the largest peaks, if there are several.
pub(super) fn write(report: &Report, top: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    if !report.processes().are_several() || top == 0 {
        return Ok(());
    }
    let mut rows: Vec<ProcessRow> = (0..)
        .map(ProcessId)
        .zip(report.processes().list())
        .zip(report.aggregate().by_process())
        .map(|((id, process), (counted, sums))| ProcessRow { id, process, own_peak: counted.own_peak, sums })
        .collect();
    // Stable: otherwise in the order in which they began.
    rows.sort_by_key(|row| std::cmp::Reverse(row.own_peak.bytes));
    let labels = report.process_labels();
    writeln!(out, "\n{}", style.heading("Processes, by their own peaks"))?;
    let columns = vec![
        ProcessColumn { align: Align::Right, ..ProcessColumn::text("Process", |row| row.process.label().into()) },
        ProcessColumn::seconds("Started", |row| Some(report.started_s(row.process))),
        ProcessColumn::bytes("Peak", |row| row.own_peak.bytes),
        ProcessColumn::bytes("Leaked", |row| row.sums.leaked.bytes),
        ProcessColumn::bytes("Allocated", |row| row.sums.total.bytes),
        ProcessColumn::count("Allocs", |row| row.sums.total.allocations),
    ];
    let subject = Subject::Name(COMMAND, Box::new(|row: &ProcessRow| labels.with_beginning(row.id).into()));
    List::without_sum(report, &rows, "process", subject, columns).write_text(top, style, out)
}
