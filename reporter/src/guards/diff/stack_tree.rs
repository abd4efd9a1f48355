//! The calls of two captures as one tree: stacks of the same functions share their nodes.

use rustc_hash::FxHashMap;

use super::common_names::{CommonNames, FunctionId, Side};
use crate::naming::places::{PlaceKind, Places};
use crate::sums::flame_tree::FlameTree;

/// The number of a node. Node 0 is the root; parents have lower numbers than their children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StackId(u32);

impl StackId {
    pub(super) const ROOT: Self = Self(0);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The tree. A node is a stack: its function, and the callers above.
pub(super) struct StackTree {
    nodes: Vec<(StackId, FunctionId)>,
    /// By the nodes of the flame tree of each side.
    of_node: [Vec<StackId>; 2],
}

impl StackTree {
    /// Lays the trees of both sides over each other. What a process did is below the root: the numbers of processes say
    /// nothing to another run.
    pub(super) fn of(names: &CommonNames, places: [&Places; 2], trees: [&FlameTree; 2]) -> Self {
        let root = trees[0].nodes()[0].place;
        let mut nodes = vec![(StackId::ROOT, names.function_of(Side::Before, root))];
        let mut children: FxHashMap<(StackId, FunctionId), StackId> = FxHashMap::default();
        let of_node = Side::BOTH.map(|side| {
            let (places, tree) = (places[side as usize], trees[side as usize]);
            let mut of_node = Vec::with_capacity(tree.nodes().len());
            of_node.push(StackId::ROOT);
            for node in tree.nodes().iter().skip(1) {
                let parent: StackId = of_node[node.parent.index()];
                if matches!(places.get(node.place).kind, PlaceKind::Process | PlaceKind::Thread) {
                    of_node.push(parent);
                    continue;
                }
                let function = names.function_of(side, node.place);
                of_node.push(*children.entry((parent, function)).or_insert_with(|| {
                    nodes.push((parent, function));
                    StackId(nodes.len() as u32 - 1)
                }));
            }
            of_node
        });
        Self { nodes, of_node }
    }

    /// How many nodes there are.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What the innermost function of a stack was called from.
    pub(super) fn parent(&self, stack: StackId) -> StackId {
        self.nodes[stack.index()].0
    }

    /// The innermost function of a stack.
    pub(super) fn function(&self, stack: StackId) -> FunctionId {
        self.nodes[stack.index()].1
    }

    /// For each stack the sum of what its functions take.
    pub(super) fn lengths(&self, length: impl Fn(FunctionId) -> u64) -> Vec<u64> {
        let mut lengths = vec![0_u64; self.nodes.len()];
        for (index, &(parent, function)) in self.nodes.iter().enumerate().skip(1) {
            lengths[index] = lengths[parent.index()].saturating_add(length(function));
        }
        lengths
    }

    /// All of them.
    pub(super) fn stacks(&self) -> impl Iterator<Item = StackId> {
        (0..self.nodes.len() as u32).map(StackId)
    }

    /// The stack of each node of a side's flame tree.
    pub(super) fn of_nodes(&self, side: Side) -> &[StackId] {
        &self.of_node[side as usize]
    }

    /// The functions of a stack, innermost first. That of the root is none of them, unless it is all there is.
    pub(super) fn functions(&self, stack: StackId) -> impl Iterator<Item = FunctionId> {
        let step = |&at: &StackId| Some(self.nodes[at.index()].0).filter(|&parent| parent != StackId::ROOT);
        std::iter::successors(Some(stack), step).map(|at| self.nodes[at.index()].1)
    }

    /// The functions of a stack, innermost first, each with how often it follows itself: recursion is one.
    pub(super) fn runs(&self, stack: StackId) -> impl Iterator<Item = (FunctionId, usize)> {
        let mut functions = self.functions(stack).peekable();
        std::iter::from_fn(move || {
            let function = functions.next()?;
            let mut times = 1;
            while functions.next_if_eq(&function).is_some() {
                times += 1;
            }
            Some((function, times))
        })
    }
}
