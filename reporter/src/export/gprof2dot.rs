//! gprof2dot's own JSON, which `gprof2dot -f json` draws.
//!
//! Source: `JsonParser` of gprof2dot. It knows no lines: the calls of a function are one.

use std::io;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::format::{Format, Metrics, Processes, Source, TreeFormat};
use super::stack_lengths::list_lengths;
use crate::formatting::expected_size::{ByteCount, ExpectedSize, SizedWrite};
use crate::formatting::json_columns::Sequence;
use crate::naming::places::PlaceId;
use crate::naming::strings::StringId;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

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

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "gprof2dot",
    help: "For `gprof2dot -f json`",
    extension: "json",
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
    // A place of each function represents all of them. The root, which comes first, is no function.
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
    let functions =
        functions.iter().map(|&place| Function { name: places.function(place), module: places.file(place) });
    let event = |callchain, amount: &Amount| Event { callchain, cost: [amount.bytes, amount.allocations] };
    let without_chains = profile(functions.clone(), events.clone().map(|(_, amount)| event(Vec::new(), amount)));
    let bytes = ByteCount::of(|count| Ok(serde_json::to_writer(count, &without_chains)?))? + 1;
    let chains = list_lengths(tree, |node| of_node[node.index()]);
    let bytes = events.clone().map(|(node, _)| chains[node.index()]).fold(bytes, u64::saturating_add);
    out.expect(ExpectedSize::Exactly(bytes))?;
    let events =
        events.map(|(node, amount)| event(tree.callers(node).map(|call| of_node[call.index()]).collect(), amount));
    serde_json::to_writer(&mut *out, &profile(functions, events))?;
    writeln!(out)
}

fn profile<F, E>(functions: F, events: E) -> Profile<Sequence<F>, Sequence<E>> {
    let cost = |description, unit| Cost { description, unit };
    let costs = [cost("Memory", "bytes"), cost("Allocations", "allocations")];
    Profile { version: 0, costs, functions: Sequence(functions), events: Sequence(events) }
}
