// Frames put together: the numbers that distinguish them, and the children of a node in order of what they have.

import { twiceAsLong } from '../data/columns.js';
import { KINDS } from '../data/views.js';

/** @import { Group } from '../choices/state.js' */
/** @import { Model } from '../data/model.js' */
/** @import { TreeNode } from './tree.js' */

/**
 * Children as columns by group; the members of a group are `members[start[group]]` up to (not with) those of the next.
 * @typedef {object} Children
 * @property {number} count
 * @property {Int32Array} keys
 * @property {Float64Array} bytes
 * @property {Float64Array} allocations
 * @property {Float64Array} value
 * @property {Int32Array} start
 * @property {Int32Array} members
 * @property {Float64Array | null} memberBytes
 * @property {Float64Array | null} memberAllocations
 * @property {TreeNode[]} nodes made when somebody asks for them
 * @property {number} lastKey what comes last, whatever its value is
 * @property {number} totalBytes
 * @property {number} totalAllocations
 * @property {number} ordered how many of `order` are in order
 * @property {Int32Array} order groups, largest first
 * @property {Map<number, number>} [groupOfKey]
 */

/**
 * A child smaller than this part of its parent can never be a pixel wide (canvases are narrower than that), so it never
 * needs to be put in order: with 30,000 equal siblings nothing is sorted at all.
 */
const NEVER_VISIBLE = 1 / 8192;

/**
 * The numbers that distinguish frames, one per frame: its own index, or that of its function or file.
 * @param {Model} model @param {Group} group
 */
export function groupingKeys(model, group) {
  const { frames, strings } = model.data;
  const count = frames.function.length;
  const keys = new Int32Array(count);
  if (group === 'file') {
    // What has no file is distinguished by its name.
    for (let i = 0; i < count; i++)
      keys[i] = strings[frames.file[i]] ? frames.file[i] : strings.length + frames.function[i];
    return { keys, limit: 2 * strings.length };
  }
  // A function is its name and its file. The key is the first frame of that function. Special frames are one by their
  // name as well when grouped by line: there may be one for each view.
  const seen = new Map();
  for (let i = 0; i < count; i++) {
    if (group === 'line' && frames.kind[i] !== KINDS.special) {
      keys[i] = i;
      continue;
    }
    const name = frames.function[i] * strings.length + frames.file[i];
    if (!seen.has(name)) seen.set(name, i);
    keys[i] = seen.get(name);
  }
  return { keys, limit: count };
}

/** Nodes of the model that are to be grouped, with what each of them counts for. */
export class Entries {
  constructor() {
    this.count = 0;
    this.node = new Int32Array(1024);
    this.bytes = new Float64Array(1024);
    this.allocations = new Float64Array(1024);
  }

  /** @param {number} node @param {number} bytes @param {number} allocations */
  add(node, bytes, allocations) {
    if (this.count === this.node.length) {
      this.node = twiceAsLong(this.node);
      this.bytes = twiceAsLong(this.bytes);
      this.allocations = twiceAsLong(this.allocations);
    }
    this.node[this.count] = node;
    this.bytes[this.count] = bytes;
    this.allocations[this.count] = allocations;
    this.count++;
  }
}

/** @param {Pick<Children, 'keys' | 'value' | 'lastKey'>} children @returns {(a: number, b: number) => number} */
function byValueThenKey({ keys, value, lastKey }) {
  const isLast = (/** @type {number} */ group) => Number(keys[group] === lastKey);
  return (a, b) => isLast(a) - isLast(b) || value[b] - value[a] || keys[a] - keys[b];
}

/**
 * Orders the groups that can ever be seen, largest first; the others follow in any order.
 * @param {Pick<Children, 'keys' | 'value' | 'lastKey'>} children @param {number} whole what the parent has
 */
export function orderLarge(children, whole) {
  /** @type {number[]} */
  const large = [];
  /** @type {number[]} */
  const small = [];
  children.value.forEach((value, group) => (value >= whole * NEVER_VISIBLE ? large : small).push(group));
  large.sort(byValueThenKey(children));
  return { ordered: large.length, order: Int32Array.from(large.concat(small)) };
}

/**
 * Orders the rest as well; only needed once somebody zooms into a block.
 * @param {Children} children
 */
export function orderAll(children) {
  if (children.ordered === children.count) return;
  children.order.sort(byValueThenKey(children));
  children.ordered = children.count;
}
