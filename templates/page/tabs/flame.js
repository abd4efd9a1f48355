// The tab with the flame graph: its elements, its keys, and what it is saved as.

import { cycleChoice } from '../choices/state.js';
import { makeElement } from '../common/dom.js';
import { exportView } from '../graph/export.js';
import { FlameGraph } from '../graph/flame_graph.js';
import { directionOf } from '../graph/moves.js';
import { press } from '../help.js';

/** @import { Shortcut } from '../help.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @param {string} name @returns {(tab: FlameTab) => void} */
const next = (name) => (tab) => cycleChoice(tab.page, name);

/** @type {Shortcut<FlameTab>[]} */
const SHORTCUTS = [
  { shown: ['←', '→', '↑', '↓'], help: 'move from frame to frame' },
  { shown: ['click', 'Enter'], help: 'zoom to the frame; on the zoomed frame, one step back out' },
  {
    shown: ['0', 'Esc', 'Backspace'],
    help: 'all frames again; zoom out by one frame',
    actions: { 0: (tab) => tab.resetZoom(), Escape: (tab) => tab.resetZoom(), Backspace: (tab) => tab.zoomOut() },
  },
  {
    shown: ['w'],
    help: "sandwich: the frame's function, its callers above it and its callees below; a click goes on to another",
    actions: { w: (tab) => tab.openSandwich() },
  },
  {
    shown: ['n', 'p'],
    help: 'next and previous match, largest first',
    actions: { n: (tab) => tab.matches.go(1), p: (tab) => tab.matches.go(-1), N: (tab) => tab.matches.go(-1) },
  },
  {
    shown: ['i', 'f', 'g'],
    help: 'inverted; flame or icicle; frames by line, function or file',
    actions: { i: next('view'), f: next('draw'), g: next('group') },
  },
  {
    shown: ['x'],
    help: 'frames as wide as after or as before; the only frames of what is new are after, of what is gone before',
    actions: { x: next('widths') },
    when: (page) => page.sides !== null,
  },
  { shown: ['c', 's'], help: 'colour; source line in labels', actions: { c: next('colour'), s: next('labels') } },
];

/** @type {TabEntry} */
export const flameEntry = {
  name: 'flame',
  label: 'Flame graph',
  title: 'Flame graph',
  controls: [
    'metric',
    'measure',
    'widths',
    'frames',
    'filter',
    'split',
    'view',
    'group',
    'display',
    'imports',
    'runtime',
    'zoom',
    'search',
    'matches',
  ],
  content: makeGraph,
  shortcuts: SHORTCUTS,
  make: (page) => new FlameTab(page),
};

/** What the graph is drawn on; the first view of a large tree is there before the tab is made. */
function makeGraph() {
  const graph = makeElement('div');
  graph.id = 'graph';
  graph.tabIndex = 0;
  graph.setAttribute('role', 'tree');
  graph.setAttribute('aria-describedby', 'graph-help');
  const empty = makeElement('p');
  empty.id = 'empty';
  empty.hidden = true;
  const stage = makeElement('div');
  stage.id = 'stage';
  stage.setAttribute('role', 'presentation');
  const canvas = makeElement('canvas');
  canvas.id = 'canvas';
  canvas.setAttribute('aria-hidden', 'true');
  stage.append(canvas);
  const mirror = makeElement('div', undefined, 'visually-hidden');
  mirror.id = 'mirror';
  mirror.setAttribute('role', 'presentation');
  graph.append(empty, stage, mirror);
  const help = makeElement(
    'p',
    'Arrow keys move from frame to frame, Enter zooms, 0 or Escape resets, slash searches, ' +
      'question mark shows all keys.',
    'visually-hidden',
  );
  help.id = 'graph-help';
  return [graph, help];
}

class FlameTab extends FlameGraph {
  /** @param {KeyboardEvent} event */
  key(event) {
    const isOnGraph = event.target === this.graph || event.target === document.body;
    const direction = directionOf(event.key, this.state);
    // Elsewhere arrows and Enter belong to the control that has the focus.
    if (direction || event.key === 'Enter') {
      if (!isOnGraph) return false;
      if (direction) this.moveFocus(direction);
      else this.zoomToFocus();
      return true;
    }
    return press(SHORTCUTS, event.key, this, this.page);
  }

  /** @param {number} step */
  searchEntered(step) {
    this.matches.go(step);
    this.graph.focus();
  }

  searchLeft() {
    this.graph.focus();
  }

  get exports() {
    return {
      svg: 'SVG picture of this view',
      csv: 'CSV of the drawn frames',
      json: 'JSON of the drawn frames',
      collapsed: 'Collapsed stacks below the zoomed frame',
    };
  }

  /** @param {string} format */
  exportAs(format) {
    exportView(this.page, this.scene(), format);
  }
}
