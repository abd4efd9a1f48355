//! The processed format of the Firefox Profiler, for <https://profiler.firefox.com>: every event of one process.
//!
//! Source: the types of the profiler's front end, as the crate fxprof-processed-profile 0.8 writes them (version 55; later
//! front ends convert it). That crate has the whole profile in memory. Here only the tables of calls are; the
//! columns of allocations, which stand one after the other in the file, are written by a replay of their own each.

mod allocation_columns;
mod call_tables;

use std::io::{self, Write};

use memprof_replay::timeline::TimelinePoint;
use serde::Serialize;
use serde_json::json;

use super::event_places::EventPlaces;
use super::lifetimes::replay_lifetimes;
use crate::report::Report;
use crate::run_clock::RunClock;
use crate::view::View;
use allocation_columns::{Column, ColumnWriter};
use call_tables::CallTables;

/// Writes the process of a report, which must be the only one.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
pub(super) fn write_firefox(report: &mut Report, view: View, out: &mut impl Write) -> io::Result<()> {
    let places = EventPlaces::of(report, view);
    out.write_all(b"{\"meta\":")?;
    serde_json::to_writer(&mut *out, &meta(report))?;
    // Functions have names already: there is nothing to be looked up in libraries.
    out.write_all(b",\"libs\":[],\"pages\":[],\"profilerOverhead\":[],\"counters\":")?;
    serde_json::to_writer(&mut *out, &[heap_counter(report)])?;
    out.write_all(b",\"threads\":[")?;
    // An object that goes on.
    let mut thread = serde_json::to_vec(&thread(report))?;
    thread.pop();
    out.write_all(&thread)?;
    CallTables::of(report, &places).write_fields(out)?;
    out.write_all(b",\"nativeAllocations\":{\"weightType\":\"bytes\"")?;
    let mut rows = 0;
    for column in Column::ALL {
        write!(out, ",\"{}\":[", column.name())?;
        rows = replay_lifetimes(report, &places, ColumnWriter::new(column, report.clock, &mut *out))?.rows();
        out.write_all(b"]")?;
    }
    writeln!(out, ",\"length\":{rows}}}}}]}}")
}

fn meta(report: &Report) -> impl Serialize {
    let metadata = report.metadata();
    json!({
        "version": 24,
        "preprocessedProfileVersion": 55,
        "product": metadata.command_line,
        "importedFrom": "memprof",
        "startTime": report.reader.header().start_unix_ns / 1_000_000,
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
        "initialVisibleThreads": [0],
        "initialSelectedThreads": [0],
    })
}

/// The heap over the run: the profiler's memory track.
fn heap_counter(report: &Report) -> impl Serialize {
    let points = &report.aggregate.timeline;
    let before = |index: usize| points.get(index.wrapping_sub(1));
    let time = |point: &TimelinePoint| report.clock.seconds(point.at) * 1e3;
    let counts: Vec<i128> = (points.iter().enumerate())
        .map(|(index, point)| i128::from(point.bytes) - before(index).map_or(0, |before| before.bytes.into()))
        .collect();
    let deltas: Vec<f64> =
        (points.iter().enumerate()).map(|(index, point)| time(point) - before(index).map_or(0.0, time)).collect();
    json!({
        "name": "malloc",
        "category": "Memory",
        "description": "What the program has allocated",
        "mainThreadIndex": 0,
        "pid": report.metadata().pid.to_string(),
        "samples": { "length": points.len(), "count": counts, "number": vec![0; points.len()], "timeDeltas": deltas },
    })
}

/// All threads as one: allocations of several in one table, as the profiler has them, too.
fn thread(report: &Report) -> impl Serialize {
    let metadata = report.metadata();
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
        "pid": metadata.pid.to_string(),
        "tid": metadata.pid.to_string(),
        "processStartupTime": 0,
        "processShutdownTime": null,
        "registerTime": 0,
        "unregisterTime": null,
        "pausedRanges": [],
        "showMarkersInTimeline": false,
        "samples": samples,
        "markers": columns(&["category", "data", "endTime", "name", "phase", "startTime"]),
        "nativeSymbols": columns(&["address", "functionSize", "libIndex", "name"]),
        "resourceTable": columns(&["lib", "name", "host", "type"]),
    })
}
