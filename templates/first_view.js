'use strict';
// What a page of a large tree shows while the tree is being unpacked: the frames that are wide enough to be seen, which
// stand in the page as they are.

/** The small tree with the head, or null where the page has none because its tree is small. */
function readFirstView() {
  const element = byId('memprof-first');
  return element && JSON.parse(element.textContent);
}

/** Draws it, if the address asks for nothing else. What is left out of it is a hatched block, as in the whole tree. */
function drawFirstView(data) {
  const defaults = defaultState(data);
  const state = stateFromFragment(location.hash, defaults);
  markTab(state.tab);
  const [width, height] = [byId('stage').clientWidth, byId('graph').clientHeight];
  if (state.tab !== 'flame' || fragmentFromState(state, defaults) !== '' || !(width > 0 && height > 0)) return;
  const model = { ...buildModel(data), isFirstView: true };
  const { metric, measure, group } = state;
  const tree = new Tree(model, { metric, measure, inverted: false, group }, hiddenFrames(data, state));
  const [background, accent, text] = ['--ground', '--accent', '--text'].map(cssColour);
  new Painter(byId('canvas')).draw({
    layout: layoutTree(tree, tree.root, width), tree, model, totals: data.totals, state, colours: new Colours(data, currentTheme()),
    matches: null, width, height, scrollTop: 0, focus: null, hover: null, background, accent, text,
  });
  performance.mark('memprof-first-view');
}

/** Resolves when what was drawn is on the screen, or cannot be, as in a tab in the background. */
async function painted() {
  const shown = new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, 200))]);
  performance.mark('memprof-painted');
}
