//! speedscope's format: two profiles, of bytes and of allocations.
//!
//! They are *evented*: a walk through the tree of calls, which is in each call once, while the weight goes by. A
//! *sampled* profile spells every stack out, and with deep recursion that is the square of what there is to say.
//!
//! Source: <https://www.speedscope.app/file-format-schema.json>.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::format::{Format, Metrics, Processes, Source, TreeFormat};
use super::frames::{Frames, NamedFrame};
use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_columns::Sequence;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

#[derive(Serialize)]
struct File<'a, F> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: &'a str,
    exporter: &'static str,
    #[serde(rename = "activeProfileIndex")]
    active_profile: u32,
    shared: Shared<F>,
    profiles: [Profile; 2],
}

#[derive(Serialize)]
struct Shared<F> {
    frames: F,
}

#[derive(Serialize)]
struct Profile {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    #[serde(rename = "startValue")]
    start: u64,
    #[serde(rename = "endValue")]
    end: u64,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Event {
    #[serde(rename = "type")]
    kind: EventKind,
    frame: u32,
    /// What has gone by.
    at: u64,
}

#[derive(Clone, Copy, Serialize)]
enum EventKind {
    #[serde(rename = "O")]
    Open,
    #[serde(rename = "C")]
    Close,
}

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "speedscope",
    help: "For https://www.speedscope.app",
    extension: "speedscope.json",
    metrics: Metrics::Chosen,
    processes: Processes::All,
    source: Source::Tree(TreeFormat(write)),
};

/// Writes the stacks that have any of the memory that is asked for.
///
/// # Errors
/// What `out` answers to a write.
fn write(report: &Report, tree: &FlameTree, (_, metric): (View, Metric), out: &mut dyn SizedWrite) -> io::Result<()> {
    let places = report.places();
    let sums = tree.inclusive(metric);
    let frames = Frames::of(tree, places, |id, _| !sums[id.index()].is_zero());
    let (frames, own) = (&frames, tree.own(metric));
    let profile = |what: &str, unit, weight: fn(Amount) -> u64| {
        let (events, end) = walk(tree, frames, |node| weight(own[node.index()]), |node| weight(sums[node.index()]) > 0);
        Profile { kind: "evented", name: format!("{what} {}", metric.heading()), unit, start: 0, end, events }
    };
    let file = File {
        schema: "https://www.speedscope.app/file-format-schema.json",
        name: &report.metadata().command_line,
        exporter: concat!("memprof@", env!("CARGO_PKG_VERSION")),
        active_profile: 0,
        shared: Shared { frames: Sequence(frames.places().iter().map(|&place| NamedFrame::of(places, place))) },
        profiles: [
            profile("bytes", "bytes", |amount| amount.bytes),
            profile("allocations", "none", |amount| amount.allocations),
        ],
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}

/// Goes through the calls that have any weight, and returns what it all weighs.
fn walk(
    tree: &FlameTree,
    frames: &Frames,
    own: impl Fn(NodeId) -> u64,
    has_weight: impl Fn(NodeId) -> bool,
) -> (Vec<Event>, u64) {
    let (mut events, mut open, mut at) = (Vec::new(), Vec::new(), own(NodeId::ROOT));
    let event = |kind, node: NodeId, at| Event { kind, frame: frames.number(tree.nodes()[node.index()].place), at };
    // Each node is followed by all that is below it.
    for (node, call) in (0..).map(NodeId).zip(tree.nodes()).skip(1) {
        // What is below a call without weight has none.
        if has_weight(node) {
            while let Some(left) = open.pop_if(|caller| *caller != call.parent) {
                events.push(event(EventKind::Close, left, at));
            }
            events.push(event(EventKind::Open, node, at));
            open.push(node);
            at = at.saturating_add(own(node));
        }
    }
    events.extend(open.into_iter().rev().map(|left| event(EventKind::Close, left, at)));
    (events, at)
}
