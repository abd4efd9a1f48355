'use strict';
// A function between its callers and its callees: two trees that share their root.

class Sandwich {
  /** spec and hidden as for a Tree; spec.focus is a frame of the function. */
  constructor(model, spec, hidden) {
    this.callees = new Tree(model, { ...spec, inverted: false }, hidden);
    this.callers = new Tree(model, { ...spec, inverted: true }, hidden);
    const { keys, slotOfKey, root } = this.callees;
    Object.assign(this, { model, hidden, spec: this.callees.spec, keys, slotOfKey, root });
  }

  get whole() {
    return this.callees.whole;
  }

  /** The tree that a node is of. The function itself is of that of its callees. */
  treeOf(node) {
    return node.depth < 0 ? this.callers : this.callees;
  }

  childrenOf(node) {
    return this.treeOf(node).childrenOf(node);
  }

  childInGroup(node, group) {
    return this.treeOf(node).childInGroup(node, group);
  }

  ownOf(node) {
    return this.treeOf(node).ownOf(node);
  }

  /** No other node of it has an address: what is looked into is always the function. */
  pathOf() {
    return '';
  }

  nodeAt() {
    return this.root;
  }
}

/**
 * The rows of both trees: the outermost callers on top, the function in row `above`. What was allocated when nothing had
 * called it is the empty space above it, so `callerSum`, which adds up where the callers' stacks begin, equals the
 * function's value, too.
 */
function layoutSandwich(sandwich, width) {
  const { callers, callees } = sandwich;
  const up = layoutTree(callers, callers.root, width);
  const down = layoutTree(callees, callees.root, width);
  return {
    ...down, rows: [...up.rows.slice(1).reverse(), ...down.rows], above: up.rows.length - 1, callerSum: up.sum,
    frames: up.frames + down.frames + 1, blocks: up.blocks + down.blocks, merged: up.merged + down.merged,
  };
}

/** The frame of a state's sandwich, or that with the largest own value where the state names none that there is. */
function focusFrame(tree, { focus }) {
  const { model, hidden } = tree;
  const asked = parseInt(focus, 36);
  if (asked > 0 && asked < hidden.length) return asked;
  const own = new Float64Array(hidden.length);
  const visible = visibleNodes(model, hidden);
  const values = model.own[`${tree.spec.metric}_${tree.spec.measure}`];
  for (let i = 1; i < model.count; i++) if (visible[i] > 0) own[model.frame[visible[i]]] += values[i];
  return own.reduce((best, value, frame) => (value > own[best] ? frame : best), 0);
}
