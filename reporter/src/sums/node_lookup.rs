//! Finds nodes of a flame graph that is being built. Trees have millions of nodes, so both ways are small.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use memprof_channel::ids::StackId;
use rustc_hash::FxBuildHasher;

use crate::naming::places::PlaceId;
use crate::sums::node::{Node, NodeId};

/// The nodes by parent and place: five bytes each, since the nodes themselves say what the key is. Most of a stack is
/// new at once when it comes first, so that most nodes come right after their parents: these are found without a table.
#[derive(Default)]
pub(crate) struct ChildIndex {
    table: HashTable<NodeId>,
}

fn hash(parent: NodeId, place: PlaceId) -> u64 {
    FxBuildHasher.hash_one((parent, place))
}

/// Where a child is that came right after its parent.
fn first_child(parent: NodeId) -> NodeId {
    NodeId(parent.0 + 1)
}

impl ChildIndex {
    /// The child of a node at a place.
    pub(crate) fn get(&self, nodes: &[Node], parent: NodeId, place: PlaceId) -> Option<NodeId> {
        let is_it = |node: &Node| (node.parent, node.place) == (parent, place);
        match nodes.get(first_child(parent).index()) {
            Some(first) if is_it(first) => return Some(first_child(parent)),
            Some(_) => {}
            // Nothing has come yet that follows the last one.
            None => return None,
        }
        self.table.find(hash(parent, place), |node| is_it(&nodes[node.index()])).copied()
    }

    /// Enters a node that is not there yet.
    pub(crate) fn insert(&mut self, nodes: &[Node], node: NodeId) {
        if node == first_child(nodes[node.index()].parent) {
            return;
        }
        let hash_of = |node: &NodeId| hash(nodes[node.index()].parent, nodes[node.index()].place);
        self.table.insert_unique(hash_of(&node), node, hash_of);
    }
}

/// The node of each stack below the base that was last asked for. Another base evicts it: then it has to be looked for
/// again, by way of its callers.
pub(crate) struct StackNodes {
    /// By stack: base and node.
    of_stack: Vec<(NodeId, NodeId)>,
}

impl StackNodes {
    /// No node: trees are smaller.
    const NONE: NodeId = NodeId(u32::MAX);

    /// For this many stacks.
    pub(crate) fn new(stacks: usize) -> Self {
        Self { of_stack: vec![(Self::NONE, Self::NONE); stacks + 1] }
    }

    /// The node of a stack below a base, if it is known.
    pub(crate) fn get(&self, base: NodeId, stack: StackId) -> Option<NodeId> {
        let &(known, node) = self.of_stack.get(stack.index())?;
        (known == base).then_some(node)
    }

    /// Remembers the node of a stack below a base.
    pub(crate) fn insert(&mut self, base: NodeId, stack: StackId, node: NodeId) {
        if let Some(entry) = self.of_stack.get_mut(stack.index()) {
            *entry = (base, node);
        }
    }
}
