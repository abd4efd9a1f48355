//! Which calls a printed tree shows: the largest ones, with a row for what is left.

use std::collections::BinaryHeap;

use memprof_replay::slots::Amount;

use super::call_tree::{Call, CallId, CallTree, What};
use super::guides::Joint;
use crate::naming::places::Places;

/// The share of a call below which, as a fraction, what it does beside one other call is no reason for a branch.
const LITTLE: u64 = 20;

/// What a printed tree leaves out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Calls with a smaller share of everything, in percent.
    pub threshold_percent: f64,
    /// More calls than this; the largest ones stay. A call that does nothing but repeat the one above does not count.
    pub calls: usize,
    /// Calls that are deeper than this below the root.
    pub depth: u32,
}

impl Limits {
    /// Leaves out nothing.
    pub const NONE: Self = Self { threshold_percent: 0.0, calls: usize::MAX, depth: u32::MAX };
}

impl Default for Limits {
    /// What a person may want to read.
    fn default() -> Self {
        Self { threshold_percent: 1.0, calls: 200, depth: u32::MAX }
    }
}

/// What a row represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A node of the tree.
    Call(CallId),
    /// Nodes that have no row of their own.
    More {
        /// How many calls, without what is below them.
        calls: u64,
        /// Whether what the node above allocated itself is with them.
        own: bool,
        /// All that passed through them.
        amount: Amount,
    },
}

/// A row of a printed tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The row above it in the tree; nothing for the root.
    pub parent: Option<u32>,
    /// What it represents.
    pub item: Item,
    /// Where it is.
    pub joint: Joint,
}

impl Row {
    /// How much passed through it.
    pub(crate) fn amount(&self, tree: &CallTree) -> Amount {
        match self.item {
            Item::Call(call) => tree.get(call).amount,
            Item::More { amount, .. } => amount,
        }
    }
}

/// The rows of a tree within limits, each before what is below it. The rows below a row add up to it, with its own.
///
/// The row of what is left out comes last; or first, without a branch to it, where it says little: beside the only call
/// that has a row, or beside none.
pub(crate) fn rows(tree: &mut CallTree, places: &Places, limits: Limits) -> Vec<Row> {
    let chosen = choose(tree, places, limits);
    let mut rows: Vec<Row> = Vec::new();
    // What is still to be printed: the last one is next.
    let mut waiting = vec![Row { parent: None, item: Item::Call(CallId::ROOT), joint: Joint::ROOT }];
    while let Some(row) = waiting.pop() {
        let number = rows.len() as u32;
        rows.push(row);
        let Item::Call(call) = row.item else { continue };
        let Below { calls, rest } = below(tree, places, call, &chosen);
        let size = |amount: Amount| tree.ranking().key(amount).0;
        let is_little = |amount: Amount| size(amount) < size(tree.get(call).amount) / LITTLE;
        let (rows_below, is_beside) = match (calls.len(), rest) {
            (0, _) => (0, true),
            (1, Some(Item::More { amount, .. })) if is_little(amount) => (1, true),
            (several, rest) => (several + usize::from(rest.is_some()), false),
        };
        let joint = |index| row.joint.below(index, rows_below);
        if let Some(item) = rest.filter(|_| !is_beside) {
            waiting.push(Row { parent: Some(number), item, joint: joint(calls.len()) });
        }
        let calls = calls.into_iter().enumerate().rev();
        waiting.extend(calls.map(|(index, call)| Row {
            parent: Some(number),
            item: Item::Call(call),
            joint: joint(index),
        }));
        if let Some(item) = rest.filter(|_| is_beside) {
            waiting.push(Row { parent: Some(number), item, joint: row.joint.below(0, 1) });
        }
    }
    rows
}

/// What is below a call.
struct Below {
    /// The nodes with a row of their own.
    calls: Vec<CallId>,
    /// All others.
    rest: Option<Item>,
}

fn below(tree: &mut CallTree, places: &Places, call: CallId, chosen: &Chosen) -> Below {
    let mut children: Vec<CallId> = tree.children(call, places).collect();
    let is_own = |child: &CallId| tree.get(*child).what == What::Own;
    // What a node allocated itself needs a row beside other rows only.
    let has_calls = children.iter().any(|child| chosen.contains(*child) && !is_own(child));
    let left: Vec<CallId> =
        children.extract_if(.., |child| !chosen.contains(*child) || (!has_calls && is_own(child))).collect();
    let mut amount = Amount::default();
    left.iter().for_each(|&child| amount.add(tree.get(child).amount));
    let calls = left.iter().filter(|child| !is_own(child)).count() as u64;
    let own = left.len() as u64 > calls;
    Below { calls: children, rest: (!left.is_empty()).then_some(Item::More { calls, own, amount }) }
}

fn is_large(tree: &CallTree, limits: Limits, amount: Amount) -> bool {
    let size = |amount: Amount| tree.ranking().key(amount).0 as f64;
    size(amount) * 100.0 >= limits.threshold_percent * size(tree.get(CallId::ROOT).amount)
}

/// A set of calls.
struct Chosen(Vec<bool>);

impl Chosen {
    fn contains(&self, call: CallId) -> bool {
        self.0.get(call.index()).is_some_and(|&chosen| chosen)
    }

    fn insert(&mut self, call: CallId) {
        if self.0.len() <= call.index() {
            self.0.resize(call.index() + 1, false);
        }
        self.0[call.index()] = true;
    }
}

/// The largest calls: no call is larger than its caller, so those above a chosen one are chosen, too.
fn choose(tree: &mut CallTree, places: &Places, limits: Limits) -> Chosen {
    let ranking = tree.ranking();
    let key = |call: &Call| ranking.key(call.amount);
    let mut chosen = Chosen(Vec::new());
    let mut largest = BinaryHeap::from([(key(tree.get(CallId::ROOT)), std::cmp::Reverse(CallId::ROOT))]);
    let mut left = limits.calls.max(1);
    while let Some((_, std::cmp::Reverse(call))) = largest.pop() {
        chosen.insert(call);
        if call == CallId::ROOT || !tree.repeats(call) {
            left -= 1;
        }
        if left == 0 {
            break;
        }
        if tree.get(call).depth >= limits.depth {
            continue;
        }
        for child in tree.children(call, places) {
            let node = tree.get(child);
            // What a node allocated itself is worth a row beside calls that have one.
            if node.kept && is_large(tree, limits, node.amount) {
                largest.push((key(node), std::cmp::Reverse(child)));
            }
        }
    }
    chosen
}
