//! The two ways through a flame tree: from callers to what they call, and from what allocates to its callers.

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use crate::naming::places::PlaceId;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// A node of the flame tree that a call of the call tree represents, and how much it contributes to that call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The node.
    pub at: NodeId,
    /// What passes through it.
    pub amount: Amount,
    /// Whether any of that is among the largest allocations, if the tree is about these.
    pub kept: bool,
}

/// A flame tree for one metric, in one direction.
pub struct Branches {
    parents: Vec<NodeId>,
    places: Vec<PlaceId>,
    own: Vec<Amount>,
    inclusive: Vec<Amount>,
    /// Whether it or something below is among the largest.
    kept: Vec<bool>,
    /// The children of node `i` are `children[starts[i]..starts[i + 1]]`.
    children: Vec<NodeId>,
    starts: Vec<u32>,
    inverted: bool,
}

impl Branches {
    /// Of a tree and a metric. With `biggest`, only that many nodes count as kept: those with the largest own amounts.
    pub(crate) fn of(tree: &FlameTree, metric: Metric, inverted: bool, biggest: Option<usize>) -> Self {
        let nodes = tree.nodes();
        let own = tree.own(metric);
        let parents: Vec<NodeId> = nodes.iter().map(|node| node.parent).collect();
        let mut starts = vec![0_u32; nodes.len() + 1];
        for parent in parents.iter().skip(1) {
            starts[parent.index() + 1] += 1;
        }
        for index in 0..nodes.len() {
            starts[index + 1] += starts[index];
        }
        let (mut next, mut children) = (starts.clone(), vec![NodeId::ROOT; nodes.len().saturating_sub(1)]);
        for (index, parent) in (0_u32..).zip(&parents).skip(1) {
            let place = &mut next[parent.index()];
            children[*place as usize] = NodeId(index);
            *place += 1;
        }
        let kept = kept(&own, &parents, biggest, inverted);
        let places = nodes.iter().map(|node| node.place).collect();
        Self { places, own, inclusive: tree.inclusive(metric), kept, children, starts, parents, inverted }
    }

    /// Everything.
    pub(crate) fn total(&self) -> Amount {
        self.inclusive.first().copied().unwrap_or_default()
    }

    /// Where a node is.
    #[must_use]
    pub fn place(&self, node: NodeId) -> PlaceId {
        self.places[node.index()]
    }

    /// The node's caller. The root is its own.
    #[must_use]
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.parents[node.index()]
    }

    /// Whether a call's children are its callers.
    #[must_use]
    pub const fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// The own amount of every node.
    #[must_use]
    pub fn own_amounts(&self) -> &[Amount] {
        &self.own
    }

    /// The inclusive amount of every node.
    #[must_use]
    pub fn inclusive_amounts(&self) -> &[Amount] {
        &self.inclusive
    }

    /// Adds the positions that the root's children represent.
    pub(crate) fn roots(&self, out: &mut Vec<(PlaceId, Position)>) {
        if self.inverted {
            let nodes = (0_u32..).map(NodeId).zip(&self.own).skip(1).filter(|(_, own)| !own.is_zero());
            out.extend(
                nodes.map(|(at, &amount)| (self.place(at), Position { at, amount, kept: self.kept[at.index()] })),
            );
        } else {
            self.called_by(NodeId::ROOT, out);
        }
    }

    /// Adds the positions that come after one, with their places.
    pub(crate) fn after(&self, position: Position, out: &mut Vec<(PlaceId, Position)>) {
        if self.inverted {
            let at = self.parent(position.at);
            if at != NodeId::ROOT {
                out.push((self.place(at), Position { at, ..position }));
            }
        } else {
            self.called_by(position.at, out);
        }
    }

    /// What ends here and has nothing after it: what a node allocated itself or, inverted, what has no caller.
    pub(crate) fn ending(&self, position: Position) -> Amount {
        match (self.inverted, self.parent(position.at) == NodeId::ROOT) {
            (true, true) => position.amount,
            (true, false) => Amount::default(),
            (false, _) => self.own[position.at.index()],
        }
    }

    fn called_by(&self, node: NodeId, out: &mut Vec<(PlaceId, Position)>) {
        let range = self.starts[node.index()] as usize..self.starts[node.index() + 1] as usize;
        for &at in &self.children[range] {
            let amount = self.inclusive[at.index()];
            if !amount.is_zero() {
                out.push((self.place(at), Position { at, amount, kept: self.kept[at.index()] }));
            }
        }
    }
}

fn kept(own: &[Amount], parents: &[NodeId], biggest: Option<usize>, inverted: bool) -> Vec<bool> {
    let Some(most) = biggest else { return vec![true; own.len()] };
    let mut largest: Vec<usize> = (0..own.len()).filter(|&node| !own[node].is_zero()).collect();
    largest.sort_by_key(|&node| (std::cmp::Reverse((own[node].bytes, own[node].allocations)), node));
    let mut kept = vec![false; own.len()];
    for &node in largest.iter().take(most) {
        kept[node] = true;
    }
    if !inverted {
        for node in (1..own.len()).rev() {
            if kept[node] {
                kept[parents[node].index()] = true;
            }
        }
    }
    kept
}
