//! The tree of calls, root first: stacks whose frames are the same places share their nodes.
//!
//! Nothing here recurses: stacks may be a hundred thousand frames deep.

use memprof_capture::file::Tables;
use memprof_capture::ids::StackId;
use rustc_hash::FxHashMap;

use crate::aggregate::SlotSummary;
use crate::metric::Metric;
use crate::places::{PlaceId, Places};
use crate::slots::Amount;

/// The name of the root.
pub const ROOT: &str = "all";

/// The number of a node. Node 0 is the root; parents have lower numbers than their children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root.
    pub const ROOT: Self = Self(0);

    /// The node as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A call, or a place where memory was allocated.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The caller. The root is its own.
    pub parent: NodeId,
    /// Where.
    pub place: PlaceId,
    /// What was allocated right here, without what it called: live at the peak.
    pub peak: Amount,
    /// The same, live at the end.
    pub leaked: Amount,
    /// The same, ever allocated.
    pub total: Amount,
}

impl Node {
    /// The own value that a metric asks for.
    #[must_use]
    pub const fn own(&self, metric: Metric) -> Amount {
        match metric {
            Metric::Peak => self.peak,
            Metric::Leaks => self.leaked,
            Metric::Total => self.total,
        }
    }
}

/// The tree of a capture.
pub struct FlameTree {
    nodes: Vec<Node>,
}

impl FlameTree {
    /// Builds the tree of everything that was allocated.
    #[must_use]
    pub fn build(tables: &Tables, places: &mut Places, slots: &[SlotSummary]) -> Self {
        let mut builder = Builder { nodes: Vec::new(), children: FxHashMap::default() };
        let root = places.special(ROOT);
        builder.push(NodeId::ROOT, root);
        let node_of = builder.stacks(tables, places, slots);
        for slot in slots {
            let site = tables.site(slot.site);
            let node = match site {
                Some(site) if site.stack == StackId::EMPTY => {
                    let outside = builder.child(NodeId::ROOT, places.no_python());
                    let allocator = places.allocator(site.allocator);
                    builder.child(outside, allocator)
                }
                Some(site) => match node_of.get(site.stack.index()) {
                    Some(&Some(node)) => node,
                    _ => builder.lost(places),
                },
                None => builder.lost(places),
            };
            let node = &mut builder.nodes[node.index()];
            node.peak.add(slot.peak);
            node.leaked.add(slot.leaked);
            node.total.add(slot.total);
        }
        Self { nodes: builder.nodes }
    }

    /// The nodes, parents first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What each node and everything below it hold together.
    #[must_use]
    pub fn inclusive(&self, metric: Metric) -> Vec<Amount> {
        let mut sums: Vec<Amount> = self.nodes.iter().map(|node| node.own(metric)).collect();
        for index in (1..self.nodes.len()).rev() {
            let sum = sums[index];
            sums[self.nodes[index].parent.index()].add(sum);
        }
        sums
    }
}

struct Builder {
    nodes: Vec<Node>,
    children: FxHashMap<(NodeId, PlaceId), NodeId>,
}

impl Builder {
    fn push(&mut self, parent: NodeId, place: PlaceId) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        let none = Amount::default();
        self.nodes.push(Node { parent, place, peak: none, leaked: none, total: none });
        id
    }

    fn child(&mut self, parent: NodeId, place: PlaceId) -> NodeId {
        if let Some(&child) = self.children.get(&(parent, place)) {
            return child;
        }
        let child = self.push(parent, place);
        self.children.insert((parent, place), child);
        child
    }

    fn lost(&mut self, places: &Places) -> NodeId {
        self.child(NodeId::ROOT, places.lost_stack())
    }

    /// The node of each stack that something was allocated on, or that leads to one. Two passes over the trie, whose
    /// parents come before their children: down to find the needed ones, up to make their nodes.
    fn stacks(&mut self, tables: &Tables, places: &Places, slots: &[SlotSummary]) -> Vec<Option<NodeId>> {
        let count = tables.stacks.len() + 1;
        let mut needed = vec![false; count];
        for site in slots.iter().filter_map(|slot| tables.site(slot.site)) {
            if let Some(needed) = needed.get_mut(site.stack.index()) {
                *needed = true;
            }
        }
        for index in (1..count).rev() {
            if needed[index]
                && let Some(node) = tables.stacks[index - 1]
                && node.parent.index() < index
            {
                needed[node.parent.index()] = true;
            }
        }
        let mut node_of = vec![None; count];
        node_of[0] = Some(NodeId::ROOT);
        for index in (1..count).filter(|&index| needed[index]) {
            let stack = tables.stacks[index - 1].filter(|node| node.parent.index() < index);
            node_of[index] = Some(match stack {
                Some(stack) => {
                    let parent = node_of[stack.parent.index()].unwrap_or(NodeId::ROOT);
                    self.child(parent, places.of_frame(stack.frame))
                }
                // Damage: the callers are unknown.
                None => self.lost(places),
            });
        }
        node_of
    }
}
