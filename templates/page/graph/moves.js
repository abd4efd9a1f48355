// Moving over the graph with the keyboard: which rectangle is next to which.

import { growsUpward } from './draw.js';

/** @typedef {'child' | 'parent' | 'previous' | 'next'} Direction */
/** @import { State } from '../choices/state.js' */
/** @import { Layout, Rectangle } from './layout.js' */

/**
 * Whether there are frames away from the root next to this one.
 * @param {Layout} layout @param {Rectangle} rectangle
 */
export function hasMore(layout, rectangle) {
  return neighbour(layout, rectangle, rectangle.node.depth < 0 ? 'parent' : 'child') !== null;
}

/**
 * The rectangle next to `from` in a direction: 'child' is the row below, 'parent' the row above, as in an icicle;
 * 'previous' and 'next' are in the same row.
 * @param {Layout} layout @param {Rectangle | null} from @param {Direction} direction @returns {Rectangle | null}
 */
export function neighbour(layout, from, direction) {
  const { rows, above } = layout;
  if (!from) return { row: above, index: 0, node: layout.root };
  const at = (/** @type {number} */ row, /** @type {number} */ index) => {
    const line = rows[row];
    return line && index >= 0 && index < line.node.length ? { row, index, node: line.node[index] } : null;
  };
  if (direction === 'next') return at(from.row, from.index + 1);
  if (direction === 'previous') return at(from.row, from.index - 1);
  const row = from.row + (direction === 'child' ? 1 : -1);
  if (!rows[row]) return null;
  const [left, width] = [rows[from.row].x[from.index], rows[from.row].width[from.index]];
  // Towards the root there is one, and it begins no later.
  if (Math.abs(row - above) < Math.abs(from.row - above)) return at(row, findLastAtOrBefore(rows[row].x, left));
  // Away from it, the first of those that are on this one, which is the largest.
  return at(
    row,
    rows[row].x.findIndex((x) => x > left - 1e-6 && x < left + width - 1e-6),
  );
}

/** @param {number[]} values @param {number} limit */
function findLastAtOrBefore(values, limit) {
  let index = 0;
  while (index + 1 < values.length && values[index + 1] <= limit + 1e-9) index++;
  return index;
}

/**
 * Arrow keys go where the eye goes: in a flame the children are above.
 * @param {string} key @param {State} state @returns {Direction | undefined}
 */
export function directionOf(key, state) {
  /** @type {Record<string, Direction>} */
  const directions = { ArrowLeft: 'previous', ArrowRight: 'next', ArrowDown: 'child', ArrowUp: 'parent' };
  if (growsUpward(state)) Object.assign(directions, { ArrowDown: 'parent', ArrowUp: 'child' });
  return directions[key];
}
