'use strict';
// The drawn frames as elements of a tree, for screen readers: a canvas says nothing to them.

/** The widest of the frames in sight are mirrored, no more than these. */
const MOST_MIRRORED = 200;
/** While somebody scrolls there is nothing to read. */
const MIRROR_DELAY_MS = 100;

/** {row, index, node} of the widest frames in sight, in the order of a walk down each branch. */
function framesInSight(scene) {
  const { rows } = scene.layout;
  const [first, last] = Painter.rowsInSight(scene);
  const found = [];
  for (let row = first; row <= last; row++) rows[row].node.forEach((node, index) => found.push({ row, index, node }));
  const width = ({ row, index }) => rows[row].width[index];
  const x = ({ row, index }) => rows[row].x[index];
  const widest = found.length > MOST_MIRRORED ? found.sort((a, b) => width(b) - width(a)).slice(0, MOST_MIRRORED) : found;
  return widest.sort((a, b) => x(a) - x(b) || a.row - b.row);
}

class FrameMirror {
  /** `tree` is the element with the role; `list` holds the items. */
  constructor(tree, list) {
    this.tree = tree;
    this.list = list;
  }

  /** Brings the items up to date soon. `sceneOf` makes the scene when it is time. */
  schedule(sceneOf) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(sceneOf()), MIRROR_DELAY_MS);
  }

  show(scene) {
    const items = framesInSight(scene).map((rectangle) => this.makeItem(scene, rectangle));
    this.list.replaceChildren(...items);
    if (scene.focus) this.focus(scene, scene.focus);
    else this.tree.removeAttribute('aria-activedescendant');
  }

  /** Makes a frame the one that the keyboard is at; returns what a screen reader says. */
  focus(scene, rectangle) {
    const made = this.makeItem(scene, rectangle);
    const known = document.getElementById(made.id);
    // One that is too narrow to be among the others stands at the end.
    if (known) known.replaceWith(made);
    else this.list.append(made);
    this.list.querySelector('[aria-selected]')?.removeAttribute('aria-selected');
    made.setAttribute('aria-selected', 'true');
    this.tree.setAttribute('aria-activedescendant', made.id);
    return made.textContent;
  }

  makeItem(scene, rectangle) {
    const { node, row, index } = rectangle;
    const item = makeElement('div', announcement(scene, rectangle));
    item.id = `frame-${row}-${index}`;
    item.setAttribute('role', 'treeitem');
    item.setAttribute('aria-level', Math.abs(node.depth) + 1);
    if (node.block) item.setAttribute('aria-expanded', 'false');
    else if (hasMore(scene.layout, rectangle)) item.setAttribute('aria-expanded', 'true');
    return item;
  }
}

/** Whether there are frames away from the root next to this one. */
function hasMore(layout, rectangle) {
  return neighbour(layout, rectangle, rectangle.node.depth < 0 ? 'parent' : 'child') !== null;
}
