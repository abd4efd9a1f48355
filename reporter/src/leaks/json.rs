//! `leaks --json`; docs/leaks.schema.json describes it.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::LeakSettings;
use crate::json_columns::Sequence;
use crate::json_frames::frames;
use crate::json_head::JsonHead;
use crate::report::Report;
use crate::stack_groups::{StackGroup, groups};
use crate::stack_paths::StackPaths;
use crate::suppressions::SuppressedLeaks;
use crate::table::LOST_ALLOCATOR;

#[derive(Serialize)]
struct Leaks<'a, L> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    total: Amount,
    suppressed: &'a [SuppressedLeaks],
    leaks: L,
}

#[derive(Serialize)]
struct Leak<F> {
    bytes: u64,
    allocations: u64,
    allocator: &'static str,
    frames: F,
}

/// Writes all stacks as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, settings: &LeakSettings, out: &mut impl Write) -> io::Result<()> {
    let row_places = report.row_places(settings.view);
    let paths = StackPaths::of(report.tables(), &report.places, &row_places, settings.view);
    let groups = groups(report, &paths, &row_places, Metric::Leaks, settings.ranking);
    let leak = |group: &StackGroup| Leak {
        bytes: group.amount.bytes,
        allocations: group.amount.allocations,
        allocator: group.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name()),
        frames: frames(report, paths.places(group.path)),
    };
    let leaks = Leaks {
        head: JsonHead::new("memprof-leaks-1", report, settings.view, Metric::Leaks),
        total: report.total(Metric::Leaks),
        suppressed: &settings.suppressed,
        leaks: Sequence(groups.iter().map(leak)),
    };
    serde_json::to_writer_pretty(&mut *out, &leaks)?;
    writeln!(out)
}
