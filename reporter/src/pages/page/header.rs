//! The facts about the run as pages show them.

use memprof_replay::processes::{Process, ProcessId};
use serde::Serialize;

use crate::formatting::shell_quoting::join_quoted;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

/// The metadata with the notes.
#[derive(Serialize)]
pub(crate) struct PageHeader<'a> {
    #[serde(flatten)]
    metadata: &'a Metadata,
    notes: &'a [String],
    /// What helps to read the page; nothing is wrong with the capture.
    hint: Option<String>,
    processes: Vec<ProcessEntry>,
    /// How many processes the capture has.
    processes_recorded: usize,
    /// Whether the capture has sums only, and no events that ranges of time could be made of.
    aggregated: bool,
}

#[derive(Serialize)]
struct ProcessEntry {
    pid: u32,
    /// What distinguishes it from the others, in few words.
    label: String,
    command_line: String,
    started_s: f64,
}

impl PageHeader<'_> {
    /// The same without a word of processes.
    pub(crate) fn without_processes(self) -> Self {
        Self { processes: Vec::new(), processes_recorded: 0, ..self }
    }
}

impl<'a> PageHeader<'a> {
    /// Of a report.
    pub(crate) fn of(report: &'a Report, hint: Option<String>) -> Self {
        let processes = report.processes();
        let labels = report.process_labels();
        let entry = |(id, process): (u32, &Process)| ProcessEntry {
            pid: process.pid,
            label: labels.with_beginning(ProcessId(id)),
            command_line: join_quoted(&process.command_line),
            started_s: report.started_s(process),
        };
        Self {
            metadata: report.metadata(),
            notes: report.notes(),
            hint,
            processes: (0..).zip(processes.list()).map(entry).collect(),
            processes_recorded: processes.recorded(),
            aggregated: report.is_aggregated(),
        }
    }
}
