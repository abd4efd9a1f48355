//! How long stacks are where a format spells them out: without a walk along each of them.

use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// By node: the sum of what it and each of its callers take. The root takes nothing.
pub(super) fn stack_lengths(tree: &FlameTree, length: impl Fn(NodeId) -> u64) -> Vec<u64> {
    let mut lengths = vec![0_u64; tree.nodes().len()];
    for (index, node) in tree.nodes().iter().enumerate().skip(1) {
        // Callers have lower numbers.
        lengths[index] = lengths[node.parent.index()].saturating_add(length(NodeId(index as u32)));
    }
    lengths
}

/// The same for lists of numbers, separated by commas.
pub(super) fn list_lengths(tree: &FlameTree, number: impl Fn(NodeId) -> u32) -> Vec<u64> {
    let mut lengths = stack_lengths(tree, |node| crate::formatting::expected_size::digits(number(node).into()) + 1);
    lengths.iter_mut().for_each(|length| *length = length.saturating_sub(1));
    lengths
}
