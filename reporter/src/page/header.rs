//! The facts about the run as pages show them.

use memprof_replay::processes::Process;
use serde::Serialize;

use crate::metadata::Metadata;
use crate::report::Report;

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
}

#[derive(Serialize)]
struct ProcessEntry {
    pid: u32,
    command_line: String,
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
        let entry = |process: &Process| ProcessEntry { pid: process.pid, command_line: process.command() };
        Self {
            metadata: report.metadata(),
            notes: report.notes(),
            hint,
            processes: processes.list().iter().map(entry).collect(),
            processes_recorded: processes.recorded(),
        }
    }
}
