//! `temporary --json`; docs/temporary.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{SortBy, TemporaryPlace, places};
use crate::json_columns::Sequence;
use crate::json_frames::{JsonFrame, frames};
use crate::json_head::JsonHead;
use crate::report::Report;
use crate::stack_groups::StackGroup;
use crate::table::LOST_ALLOCATOR;
use crate::view::View;

#[derive(Serialize)]
struct Temporary<'a, P> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    sort: &'static str,
    threshold: u64,
    total: Amount,
    places: P,
}

#[derive(Serialize)]
struct Place<'a, S> {
    #[serde(flatten)]
    place: JsonFrame<'a>,
    temporary: Amount,
    total: Amount,
    stacks: S,
}

#[derive(Serialize)]
struct Stack<F> {
    bytes: u64,
    allocations: u64,
    allocator: &'static str,
    frames: F,
}

/// Writes all places as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, view: View, sort: SortBy, out: &mut impl Write) -> io::Result<()> {
    let (places, paths) = places(report, view, sort);
    let stack = |group: &StackGroup| Stack {
        bytes: group.amount.bytes,
        allocations: group.amount.allocations,
        allocator: group.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name()),
        frames: frames(report, paths.places(group.path)),
    };
    let place = |row: &TemporaryPlace| Place {
        place: JsonFrame::new(report, row.place),
        temporary: row.temporary,
        total: row.total,
        stacks: row.stacks.iter().map(stack).collect::<Vec<_>>(),
    };
    let temporary = Temporary {
        head: JsonHead::new("memprof-temporary-1", report, view, Metric::Temporary),
        sort: sort.name(),
        threshold: report.temporary_threshold(),
        total: report.total(Metric::Temporary),
        places: Sequence(places.iter().map(place)),
    };
    serde_json::to_writer_pretty(&mut *out, &temporary)?;
    writeln!(out)
}
