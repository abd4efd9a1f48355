// What a page of a large tree shows while the tree is being unpacked: the frames that are wide enough to be seen, which
// are in the page as they are.

import { defaultState, fragmentFromState, stateFromFragment } from './choices/state.js';
import { byId, cssColour } from './common/dom.js';
import { buildModel } from './data/model.js';
import { hiddenFrames } from './data/views.js';
import { Colours } from './graph/colour.js';
import { Painter } from './graph/draw.js';
import { layoutTree } from './graph/layout.js';
import { Tree } from './graph/tree.js';
import { markTab } from './tabs.js';
import { currentTheme } from './theme.js';

/** @import { PageData } from './data/container.js' */

/**
 * The small tree with the head, or null where the page has none because its tree is small.
 * @returns {PageData | null}
 */
export function readFirstView() {
  const element = document.getElementById('memprof-first');
  return element && JSON.parse(element.textContent ?? '');
}

/**
 * Draws it, if the address asks for nothing else. What is left out of it is a hatched block, as in the whole tree.
 * @param {PageData} data
 */
export function drawFirstView(data) {
  const defaults = defaultState(data);
  const state = stateFromFragment(location.hash, defaults);
  markTab(state.tab);
  const [width, height] = [byId('stage').clientWidth, byId('graph').clientHeight];
  if (state.tab !== 'flame' || fragmentFromState(state, defaults) !== '' || !(width > 0 && height > 0)) return;
  const model = { ...buildModel(data), isFirstView: true };
  const { metric, measure, group } = state;
  const tree = new Tree(model, { metric, measure, inverted: false, group }, hiddenFrames(data, state));
  const [background, accent, text] = ['--ground', '--accent', '--text'].map(cssColour);
  new Painter(/** @type {HTMLCanvasElement} */ (byId('canvas'))).draw({
    layout: layoutTree(tree, tree.root, width),
    tree,
    model,
    totals: data.totals,
    state,
    limits: '',
    matches: null,
    colours: new Colours(data, currentTheme()),
    background,
    accent,
    text,
    width,
    height,
    scrollTop: 0,
    focus: null,
    hover: null,
  });
  performance.mark('memprof-first-view');
}

/** Resolves when what was drawn is on the screen, or cannot be, as in a tab in the background. */
export async function painted() {
  const shown = new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, 200))]);
  performance.mark('memprof-painted');
}
