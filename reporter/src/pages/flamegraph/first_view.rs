//! What the page of a large tree draws before it has unpacked the tree: the frames that are wide enough to be seen.

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::html::Head;
use crate::naming::places::Places;
use crate::naming::strings::Strings;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;

/// Smaller trees are drawn at once.
const SMALLEST_TREE: usize = 50_000;
/// Frames that hold less than this share of the total are one. Few screens have more pixels.
const SMALLEST_SHARE: u64 = 2048;
/// Rows that a screen may have room for.
const DEEPEST: u32 = 64;
/// The kind of the blocks that represent frames that are too narrow: the number after the kinds of places.
/// templates/page/data/views.js has it, too.
const MERGED_KIND: u8 = 7;

/// The head with a small tree, in the shape in which the page has the whole one.
#[derive(Serialize)]
pub(super) struct FirstView<'a> {
    #[serde(flatten)]
    head: &'a Head<'a>,
    strings: Vec<String>,
    frames: Frames,
    nodes: Nodes,
    cells: serde_json::Value,
}

#[derive(Serialize, Default)]
struct Frames {
    function: Vec<u32>,
    file: Vec<u32>,
    line: Vec<u32>,
    kind: Vec<u8>,
    shown: Vec<u8>,
    module: Vec<i64>,
    source: Vec<i64>,
}

#[derive(Serialize, Default)]
struct Nodes {
    up: Vec<u32>,
    frame: Vec<u32>,
}

impl Frames {
    fn push(&mut self, [function, file]: [u32; 2], line: u32, kind: u8, shown: u8) -> u32 {
        self.function.push(function);
        self.file.push(file);
        self.line.push(line);
        self.kind.push(kind);
        self.shown.push(shown);
        self.module.push(-1);
        self.source.push(-1);
        self.kind.len() as u32 - 1
    }
}

/// A node of the small tree that is being made.
struct Sprout {
    depth: u32,
    frame: u32,
    own: Amount,
}

impl<'a> FirstView<'a> {
    /// The part of a large tree that can be seen; nothing for a small tree.
    pub(super) fn of(report: &Report, tree: &FlameTree, metric: Metric, head: &'a Head<'a>) -> Option<Self> {
        if tree.nodes().len() < SMALLEST_TREE {
            return None;
        }
        let mut strings = Strings::default();
        let mut frames = Frames::default();
        let sprouts = sprouts(tree, metric, report.places(), &mut strings, &mut frames);
        let mut nodes = Nodes::default();
        let mut before = 0;
        for (index, sprout) in sprouts.iter().enumerate() {
            nodes.up.push(if index == 0 { 0 } else { before + 1 - sprout.depth });
            nodes.frame.push(sprout.frame);
            before = sprout.depth;
        }
        let mut cells = serde_json::Map::new();
        cells.insert("node".to_owned(), (0..sprouts.len()).collect());
        let bytes = sprouts.iter().map(|sprout| sprout.own.bytes).collect();
        cells.insert(format!("{}_bytes", metric.name()), bytes);
        let allocations = sprouts.iter().map(|sprout| sprout.own.allocations).collect();
        cells.insert(format!("{}_allocations", metric.name()), allocations);
        let strings = strings.iter().map(str::to_owned).collect();
        Some(Self { head, strings, frames, nodes, cells: cells.into() })
    }
}

/// The nodes that are wide enough, each with a child that represents those below it that are not.
fn sprouts(
    tree: &FlameTree,
    metric: Metric,
    places: &Places,
    strings: &mut Strings,
    frames: &mut Frames,
) -> Vec<Sprout> {
    let nodes = tree.nodes();
    // Bytes and allocations one after the other: all amounts at once would be the largest thing in memory.
    let sums = tree.inclusive_by(|amounts| amounts[metric].bytes);
    let smallest = sums[0].div_ceil(SMALLEST_SHARE).max(1);
    let mut depth = vec![0_u32; nodes.len()];
    let mut is_kept = vec![true; nodes.len()];
    // What is below a node that is kept in nodes that are not.
    let mut merged: FxHashMap<usize, Amount> = FxHashMap::default();
    for (index, node) in nodes.iter().enumerate().skip(1) {
        let parent = node.parent.index();
        depth[index] = depth[parent] + 1;
        is_kept[index] = is_kept[parent] && depth[index] <= DEEPEST && sums[index] >= smallest;
        if is_kept[parent] && !is_kept[index] {
            merged.entry(parent).or_default().bytes += sums[index];
        }
    }
    drop(sums);
    let sums = tree.inclusive_by(|amounts| amounts[metric].allocations);
    for (index, node) in nodes.iter().enumerate().skip(1) {
        if is_kept[node.parent.index()] && !is_kept[index] {
            merged.entry(node.parent.index()).or_default().allocations += sums[index];
        }
    }
    drop(sums);
    let mut own: FxHashMap<usize, Amount> = FxHashMap::default();
    for cell in tree.cells().filter(|cell| is_kept[cell.node.index()]) {
        own.entry(cell.node.index()).or_default().add(cell.sums[metric]);
    }
    let amount = |of: &FxHashMap<usize, Amount>, index| of.get(&index).copied().unwrap_or_default();
    let mut frame_of_place = vec![None; places.len()];
    let texts = |strings: &mut Strings, texts: [&str; 2]| texts.map(|text| strings.intern(text).0);
    let mut out = Vec::new();
    let mut more = None;
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| is_kept[*index]) {
        let frame = *frame_of_place[node.place.index()].get_or_insert_with(|| {
            let place = places.get(node.place);
            let names = texts(strings, [places.function(node.place), places.file(node.place)]);
            frames.push(names, places.line(node.place), place.kind as u8, place.shown.bits())
        });
        out.push(Sprout { depth: depth[index], frame, own: amount(&own, index) });
        let merged = amount(&merged, index);
        if !merged.is_zero() {
            let frame = *more.get_or_insert_with(|| {
                let names = texts(strings, ["more", ""]);
                frames.push(names, 0, MERGED_KIND, crate::naming::view::Views::ALL.bits())
            });
            out.push(Sprout { depth: depth[index] + 1, frame, own: merged });
        }
    }
    out
}
