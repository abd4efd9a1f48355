//! gprof2dot's own JSON, which `gprof2dot -f json` draws.
//!
//! Source: `JsonParser` of gprof2dot. It knows no lines: the calls of a function are one.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::call_tree;
use crate::flame_tree::NodeId;
use crate::json_columns::Sequence;
use crate::places::PlaceId;
use crate::report::Report;
use crate::strings::StringId;
use crate::view::View;

#[derive(Serialize)]
struct Profile<F, E> {
    version: u32,
    costs: [Cost; 2],
    functions: F,
    events: E,
}

#[derive(Serialize)]
struct Cost {
    description: &'static str,
    unit: &'static str,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    module: &'a str,
}

#[derive(Serialize)]
struct Event {
    /// Functions, the innermost first.
    callchain: Vec<u32>,
    /// As in `costs`.
    cost: [u64; 2],
}

/// Writes the stacks that have any of the memory that is asked for.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write_gprof2dot(report: &mut Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let tree = call_tree(report, view);
    let places = &report.places;
    // A place of each function stands for all of them. The root, which comes first, is no function.
    let mut functions: Vec<PlaceId> = Vec::new();
    let mut known: FxHashMap<(StringId, StringId), u32> = FxHashMap::default();
    let mut of_node = vec![0];
    of_node.extend(tree.nodes().iter().skip(1).map(|node| {
        let place = places.get(node.place);
        *known.entry((place.function, place.file)).or_insert_with(|| {
            functions.push(node.place);
            functions.len() as u32 - 1
        })
    }));
    let own = tree.own(metric);
    let events = (0..).map(NodeId).zip(&own).filter(|(_, amount)| !amount.is_zero());
    let profile = Profile {
        version: 0,
        costs: [
            Cost { description: "Memory", unit: "bytes" },
            Cost { description: "Allocations", unit: "allocations" },
        ],
        functions: Sequence(
            functions.iter().map(|&place| Function { name: places.function(place), module: places.file(place) }),
        ),
        events: Sequence(events.map(|(node, amount)| {
            let callchain = tree.callers(node).map(|call| of_node[call.index()]).collect();
            Event { callchain, cost: [amount.bytes, amount.allocations] }
        })),
    };
    serde_json::to_writer(&mut *out, &profile)?;
    writeln!(out)
}
