// The recorded tree as columns, without touching the page: where each node hangs, and what was allocated right there.

import { defineLazily } from './columns.js';
import { MEASURES, METRICS } from './metrics.js';

/** @import { CellAmounts, Cells, Numbers, PageData } from './container.js' */
/** @import { AmountName } from './metrics.js' */

/**
 * @typedef {object} TreeStructure
 * @property {number} count how many nodes there are
 * @property {Int32Array} parent by node
 * @property {Numbers} frame by node
 * @property {Int32Array} end by node: where what is below it ends
 * @property {PageData} data
 * @property {boolean} [isFirstView] whether it is a part of a large tree
 */
/** @typedef {Record<AmountName, Float64Array>} OwnValues by node, what was allocated right there */
/** @typedef {TreeStructure & { own: OwnValues, inclusive: Map<AmountName, Float64Array> }} Model */
/** @typedef {{ threads?: Uint8Array | null, allocators?: Uint8Array | null }} Filter one byte each, or null for all */

/**
 * Columns by node; node 0 is the root. Nodes are in preorder: what is below node i is i+1 up to (not with) end[i].
 * `own` has a column for each metric and measure (peak_bytes, leaked_allocations, ...): what was allocated right at
 * each node, without what it called.
 * @param {PageData} data @returns {Model}
 */
export function buildModel(data) {
  const { up, frame } = data.nodes;
  const count = up.length;
  const parent = new Int32Array(count);
  const end = new Int32Array(count);
  if (count) parent[0] = -1;
  for (let i = 1; i < count; i++) {
    let above = i - 1;
    for (let levels = up[i]; levels > 0; levels--) above = parent[above];
    parent[i] = above;
  }
  for (let i = count - 1; i >= 0; i--) {
    end[i] ||= i + 1;
    // The last child comes first, and ends where its parent does.
    if (i > 0) end[parent[i]] ||= end[i];
  }
  const model = { count, parent, frame, end, data };
  return withOwnValues(model, ownValues(model));
}

/**
 * The same tree with other amounts in it.
 * @param {TreeStructure} model @param {OwnValues} own @returns {Model}
 */
export function withOwnValues(model, own) {
  return { ...model, own, inclusive: new Map() };
}

/**
 * Own values by node: the sums over those of its cells (what one thread allocated there with one allocator) that a
 * filter lets through. filter: {threads, allocators}, each one byte per thread or allocator, or null for all.
 * @param {TreeStructure} model @param {Filter} filter @param {{ cells: CellAmounts }} source @returns {OwnValues}
 */
export function ownValues(model, filter = {}, { cells } = model.data) {
  const own = /** @type {OwnValues} */ ({});
  // Made when it is first needed.
  let kept = /** @type {Uint8Array | null | undefined} */ (undefined);
  const keptOnce = () => (kept === undefined ? (kept = keptCells(/** @type {Cells} */ (cells), filter)) : kept);
  for (const metric of METRICS) {
    for (const measure of MEASURES) {
      /** @type {AmountName} */
      const name = `${metric}_${measure}`;
      defineLazily(own, name, () => sumByNode(model.count, cells.node, cells[name], keptOnce()));
    }
  }
  return own;
}

/**
 * One byte per cell: 1 where a filter lets it through; null where it lets all through.
 * @param {Cells} cells @param {Filter} filter
 */
export function keptCells(cells, { threads = null, allocators = null }) {
  if (!threads && !allocators) return null;
  const { thread, allocator } = cells;
  const kept = new Uint8Array(thread.length);
  for (let c = 0; c < kept.length; c++)
    kept[c] = (threads ? threads[thread[c]] : 1) & (allocators ? allocators[allocator[c]] : 1);
  return kept;
}

/** @param {number} count @param {Numbers} nodes @param {Numbers} values @param {Uint8Array | null} kept */
function sumByNode(count, nodes, values, kept) {
  const sums = new Float64Array(count);
  if (kept) {
    for (let c = 0; c < nodes.length; c++) if (kept[c]) sums[nodes[c]] += values[c];
  } else {
    for (let c = 0; c < nodes.length; c++) sums[nodes[c]] += values[c];
  }
  return sums;
}

/**
 * Inclusive sums of one column; parents precede children, so one backward pass is enough.
 * @param {Model} model @param {AmountName} column
 */
export function inclusiveSums(model, column) {
  let sums = model.inclusive.get(column);
  if (!sums) {
    sums = new Float64Array(model.own[column]);
    const { parent } = model;
    for (let i = model.count - 1; i > 0; i--) sums[parent[i]] += sums[i];
    model.inclusive.set(column, sums);
  }
  return sums;
}
