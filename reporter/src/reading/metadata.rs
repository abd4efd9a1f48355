//! What a report says about the run itself.

use memprof_capture::file::{CaptureReader, Fact};
use memprof_replay::processes::Processes;
use memprof_replay::replay::end_of;
use serde::Serialize;

use crate::formatting::shell_quoting::join_quoted;
use crate::reading::query::Query;
use crate::reading::run_clock::RunClock;
use crate::reading::utc_time::iso_8601;

/// The facts about a run, as all reports print them. docs/metrics.md defines each.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Metadata {
    /// The program and its arguments, quoted for a shell.
    pub command_line: String,
    /// The process, or the first of several.
    pub pid: u32,
    /// When it started: ISO 8601, UTC.
    #[cfg_attr(test, schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")))]
    pub start_time: String,
    /// How long it ran, as far as the capture knows.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub duration_s: f64,
    /// Such as `3.11.7`; empty for a program that ran no Python.
    pub python_version: String,
    /// Such as `pymalloc`; empty when it is not known.
    pub python_allocator: String,
    /// Whether native stacks were recorded.
    pub native_stacks: bool,
    /// Whether Python's own allocators were recorded.
    pub python_allocators_traced: bool,
    /// Whether the capture was ended properly and all of it could be read.
    pub complete: bool,
    /// The version of memprof that recorded.
    pub memprof_version: String,
    /// What part of the capture the report is about, in words; empty where it is about all, or all of some processes.
    pub selection: String,
}

impl Metadata {
    /// Gathers the facts of a capture. Whether it is complete is known once its events have been read.
    #[must_use]
    pub fn of(reader: &CaptureReader, processes: &Processes, clock: &RunClock, query: &Query) -> Self {
        let header = reader.header();
        // A program may run another one; the last Python is what the reader of a report takes for the program's.
        let python = reader.facts().iter().rev().find_map(|fact| match fact {
            Fact::Python { version, allocator, .. } => Some((version.clone(), allocator.clone())),
            _ => None,
        });
        // A report on one of several processes is about the program that this one ran.
        let command_line = match processes.list() {
            [process] if processes.recorded() > 1 => &process.command_line,
            _ => &header.command_line,
        };
        // The one that was started; where that was a wrapper that ran Python as its child, the child.
        let pids = || processes.list().iter().map(|process| process.pid);
        let pid = pids().find(|&pid| pid == header.pid).or_else(|| pids().next()).unwrap_or(header.pid);
        let (python_version, python_allocator) = python.unwrap_or_default();
        // Python 2 lets nobody put functions before its allocators.
        let python_allocators_traced =
            header.python_allocators_traced.holds(python_version.ends_with('t')) && !python_version.starts_with("2.");
        let duration_s = duration_s(reader, clock);
        Self {
            command_line: join_quoted(command_line),
            pid,
            start_time: iso_8601(header.start_unix_ns),
            duration_s,
            python_version,
            python_allocator,
            native_stacks: header.native_stacks,
            python_allocators_traced,
            complete: reader.summary().is_some_and(|summary| summary.damaged_chunks == 0 && summary.stopped.is_none())
                && reader.damage().is_none(),
            memprof_version: header.memprof_version.clone(),
            selection: query.in_words(duration_s),
        }
    }
}

/// How long the run lasted, as far as the capture knows.
pub(crate) fn duration_s(reader: &CaptureReader, clock: &RunClock) -> f64 {
    clock.seconds(reader.summary().map_or_else(|| end_of(reader), |summary| summary.end.stamp))
}
