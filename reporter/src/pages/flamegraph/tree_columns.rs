//! The flame graph's tree as columns of the page.

use std::collections::BTreeSet;

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::ThreadId;
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;

use crate::naming::places::{PlaceId, PlaceKind, Places};
use crate::naming::strings::Strings;
use crate::pages::page::Columns;
use crate::reading::report::Report;
use crate::reading::source_lines::SourceLines;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// The places that occur in the tree, as the page numbers them.
pub(super) struct UsedFrames {
    places: Vec<PlaceId>,
    of_place: Vec<u32>,
}

impl UsedFrames {
    const NONE: u32 = u32::MAX;

    /// In the order of the tree, the root's first.
    pub(super) fn of(tree: &FlameTree, places: &Places) -> Self {
        let mut used = Self { places: Vec::new(), of_place: vec![Self::NONE; places.len()] };
        for node in tree.nodes() {
            let frame = &mut used.of_place[node.place.index()];
            if *frame == Self::NONE {
                *frame = used.places.len() as u32;
                used.places.push(node.place);
            }
        }
        used
    }

    /// Names are numbers of `strings`.
    pub(super) fn write(&self, report: &Report, lines: &mut SourceLines, strings: &mut Strings, columns: &mut Columns) {
        let places = report.places();
        let of_each = || self.places.iter().copied();
        let mut texts = |columns: &mut Columns, name: &str, text: fn(&Places, PlaceId) -> &str| {
            columns.unsigned(name, of_each().map(|place| strings.intern(text(places, place)).0));
        };
        texts(columns, "frames.function", Places::function);
        texts(columns, "frames.file", Places::file);
        columns.unsigned("frames.line", of_each().map(|place| places.line(place)));
        columns.unsigned("frames.kind", of_each().map(|place| places.get(place).kind as u8));
        // The views that show it, as bits.
        columns.unsigned("frames.shown", of_each().map(|place| places.get(place).shown.bits()));
        // What says which of a stack's native functions is its place.
        let claims = || of_each().map(|place| places.claim(place));
        columns.unsigned("frames.origin", claims().map(|claim| claim.origin as u8));
        columns.unsigned("frames.passes_on", claims().map(|claim| u8::from(claim.passes_on)));
        columns.unsigned("frames.enters_allocator", claims().map(|claim| u8::from(claim.enters_allocator)));
        let mut number = |text: &str| strings.intern(text).0;
        // The module of a native function, unless several have it.
        columns.optional("frames.module", of_each().map(|place| places.module(place).map(&mut number)));
        columns.optional(
            "frames.source",
            of_each().map(|place| match places.get(place).kind {
                PlaceKind::Python => lines.get(places.file(place), places.line(place)).map(&mut number),
                _ => None,
            }),
        );
    }
}

/// How many levels above the node before it each node hangs, and its frame.
pub(super) fn write_tree(tree: &FlameTree, frames: &UsedFrames, columns: &mut Columns) {
    let parents: Vec<NodeId> = tree.nodes().iter().map(|node| node.parent).collect();
    write_nodes(&parents, tree.nodes().iter().map(|node| frames.of_place[node.place.index()]), columns);
}

/// The same of any tree in preorder.
pub(crate) fn write_nodes(parents: &[NodeId], frames: impl IntoIterator<Item = u32>, columns: &mut Columns) {
    let mut depths = vec![0_u32; parents.len()];
    let mut ups = vec![0_u32; parents.len()];
    for (index, parent) in parents.iter().enumerate().skip(1) {
        depths[index] = depths[parent.index()] + 1;
        ups[index] = depths[index - 1] + 1 - depths[index];
    }
    columns.unsigned("nodes.up", ups);
    columns.unsigned("nodes.frame", frames);
}

/// What distinguishes cells, besides their nodes.
pub(super) struct CellAxes {
    /// The threads, by process.
    pub threads: Vec<(ProcessId, ThreadId)>,
    /// How they allocated; nothing where a damaged capture lost it.
    pub allocators: Vec<Option<Allocator>>,
}

impl CellAxes {
    /// All that occur.
    pub(super) fn of(tree: &FlameTree) -> Self {
        let threads: BTreeSet<_> = tree.actors().iter().map(|actor| (actor.process, actor.thread)).collect();
        let allocators: BTreeSet<_> = tree.actors().iter().map(|actor| actor.allocator).collect();
        Self { threads: threads.into_iter().collect(), allocators: allocators.into_iter().collect() }
    }

    /// The metric that the page begins with comes first, so that it can be drawn when the rest is still being unpacked.
    pub(super) fn write(&self, tree: &FlameTree, first: Metric, columns: &mut Columns) {
        let cells = || tree.cells();
        let number = |found: Result<usize, usize>| found.unwrap_or_else(|next| next) as u32;
        columns.ascending("cells.node", cells().map(|cell| cell.node.0));
        let others = Metric::ALL.into_iter().filter(|metric| *metric != first);
        for metric in [first].into_iter().chain(others) {
            let amounts = || cells().map(move |cell| cell.sums[metric]);
            columns.unsigned(&format!("cells.{}_bytes", metric.name()), amounts().map(|amount| amount.bytes));
            columns
                .unsigned(&format!("cells.{}_allocations", metric.name()), amounts().map(|amount| amount.allocations));
        }
        let thread = |(process, thread)| number(self.threads.binary_search(&(process, thread)));
        columns.unsigned("cells.thread", cells().map(|cell| thread((cell.process, cell.thread))));
        let allocator = |allocator| number(self.allocators.binary_search(&allocator));
        columns.unsigned("cells.allocator", cells().map(|cell| allocator(cell.allocator)));
    }
}
