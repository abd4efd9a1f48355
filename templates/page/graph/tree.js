// From the model to a tree that can be shown, without touching the page: one way to show it (metric, top-down or
// inverted, grouping, what is hidden), made of nodes that are grouped only when they are shown.

import { inclusiveSums } from '../data/model.js';
import { KINDS, visibleNodes } from '../data/views.js';
import { Entries, groupingKeys, orderAll, orderLarge } from './grouping.js';

/** @import { Group } from '../choices/state.js' */
/** @import { Measure, Metric } from '../data/metrics.js' */
/** @import { Model } from '../data/model.js' */
/** @import { Children } from './grouping.js' */

/**
 * One way to show the model. `focus` is a frame: the tree is then of its function's callees, or inverted of its
 * callers.
 * @typedef {{ metric: Metric, measure: Measure, inverted: boolean, group: Group, focus?: number }} TreeSpec
 */
/** @typedef {{ bytes: number, allocations: number, value: number }} Value `value` is the one that is shown */
/** @typedef {{ owner: TreeNode, from: number, to: number }} Block siblings by rank, below `owner` */
/** @typedef {{ key: number, frame: number, block: Block | null, parent: TreeNode | null }} NodePlace */

/**
 * A node of a tree, or a block of nodes. The root and blocks have the key -1, unless the root is a function.
 * @typedef {object} NodeContent
 * @property {number} depth negative for callers of a function
 * @property {Children | null} children grouped when they are shown
 * @property {Int32Array} members the nodes of the model that it represents
 * @property {Float64Array | null} memberBytes only inverted: what of each came through here
 * @property {Float64Array | null} memberAllocations
 * @property {TreeNode | null} [other] the node of the other capture's tree, see difference.js
 */
/** @typedef {NodePlace & Value & NodeContent} TreeNode */

/** @typedef {{ slotOfNode: Int32Array, visible: Int32Array }} Upwards what only inverted trees need */

const NO_MEMBERS = new Int32Array(0);

/** With more children than these, one is found by a map. */
const MANY_CHILDREN = 32;

export class Tree {
  /**
   * `hidden` has one byte per frame. A function that is the focus and calls itself counts once, where it is outermost.
   * @param {Model} model @param {TreeSpec} spec @param {Uint8Array} hidden
   */
  constructor(model, spec, hidden) {
    this.model = model;
    this.spec = spec;
    this.hidden = hidden;
    this.ownBytes = model.own[`${spec.metric}_bytes`];
    this.ownAllocations = model.own[`${spec.metric}_allocations`];
    this.bytes = inclusiveSums(model, `${spec.metric}_bytes`);
    this.allocations = inclusiveSums(model, `${spec.metric}_allocations`);
    const { keys, limit } = groupingKeys(model, spec.group);
    this.keys = keys;
    // Only in the first view of a large tree, where it represents what is too narrow.
    this.mergedKey = model.data.frames.kind.indexOf(KINDS.merged);
    this.slotOfKey = new Int32Array(limit).fill(-1);
    /** @type {Upwards | null} */
    this.upwards = spec.inverted
      ? { slotOfNode: new Int32Array(model.count).fill(-1), visible: visibleNodes(model, hidden) }
      : null;
    /**
     * The tree of the other capture, where there are two.
     * @type {Tree | null}
     */
    this.other = null;
    this.entries = new Entries();
    this.step = spec.inverted && spec.focus !== undefined ? -1 : 1;
    this.root = spec.focus === undefined ? this.makeRoot() : this.makeFunctionRoot(spec.focus);
  }

  /** What all nodes of the model hold, whatever the root represents. */
  get whole() {
    const [bytes, allocations] = this.model.count > 0 ? [this.bytes[0], this.allocations[0]] : [0, 0];
    return { bytes, allocations, value: this.spec.measure === 'bytes' ? bytes : allocations };
  }

  /** @returns {TreeNode} */
  makeRoot() {
    const { model, spec } = this;
    const any = model.count > 0;
    const bytes = any ? this.bytes[0] : 0;
    const allocations = any ? this.allocations[0] : 0;
    return {
      parent: null,
      key: -1,
      frame: any ? model.frame[0] : -1,
      depth: 0,
      block: null,
      bytes,
      allocations,
      value: spec.measure === 'bytes' ? bytes : allocations,
      children: null,
      members: any ? Int32Array.of(0) : NO_MEMBERS,
      memberBytes: null,
      memberAllocations: null,
    };
  }

  /** @param {number} focus @returns {TreeNode} */
  makeFunctionRoot(focus) {
    const { model, keys, hidden, spec } = this;
    const key = keys[focus];
    /** @type {number[]} */
    const members = [];
    for (let i = 1; i < model.count;) {
      const isMember =
        keys[model.frame[i]] === key && !hidden[model.frame[i]] && (this.bytes[i] > 0 || this.allocations[i] > 0);
      if (isMember) members.push(i);
      i = isMember ? model.end[i] : i + 1;
    }
    const bytes = members.reduce((sum, member) => sum + this.bytes[member], 0);
    const allocations = members.reduce((sum, member) => sum + this.allocations[member], 0);
    return {
      parent: null,
      key,
      frame: focus,
      depth: 0,
      block: null,
      bytes,
      allocations,
      value: spec.measure === 'bytes' ? bytes : allocations,
      children: null,
      members: Int32Array.from(members),
      memberBytes: spec.inverted ? Float64Array.from(members, (member) => this.bytes[member]) : null,
      memberAllocations: spec.inverted ? Float64Array.from(members, (member) => this.allocations[member]) : null,
    };
  }

  /**
   * Children in the recorded direction. A hidden frame is stepped over: its children count as its parent's.
   * @param {TreeNode} node
   */
  gatherCallees(node) {
    const { model, hidden, bytes, allocations } = this;
    const { frame, end } = model;
    for (const member of node.members) {
      for (let at = member + 1; at < end[member];) {
        if (bytes[at] === 0 && allocations[at] === 0) {
          at = end[at];
        } else if (hidden[frame[at]]) {
          at++; // Into it: what follows a node is below it.
        } else {
          this.entries.add(at, bytes[at], allocations[at]);
          at = end[at];
        }
      }
    }
  }

  /**
   * Inverted: the next visible caller of each member, with the member's own values carried along.
   * @param {TreeNode} node @param {Upwards} from
   */
  gatherCallers(node, { slotOfNode, visible }) {
    const { model, entries } = this;
    const { memberBytes, memberAllocations } = node;
    if (!memberBytes || !memberAllocations) {
      // The first level is every frame that allocated by itself.
      for (let i = 1; i < model.count; i++) {
        const bytes = this.ownBytes[i];
        const allocations = this.ownAllocations[i];
        if (bytes === 0 && allocations === 0) continue;
        if (visible[i] > 0) this.addCaller(slotOfNode, visible[i], bytes, allocations);
      }
    } else {
      for (let m = 0; m < node.members.length; m++) {
        const caller = visible[model.parent[node.members[m]]];
        if (caller > 0) this.addCaller(slotOfNode, caller, memberBytes[m], memberAllocations[m]);
      }
    }
    for (let e = 0; e < entries.count; e++) slotOfNode[entries.node[e]] = -1;
  }

  /**
   * Two members with the same caller become one entry, so that levels shrink on the way up.
   * @param {Int32Array} slotOfNode @param {number} caller @param {number} bytes @param {number} allocations
   */
  addCaller(slotOfNode, caller, bytes, allocations) {
    const { entries } = this;
    const slot = slotOfNode[caller];
    if (slot >= 0) {
      entries.bytes[slot] += bytes;
      entries.allocations[slot] += allocations;
    } else {
      slotOfNode[caller] = entries.count;
      entries.add(caller, bytes, allocations);
    }
  }

  /**
   * The children of a node, grouped once and kept.
   * @param {TreeNode} node @returns {Children}
   */
  childrenOf(node) {
    if (node.block) return this.childrenOf(node.block.owner);
    if (!node.children) {
      this.entries.count = 0;
      if (this.upwards) this.gatherCallers(node, this.upwards);
      else this.gatherCallees(node);
      node.children = this.groupEntries(node);
    }
    return node.children;
  }

  /** @param {TreeNode} node @returns {Children} */
  groupEntries(node) {
    const { entries, slotOfKey, keys } = this;
    const frameOf = this.model.frame;
    const count = entries.count;
    const slots = new Int32Array(count);
    /** @type {number[]} */
    const groupKeys = [];
    for (let e = 0; e < count; e++) {
      const key = keys[frameOf[entries.node[e]]];
      let slot = slotOfKey[key];
      if (slot < 0) {
        slot = slotOfKey[key] = groupKeys.length;
        groupKeys.push(key);
      }
      slots[e] = slot;
    }
    const groups = groupKeys.length;
    for (const key of groupKeys) slotOfKey[key] = -1;

    const bytes = new Float64Array(groups);
    const allocations = new Float64Array(groups);
    const start = new Int32Array(groups + 1);
    for (let e = 0; e < count; e++) {
      bytes[slots[e]] += entries.bytes[e];
      allocations[slots[e]] += entries.allocations[e];
      start[slots[e] + 1]++;
    }
    for (let g = 0; g < groups; g++) start[g + 1] += start[g];
    const cursor = start.slice(0, groups);
    const members = new Int32Array(count);
    const memberBytes = this.spec.inverted ? new Float64Array(count) : null;
    const memberAllocations = this.spec.inverted ? new Float64Array(count) : null;
    for (let e = 0; e < count; e++) {
      const at = cursor[slots[e]]++;
      members[at] = entries.node[e];
      if (memberBytes && memberAllocations) {
        memberBytes[at] = entries.bytes[e];
        memberAllocations[at] = entries.allocations[e];
      }
    }
    const value = this.spec.measure === 'bytes' ? bytes : allocations;
    const keysOfGroups = Int32Array.from(groupKeys);
    const totalBytes = bytes.reduce((a, b) => a + b, 0);
    const totalAllocations = allocations.reduce((a, b) => a + b, 0);
    const order = orderLarge({ keys: keysOfGroups, value, lastKey: this.mergedKey }, node.value);
    return {
      count: groups,
      keys: keysOfGroups,
      bytes,
      allocations,
      value,
      start,
      members,
      memberBytes,
      memberAllocations,
      nodes: [],
      lastKey: this.mergedKey,
      totalBytes,
      totalAllocations,
      ...order,
    };
  }

  /**
   * The child in group `group` (an index into the columns of the children).
   * @param {TreeNode} node @param {number} group
   */
  childInGroup(node, group) {
    const children = this.childrenOf(node);
    let child = children.nodes[group];
    if (!child) {
      const from = children.start[group];
      const to = children.start[group + 1];
      child = children.nodes[group] = {
        parent: node,
        key: children.keys[group],
        frame: this.model.frame[children.members[from]],
        depth: node.depth + this.step,
        block: null,
        bytes: children.bytes[group],
        allocations: children.allocations[group],
        value: children.value[group],
        children: null,
        members: children.members.subarray(from, to),
        memberBytes: children.memberBytes && children.memberBytes.subarray(from, to),
        memberAllocations: children.memberAllocations && children.memberAllocations.subarray(from, to),
      };
    }
    return child;
  }

  /** @param {TreeNode} node @param {number} key */
  childWithKey(node, key) {
    const children = this.childrenOf(node);
    const group = children.count > MANY_CHILDREN ? this.groupAmongMany(children, key) : children.keys.indexOf(key);
    return group < 0 ? null : this.childInGroup(node, group);
  }

  /** @param {Children} children @param {number} key */
  groupAmongMany(children, key) {
    children.groupOfKey ??= new Map(Array.from(children.keys, (known, group) => [known, group]));
    return children.groupOfKey.get(key) ?? -1;
  }

  /**
   * Own values: what the node has and none of its children has.
   * @param {TreeNode} node @returns {Value}
   */
  ownOf(node) {
    if (node.block) return { bytes: 0, allocations: 0, value: 0 };
    const children = this.childrenOf(node);
    const bytes = node.bytes - children.totalBytes;
    const allocations = node.allocations - children.totalAllocations;
    return { bytes, allocations, value: this.spec.measure === 'bytes' ? bytes : allocations };
  }

  /**
   * The siblings from rank `from` up to `to` (largest first) as one block.
   * @param {TreeNode} parent @param {TreeNode} owner @param {number} from @param {number} to @returns {TreeNode}
   */
  makeBlock(parent, owner, from, to) {
    const children = this.childrenOf(owner);
    let bytes = 0;
    let allocations = 0;
    if (to === children.count) {
      // Up to the end: all minus the large ones, which needs no order among the small ones.
      bytes = children.totalBytes;
      allocations = children.totalAllocations;
      for (let r = 0; r < from; r++) {
        bytes -= children.bytes[children.order[r]];
        allocations -= children.allocations[children.order[r]];
      }
    } else {
      orderAll(children);
      for (let r = from; r < to; r++) {
        bytes += children.bytes[children.order[r]];
        allocations += children.allocations[children.order[r]];
      }
    }
    const value = this.spec.measure === 'bytes' ? bytes : allocations;
    return {
      parent,
      key: -1,
      frame: -1,
      depth: owner.depth + this.step,
      block: { owner, from, to },
      bytes,
      allocations,
      value,
      children: null,
      members: NO_MEMBERS,
      memberBytes: null,
      memberAllocations: null,
    };
  }

  /**
   * Address of a node that stays true when the page is opened again: keys from the root, in base 36.
   * @param {NodePlace} node
   */
  pathOf(node) {
    const steps = [];
    for (let at = node; at.parent; at = at.parent) {
      steps.push(at.block ? `~${at.block.from}-${at.block.to}` : at.key.toString(36));
    }
    return steps.reverse().join('.');
  }

  /**
   * The node of an address, or the last one on the way that exists in this tree.
   * @param {string} path
   */
  nodeAt(path) {
    let node = this.root;
    for (const step of path ? path.split('.') : []) {
      const range = /^~(\d+)-(\d+)$/.exec(step);
      let next = null;
      if (range) {
        const owner = node.block ? node.block.owner : node;
        const to = Math.min(Number(range[2]), this.childrenOf(owner).count);
        const from = Number(range[1]);
        if (from > 0) orderAll(this.childrenOf(owner));
        if (from < to) next = this.makeBlock(node, owner, from, to);
      } else {
        next = this.childWithKey(node.block ? node.block.owner : node, parseInt(step, 36));
      }
      if (!next || next.value === 0) break;
      node = next;
    }
    return node;
  }
}
