//! speedscope's format: two profiles, of bytes and of allocations.
//!
//! Source: <https://www.speedscope.app/file-format-schema.json>.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::call_tree;
use super::frames::{Frames, NamedFrame};
use crate::flame_tree::NodeId;
use crate::json_columns::Sequence;
use crate::report::Report;
use crate::view::View;

#[derive(Serialize)]
struct File<'a, F, B, A> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: &'a str,
    exporter: &'static str,
    #[serde(rename = "activeProfileIndex")]
    active_profile: u32,
    shared: Shared<F>,
    profiles: (B, A),
}

#[derive(Serialize)]
struct Shared<F> {
    frames: F,
}

#[derive(Serialize)]
struct Profile<S, W> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    #[serde(rename = "startValue")]
    start: u64,
    #[serde(rename = "endValue")]
    end: u64,
    samples: S,
    weights: W,
}

/// Writes the stacks that have any of the memory that is asked for.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write_speedscope(
    report: &mut Report,
    view: View,
    metric: Metric,
    out: &mut impl Write,
) -> io::Result<()> {
    let tree = call_tree(report, view);
    let places = &report.places;
    let sums = tree.inclusive(metric);
    let frames = Frames::of(&tree, places, |id, _| !sums[id.index()].is_zero());
    let (frames, own) = (&frames, &tree.own(metric));
    let profile = |what: &str, unit, weight: fn(Amount) -> u64| {
        let own = (0..).map(NodeId).zip(own).map(move |(node, &amount)| (node, weight(amount)));
        let own = own.filter(|&(_, weight)| weight > 0);
        Profile {
            kind: "sampled",
            name: format!("{what} {}", metric.heading()),
            unit,
            start: 0,
            end: own.clone().map(|(_, weight)| weight).fold(0, u64::saturating_add),
            samples: Sequence(own.clone().map(|(node, _)| frames.stack(node))),
            weights: Sequence(own.map(|(_, weight)| weight)),
        }
    };
    let file = File {
        schema: "https://www.speedscope.app/file-format-schema.json",
        name: &report.metadata.command_line,
        exporter: concat!("memprof@", env!("CARGO_PKG_VERSION")),
        active_profile: 0,
        shared: Shared { frames: Sequence(frames.places().iter().map(|&place| NamedFrame::of(places, place))) },
        profiles: (
            profile("bytes", "bytes", |amount| amount.bytes),
            profile("allocations", "none", |amount| amount.allocations),
        ),
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}
