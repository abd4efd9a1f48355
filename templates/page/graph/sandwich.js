// A function between its callers and its callees: two trees that share their root.

import { visibleNodes } from '../data/views.js';
import { layoutTree } from './layout.js';
import { Tree } from './tree.js';

/** @import { State } from '../choices/state.js' */
/** @import { Model } from '../data/model.js' */
/** @import { Layout } from './layout.js' */
/** @import { TreeNode, TreeSpec } from './tree.js' */

/** @typedef {Tree | Sandwich} AnyTree */

export class Sandwich {
  /**
   * spec and hidden as for a Tree; spec.focus is a frame of the function.
   * @param {Model} model @param {TreeSpec} spec @param {Uint8Array} hidden
   */
  constructor(model, spec, hidden) {
    this.callees = new Tree(model, { ...spec, inverted: false }, hidden);
    this.callers = new Tree(model, { ...spec, inverted: true }, hidden);
    this.model = model;
    this.hidden = hidden;
    this.spec = this.callees.spec;
    this.keys = this.callees.keys;
    this.slotOfKey = this.callees.slotOfKey;
    this.root = this.callees.root;
    /**
     * That of the other capture, where there are two.
     * @type {Sandwich | null}
     */
    this.other = null;
  }

  get whole() {
    return this.callees.whole;
  }

  /**
   * The tree that a node is of. The function itself is of that of its callees.
   * @param {TreeNode} node
   */
  treeOf(node) {
    return node.depth < 0 ? this.callers : this.callees;
  }

  /** @param {TreeNode} node */
  childrenOf(node) {
    return this.treeOf(node).childrenOf(node);
  }

  /** @param {TreeNode} node @param {number} group */
  childInGroup(node, group) {
    return this.treeOf(node).childInGroup(node, group);
  }

  /** @param {TreeNode} node */
  ownOf(node) {
    return this.treeOf(node).ownOf(node);
  }

  /** No other node of it has an address: what is shown is always the function. */
  pathOf() {
    return '';
  }

  nodeAt() {
    return this.root;
  }
}

/**
 * The rows of both trees: the outermost callers on top, the function in row `above`. What was allocated when nothing
 * had called it is the empty space above it, so `callerSum`, which adds up where the callers' stacks begin, equals the
 * function's value, too.
 * @param {Sandwich} sandwich @param {number} width @returns {Layout}
 */
export function layoutSandwich(sandwich, width) {
  const { callers, callees } = sandwich;
  const up = layoutTree(callers, callers.root, width);
  const down = layoutTree(callees, callees.root, width);
  return {
    ...down,
    rows: [...up.rows.slice(1).reverse(), ...down.rows],
    above: up.rows.length - 1,
    callerSum: up.sum,
    frames: up.frames + down.frames + 1,
    blocks: up.blocks + down.blocks,
    merged: up.merged + down.merged,
  };
}

/**
 * The frame of a state's sandwich, or that with the largest own value where the state names none that there is.
 * @param {Pick<Tree, 'model' | 'hidden' | 'spec'>} tree @param {Pick<State, 'focus'>} state
 */
export function focusFrame(tree, { focus }) {
  const { model, hidden } = tree;
  const asked = parseInt(focus, 36);
  if (asked > 0 && asked < hidden.length) return asked;
  const own = new Float64Array(hidden.length);
  const visible = visibleNodes(model, hidden);
  const values = model.own[`${tree.spec.metric}_${tree.spec.measure}`];
  for (let i = 1; i < model.count; i++) if (visible[i] > 0) own[model.frame[visible[i]]] += values[i];
  return own.reduce((best, value, frame) => (value > own[best] ? frame : best), 0);
}
