// The drawn frames as elements of a tree, for screen readers: a canvas says nothing to them.

import { makeElement } from '../common/dom.js';
import { Painter } from './draw.js';
import { hasMore } from './moves.js';
import { announcement } from './panels.js';

/** @import { Scene } from './draw.js' */
/** @import { Rectangle } from './layout.js' */

/** The widest of the frames in sight are mirrored, no more than these. */
const MOST_MIRRORED = 200;

/** While somebody scrolls there is nothing to read. */
const MIRROR_DELAY_MS = 100;

/**
 * {row, index, node} of the widest frames in sight, in the order of a walk down each branch.
 * @param {Scene} scene
 */
function framesInSight(scene) {
  const { rows } = scene.layout;
  const [first, last] = Painter.rowsInSight(scene);
  /** @type {Rectangle[]} */
  const found = [];
  for (let row = first; row <= last; row++) rows[row].node.forEach((node, index) => found.push({ row, index, node }));
  const width = (/** @type {Rectangle} */ { row, index }) => rows[row].width[index];
  const x = (/** @type {Rectangle} */ { row, index }) => rows[row].x[index];
  const widest =
    found.length > MOST_MIRRORED ? found.sort((a, b) => width(b) - width(a)).slice(0, MOST_MIRRORED) : found;
  return widest.sort((a, b) => x(a) - x(b) || a.row - b.row);
}

export class FrameMirror {
  /**
   * `tree` is the element with the role; `list` holds the items.
   * @param {HTMLElement} tree @param {HTMLElement} list
   */
  constructor(tree, list) {
    this.tree = tree;
    this.list = list;
    this.timer = 0;
  }

  /**
   * Brings the items up to date soon. `sceneOf` makes the scene when it is time.
   * @param {() => Scene} sceneOf
   */
  schedule(sceneOf) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(sceneOf()), MIRROR_DELAY_MS);
  }

  /** @param {Scene} scene */
  show(scene) {
    const items = framesInSight(scene).map((rectangle) => this.makeItem(scene, rectangle));
    this.list.replaceChildren(...items);
    if (scene.focus) this.focus(scene, scene.focus);
    else this.tree.removeAttribute('aria-activedescendant');
  }

  /**
   * Makes a frame the one that the keyboard is at; returns what a screen reader says.
   * @param {Scene} scene @param {Rectangle} rectangle
   */
  focus(scene, rectangle) {
    const made = this.makeItem(scene, rectangle);
    const known = document.getElementById(made.id);
    // One that is too narrow to be among the others comes at the end.
    if (known) known.replaceWith(made);
    else this.list.append(made);
    this.list.querySelector('[aria-selected]')?.removeAttribute('aria-selected');
    made.setAttribute('aria-selected', 'true');
    this.tree.setAttribute('aria-activedescendant', made.id);
    return made.textContent;
  }

  /** @param {Scene} scene @param {Rectangle} rectangle */
  makeItem(scene, rectangle) {
    const { node, row, index } = rectangle;
    const item = makeElement('div', announcement(scene, rectangle));
    item.id = `frame-${row}-${index}`;
    item.setAttribute('role', 'treeitem');
    item.setAttribute('aria-level', String(Math.abs(node.depth) + 1));
    if (node.block) item.setAttribute('aria-expanded', 'false');
    else if (hasMore(scene.layout, rectangle)) item.setAttribute('aria-expanded', 'true');
    return item;
  }
}
