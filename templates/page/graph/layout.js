// From a tree to rectangles, without touching the page. Sub-pixel siblings become blocks; nothing is dropped.

import { orderAll } from './grouping.js';

/** @import { Tree, TreeNode } from './tree.js' */

/** @typedef {{ x: number[], width: number[], node: TreeNode[] }} Row rectangles from left to right */
/** @typedef {{ row: number, index: number, node: TreeNode }} Rectangle where a node is */

/**
 * What is drawn.
 * @typedef {object} Layout
 * @property {TreeNode} root
 * @property {number} width in pixels
 * @property {Row[]} rows
 * @property {number} above the row of the root
 * @property {number} frames how many have a rectangle
 * @property {number} blocks how many represent several
 * @property {number} merged how many frames these represent
 * @property {number} sum own values of the frames and whole values of the blocks; nothing is left out, so it is the
 *   root's
 * @property {number} [callerSum] in a sandwich, the same for the callers
 */

/** A child narrower than this is merged with its equally narrow siblings into one "+N more" block. */
const MIN_WIDTH = 1;

/** How many parts a block is cut into when the reader zooms into it and its members are still too narrow. */
const BLOCK_PARTS = 24;

/**
 * Rows of rectangles below `root`, which is `width` pixels wide.
 * @param {Tree} tree @param {TreeNode} root @param {number} width @returns {Layout}
 */
export function layoutTree(tree, root, width) {
  const scale = root.value > 0 ? width / root.value : 0;
  const rows = [{ x: [0], width: [width], node: [root] }];
  /** @type {Layout} */
  const result = {
    root,
    width,
    rows,
    above: 0,
    frames: root.block || !root.parent ? 0 : 1,
    blocks: 0,
    merged: 0,
    sum: 0,
  };
  if (scale === 0) return result;
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r];
    /** @type {Row} */
    const below = { x: [], width: [], node: [] };
    for (let i = 0; i < row.node.length; i++) {
      const node = row.node[i];
      if (node.block && node !== root) continue;
      placeChildren(tree, node, row.x[i], scale, below, result);
      result.sum += tree.ownOf(node).value;
    }
    if (below.node.length) rows.push(below);
  }
  return result;
}

/**
 * Puts the children of `node` into the row below.
 * @param {Tree} tree @param {TreeNode} node @param {number} left @param {number} scale @param {Row} below
 * @param {Layout} result
 */
function placeChildren(tree, node, left, scale, below, result) {
  const owner = node.block ? node.block.owner : node;
  const children = tree.childrenOf(owner);
  const from = node.block ? node.block.from : 0;
  const to = node.block ? node.block.to : children.count;
  if (node.block) orderAll(children);
  let x = left;
  let rank = from;
  const place = (/** @type {TreeNode} */ child) => {
    below.x.push(x);
    below.width.push(child.value * scale);
    below.node.push(child);
    x += child.value * scale;
  };
  while (rank < to && rank < children.ordered && children.value[children.order[rank]] * scale >= MIN_WIDTH) {
    place(tree.childInGroup(owner, children.order[rank]));
    result.frames++;
    rank++;
  }
  if (rank === to) return;
  // Zoomed into a block that still shows nothing: cut it into parts, so that every member can be reached by zooming.
  const parts = node.block && rank === from ? Math.min(BLOCK_PARTS, to - from) : 1;
  const size = Math.ceil((to - rank) / parts);
  for (let at = rank; at < to; at += size) {
    const block = tree.makeBlock(node, owner, at, Math.min(to, at + size));
    if (block.value === 0) continue;
    place(block);
    result.blocks++;
    result.merged += Math.min(to, at + size) - at;
    result.sum += block.value;
  }
}

/**
 * The rectangle at a point: {row, index, node}, or null.
 * @param {Layout} layout @param {number} row @param {number} x @returns {Rectangle | null}
 */
export function rectangleAt(layout, row, x) {
  const line = layout.rows[row];
  if (!line) return null;
  let low = 0;
  let high = line.x.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (line.x[middle] <= x) low = middle;
    else high = middle - 1;
  }
  // A block may be thinner than a pixel; it is drawn, and so found, a pixel wide.
  const inside = x >= line.x[low] && x < line.x[low] + Math.max(1, line.width[low]);
  return inside ? { row, index: low, node: line.node[low] } : null;
}

/**
 * Where a node was laid out, or null. Blocks are rebuilt by each layout, so they are distinguished by what they hold.
 * @param {Layout} layout @param {TreeNode | null} node @returns {Rectangle | null}
 */
export function findRectangle(layout, node) {
  if (!node) return null;
  const row = layout.above + node.depth - layout.root.depth;
  const line = layout.rows[row];
  if (!line) return null;
  const index = line.node.findIndex((other) => isSameNode(other, node));
  return index < 0 ? null : { row, index, node: line.node[index] };
}

/** @param {TreeNode} a @param {TreeNode} b */
function isSameNode(a, b) {
  if (a === b) return true;
  return (
    Boolean(a.block && b.block) &&
    a.block?.owner === b.block?.owner &&
    a.block?.from === b.block?.from &&
    a.block?.to === b.block?.to
  );
}
