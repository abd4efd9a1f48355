// How a node differs between two captures: in numbers, signs and words.

import { formatBytes, formatCount, formatPercent } from '../common/format.js';
import { Sandwich } from './sandwich.js';

/** @import { Scene } from './draw.js' */
/** @import { AnyTree } from './sandwich.js' */
/** @import { TreeNode, Value } from './tree.js' */

/** @typedef {'new' | 'gone' | 'grown' | 'shrunk' | 'unchanged'} Status */

/**
 * A node before and after. `difference` is of what is shown, and `share` the part of it that came or went, from -1 to
 * 1.
 * @typedef {{ status: Status, before: Value, after: Value, difference: number, share: number }} Change
 */

/**
 * The node of the other side's tree that represents the same frames; null where that side has none.
 * @param {AnyTree} tree @param {TreeNode} node @returns {TreeNode | null}
 */
function counterpart(tree, node) {
  if (node.block) return null;
  if (node.other === undefined) {
    const { other } = tree;
    if (!other || !node.parent) node.other = other?.root ?? null;
    else {
      const above = counterpart(tree, node.parent);
      const its = treeOf(other, node);
      // The callers of a sandwich's function have a root of their own.
      node.other = above && its.childWithKey(node.parent.parent ? above : its.root, node.key);
    }
  }
  return node.other ?? null;
}

/**
 * The tree of a sandwich that a node like this is of.
 * @param {AnyTree} tree @param {TreeNode} node
 */
function treeOf(tree, node) {
  return tree instanceof Sandwich ? tree.treeOf(node) : tree;
}

/**
 * How a node differs; null where there are not two sides, and for blocks.
 * @param {Pick<Scene, 'tree' | 'state'>} scene @param {TreeNode} node @returns {Change | null}
 */
export function changeOf(scene, node) {
  const { tree, state } = scene;
  if (!tree.other || node.block) return null;
  const nothing = { bytes: 0, allocations: 0, value: 0 };
  const other = counterpart(tree, node) ?? nothing;
  const [before, after] = state.widths === 'after' ? [other, node] : [node, other];
  const difference = after.value - before.value;
  const share = difference / Math.max(before.value, after.value, 1);
  /** @type {Status} */
  let status = 'unchanged';
  if (before.value === 0) status = 'new';
  else if (after.value === 0) status = 'gone';
  else if (difference !== 0) status = difference > 0 ? 'grown' : 'shrunk';
  return { status, before, after, difference, share };
}

/** @type {Record<Status, string>} */
export const CHANGE_SIGNS = { new: '+', gone: '×', grown: '▲', shrunk: '▼', unchanged: '=' };

/**
 * `▲12.5%`, `+ new`: how a node differs, in words that do not need colours.
 * @param {Change} change
 */
export function formatChange({ status, before, difference }) {
  if (status === 'new' || status === 'gone') return `${CHANGE_SIGNS[status]} ${status}`;
  if (status === 'unchanged') return '=';
  return `${CHANGE_SIGNS[status]}${formatPercent(Math.abs(difference), before.value)}`;
}

/** @param {number} difference @param {(size: number) => string} format */
function formatSigned(difference, format) {
  return difference === 0 ? '0' : (difference > 0 ? '+' : '-') + format(Math.abs(difference));
}

/**
 * Rows of a tooltip about a node that has two sides.
 * @param {Change} change
 */
export function changeRows({ before, after }) {
  const row = (/** @type {string} */ name, /** @type {Value} */ side) => [
    name,
    formatBytes(side.bytes),
    formatCount(side.allocations),
  ];
  const difference = [
    'Difference',
    formatSigned(after.bytes - before.bytes, formatBytes),
    formatSigned(after.allocations - before.allocations, formatCount),
  ];
  return [row('Before', before), row('After', after), difference];
}
