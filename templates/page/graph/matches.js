// Where the matches of a search are in a tree, and the way from one to the next.

import { byId } from '../common/dom.js';
import { formatBytes, formatCount, formatPercent, plural } from '../common/format.js';
import { compilePattern, searchModel } from '../data/search.js';
import { findRectangle, layoutTree } from './layout.js';
import { Tree } from './tree.js';

/** @import { Found } from '../data/search.js' */
/** @import { FlameGraph } from './flame_graph.js' */
/** @import { Layout } from './layout.js' */
/** @import { AnyTree } from './sandwich.js' */
/** @import { TreeNode } from './tree.js' */

/**
 * What was found, and where it is in a tree.
 * @typedef {Found & { byKey: Uint8Array, places: TreeNode[] | null }} Placed `places` is null where they are looked for
 *   when somebody goes to them
 */

/**
 * One byte per grouping key of a tree: a group of frames matches if any of them does.
 * @param {AnyTree} tree @param {Uint8Array} matchedFrames
 */
function matchedKeys(tree, matchedFrames) {
  const byKey = new Uint8Array(tree.slotOfKey.length);
  for (let i = 0; i < matchedFrames.length; i++) if (matchedFrames[i]) byKey[tree.keys[i]] = 1;
  return byKey;
}

/**
 * The drawn rectangles that match and have no matching one above them, row by row. For views made of merged nodes.
 * @param {Layout} layout @param {Uint8Array} byKey
 */
function outermostDrawn(layout, byKey) {
  const found = [];
  let aboveMatched = new Set();
  for (const row of layout.rows) {
    const matched = new Set();
    for (const node of row.node) {
      const inside = node.parent && aboveMatched.has(node.parent);
      const hit = byKey[node.key] === 1;
      if (hit && !inside) found.push(node);
      if (hit || inside) matched.add(node);
    }
    aboveMatched = matched;
  }
  return found;
}

/**
 * The node of `tree` that represents a node of the model (top-down trees only): of a hidden one, its innermost visible
 * caller. `known` keeps what was found, so that looking for many costs each step once.
 * @param {Tree} tree @param {number} modelNode @param {Map<number, TreeNode>} known @returns {TreeNode}
 */
export function treeNodeOf(tree, modelNode, known = new Map([[0, tree.root]])) {
  const chain = [];
  let at = modelNode;
  for (; !known.has(at); at = tree.model.parent[at]) chain.push(at);
  let node = known.get(at) ?? tree.root;
  for (const step of chain.reverse()) {
    const frame = tree.model.frame[step];
    if (!tree.hidden[frame]) node = tree.childWithKey(node, tree.keys[frame]) ?? node;
    known.set(step, node);
  }
  return node;
}

/**
 * The nodes of a tree that represent nodes of the model, each once, largest first.
 * @param {Tree} tree @param {number[]} modelNodes
 */
export function placesOf(tree, modelNodes) {
  const known = new Map([[0, tree.root]]);
  const places = new Set(modelNodes.map((node) => treeNodeOf(tree, node, known)));
  return [...places].sort((a, b) => b.value - a.value || a.depth - b.depth || a.key - b.key);
}

/** The matches of the search in a flame graph. */
export class Matches {
  /** @param {FlameGraph} flame */
  constructor(flame) {
    this.flame = flame;
    /** @type {Found | null} */
    this.inModel = null;
    /** @type {Placed | null} */
    this.found = null;
    /**
     * The tree that `found` is about.
     * @type {AnyTree | null}
     */
    this.tree = null;
    this.name = '';
    this.patternError = '';
    /** Which of the places the keyboard is at; -1 for none. */
    this.index = -1;
  }

  /** Searches, and finds what was found in the tree that is shown, as far as that has changed. */
  update() {
    const { state, page, model, hidden, tree } = this.flame;
    const { search, metric, measure } = state;
    const name = JSON.stringify([search, metric, measure, page.modelName]);
    if (name !== this.name) {
      this.name = name;
      const { pattern, error } = compilePattern(search);
      this.patternError = error;
      this.inModel = pattern ? searchModel(model, pattern, hidden, metric, measure) : null;
      this.tree = null;
    }
    if (tree === this.tree) return;
    this.tree = tree;
    const found = this.inModel;
    this.found = found && {
      ...found,
      byKey: matchedKeys(tree, found.frame),
      places: tree instanceof Tree && !tree.spec.inverted ? placesOf(tree, found.outermost) : null,
    };
  }

  show() {
    const output = byId('matches');
    const { found, flame, patternError } = this;
    const count = found ? (found.places ?? found.outermost).length : 0;
    byId('search').setAttribute('aria-invalid', String(Boolean(patternError)));
    output.classList.toggle('wrong', Boolean(patternError));
    for (const id of ['previous', 'next']) /** @type {HTMLButtonElement} */ (byId(id)).disabled = count === 0;
    if (patternError) output.textContent = patternError;
    else if (!found) output.textContent = '';
    else if (found.frameCount === 0) output.textContent = 'no match';
    else {
      const where = this.index >= 0 ? `${formatCount(this.index + 1)} of ` : '';
      const share = formatPercent(found[flame.state.measure], flame.tree.whole.value);
      const amount = `${formatBytes(found.bytes)}, ${plural(found.allocations, 'allocation')}, ${share}`;
      output.textContent = `${plural(found.frameCount, 'frame')}, ${where}${plural(count, 'place')}: ${amount}`;
    }
  }

  /**
   * Goes to the next (1) or previous (-1) of the outermost matches, largest first.
   * @param {number} step
   */
  go(step) {
    const places = this.placesToGo();
    if (!places.length) return;
    this.index = (this.index + step + places.length + (this.index < 0 && step < 0 ? 1 : 0)) % places.length;
    this.reveal(places[this.index]);
    this.show();
  }

  /** In views made of merged nodes, the places are those that are drawn. */
  placesToGo() {
    const { found, flame } = this;
    if (!found) return [];
    if (found.places) return found.places;
    const { tree, width } = flame;
    return outermostDrawn(tree instanceof Tree ? layoutTree(tree, tree.root, width) : flame.layout, found.byKey);
  }

  /**
   * Focuses a node, zooming only if it is not drawn where we are, and then no further than needed.
   * @param {TreeNode} node
   */
  reveal(node) {
    const { flame, index } = this;
    const { tree } = flame;
    if (!findRectangle(flame.layout, node) && tree instanceof Tree) {
      const places = node.parent ? [tree.root, node.parent, node] : [tree.root, node];
      const zoom = places.find((place) => findRectangle(layoutTree(tree, place, flame.width), node) !== null) ?? node;
      flame.page.choose({ zoom: tree.pathOf(zoom) });
      this.index = index;
    }
    const rectangle = findRectangle(flame.layout, node);
    flame.setFocus(rectangle);
    if (rectangle) flame.showTooltip(rectangle);
  }
}
