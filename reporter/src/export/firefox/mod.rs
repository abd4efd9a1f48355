//! The processed format of the Firefox Profiler, for <https://profiler.firefox.com>: every event.
//!
//! Source: the types of the profiler's front end, as the crate fxprof-processed-profile 0.8 writes them (version 55;
//! later front ends convert it). That crate has the whole profile in memory. Here only the tables of calls are; the
//! columns of allocations, which come one after the other in the file, are written by a replay of their own each. Of
//! several processes, one after the other is in memory.

mod allocation_columns;
mod call_tables;

use std::io::{self, Write};

use memprof_channel::ids::Stamp;
use memprof_replay::metric::Metric;
use memprof_replay::processes::Origin;
use memprof_replay::timeline::TimelinePoint;
use serde::Serialize;
use serde_json::{Value, json};

use super::event_places::EventPlaces;
use super::format::{Format, Metrics, Processes, Source};
use super::lifetimes::{beginnings_and_ends, replay_lifetimes};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite, digits};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::reading::run_clock::RunClock;
use allocation_columns::{Column, ColumnWriter};
use call_tables::CallTables;

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "firefox",
    help: "For https://profiler.firefox.com, every event",
    extension: "json",
    metrics: Metrics::All,
    processes: Processes::All,
    source: Source::Events(write),
};

/// Writes the processes of a report: a thread and a counter of the profiler's for each.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
fn write(report: &mut Report, view: View, mut out: &mut dyn SizedWrite) -> io::Result<()> {
    out.expect(ExpectedSize::About(beginnings_and_ends(report) * event_bytes(report)))?;
    let names = report.processes().distinct_names();
    out.write_all(b"{\"meta\":")?;
    serde_json::to_writer(&mut *out, &meta(report, names.len()))?;
    // Functions have names already: there is nothing to be looked up in libraries.
    out.write_all(b",\"libs\":[],\"pages\":[],\"profilerOverhead\":[],\"threads\":[")?;
    let mut counters = Vec::new();
    if report.processes().are_several() {
        for (process, name) in report.processes().ids().zip(&names) {
            out.write_all(if counters.is_empty() { b"" } else { b"," })?;
            let mut alone = report.of_process(process).map_err(io::Error::other)?;
            write_process(&mut alone, view, name, &mut out)?;
            counters.push(heap_counter(&alone, name, counters.len()));
        }
    } else {
        write_process(report, view, &names.concat(), &mut out)?;
        counters.push(heap_counter(report, &names.concat(), 0));
    }
    out.write_all(b"],\"counters\":")?;
    serde_json::to_writer(&mut *out, &counters)?;
    writeln!(out, "}}")
}

/// Writes the process of a report, which must be the only one, as a thread.
fn write_process(report: &mut Report, view: View, name: &str, out: &mut impl Write) -> io::Result<()> {
    let places = EventPlaces::of(report, view);
    // An object that goes on.
    let mut thread = serde_json::to_vec(&thread(report, name))?;
    thread.pop();
    out.write_all(&thread)?;
    CallTables::of(report, &places).write_fields(out)?;
    out.write_all(b",\"nativeAllocations\":{\"weightType\":\"bytes\"")?;
    let mut rows = 0;
    for column in Column::ALL {
        write!(out, ",\"{}\":[", column.name())?;
        rows = replay_lifetimes(report, &places, ColumnWriter::new(column, *report.clock(), &mut *out))?.rows();
        out.write_all(b"]")?;
    }
    write!(out, ",\"length\":{rows}}}}}")
}

/// What an event takes in all columns.
fn event_bytes(report: &Report) -> u64 {
    let milliseconds = report.metadata().duration_s * 1e3;
    let numbers = [milliseconds as u64, report.aggregate().slots.len() as u64, report.total(Metric::Total).allocations];
    // Each of these with a comma; three more digits and a point; sizes of four digits; thread 0.
    numbers.map(|number| digits(number) + 1).iter().sum::<u64>() + 4 + 5 + 2
}

fn meta(report: &Report, processes: usize) -> impl Serialize {
    let threads: Vec<usize> = (0..processes).collect();
    let metadata = report.metadata();
    json!({
        "version": 24,
        "preprocessedProfileVersion": 55,
        "product": metadata.command_line,
        "importedFrom": "memprof",
        "startTime": report.start_unix_ns() / 1_000_000,
        "interval": 1,
        "processType": 0,
        "debug": false,
        "symbolicated": true,
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "pausedRanges": [],
        "markerSchema": [],
        "categories": call_tables::categories(),
        "extensions": { "length": 0, "baseURL": [], "id": [], "name": [] },
        "sampleUnits": { "time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs" },
        "initialVisibleThreads": threads,
        "initialSelectedThreads": [0],
    })
}

/// The heap over the run: the profiler's memory track.
fn heap_counter(report: &Report, process: &str, thread: usize) -> Value {
    let points = &report.aggregate().run.timeline;
    let before = |index: usize| points.get(index.wrapping_sub(1));
    let time = |point: &TimelinePoint| report.clock().seconds(point.at) * 1e3;
    let counts: Vec<i128> = (points.iter().enumerate())
        .map(|(index, point)| i128::from(point.bytes) - before(index).map_or(0, |before| before.bytes.into()))
        .collect();
    let deltas: Vec<f64> =
        (points.iter().enumerate()).map(|(index, point)| time(point) - before(index).map_or(0.0, time)).collect();
    json!({
        "name": "malloc",
        "category": "Memory",
        "description": "What the program has allocated",
        "mainThreadIndex": thread,
        "pid": process,
        "samples": { "length": points.len(), "count": counts, "number": vec![0; points.len()], "timeDeltas": deltas },
    })
}

/// All threads of a process as one: allocations of several in one table, as the profiler has them, too.
fn thread(report: &Report, name: &str) -> impl Serialize {
    let metadata = report.metadata();
    let process = report.processes().list().first();
    let milliseconds = |stamp: Option<Stamp>| stamp.map(|at| (report.clock().seconds(at) * 1e3).max(0.0));
    let began = process.filter(|process| process.origin != Origin::Start).map(|process| process.images[0].start);
    let columns = |names: &[&str]| {
        let mut table = serde_json::Map::new();
        table.insert("length".to_owned(), 0.into());
        table.extend(names.iter().map(|&name| (name.to_owned(), json!([]))));
        table
    };
    let mut samples = columns(&["stack", "timeDeltas", "weight", "threadCPUDelta"]);
    samples.insert("weightType".to_owned(), "samples".into());
    json!({
        "name": metadata.command_line,
        "processName": metadata.command_line,
        "processType": "default",
        "isMainThread": true,
        "pid": name,
        "tid": name,
        "processStartupTime": milliseconds(began).unwrap_or(0.0),
        "processShutdownTime": milliseconds(process.and_then(|process| process.ended)),
        "registerTime": milliseconds(began).unwrap_or(0.0),
        "unregisterTime": null,
        "pausedRanges": [],
        "showMarkersInTimeline": false,
        "samples": samples,
        "markers": columns(&["category", "data", "endTime", "name", "phase", "startTime"]),
        "nativeSymbols": columns(&["address", "functionSize", "libIndex", "name"]),
        "resourceTable": columns(&["lib", "name", "host", "type"]),
    })
}
