'use strict';
// Moving over the graph with the keyboard, and the shortcuts of the page.

/** The rectangle next to `from` in a direction of the tree: 'child', 'parent', 'previous' or 'next'. */
function neighbour(layout, from, direction) {
  if (!from) return { row: 0, index: 0, node: layout.root };
  const at = (row, index) => {
    const line = layout.rows[row];
    return line && index >= 0 && index < line.node.length ? { row, index, node: line.node[index] } : null;
  };
  if (direction === 'next') return at(from.row, from.index + 1);
  if (direction === 'previous') return at(from.row, from.index - 1);
  const left = layout.rows[from.row].x[from.index];
  if (direction === 'parent') {
    const line = layout.rows[from.row - 1];
    return line ? at(from.row - 1, findLastAtOrBefore(line.x, left)) : null;
  }
  // Children start where their parent starts and the largest comes first.
  const below = layout.rows[from.row + 1];
  if (!below) return null;
  const index = below.node.findIndex((node) => isChildOf(node, from.node));
  return index < 0 ? null : at(from.row + 1, index);
}

/** Members of a zoomed block hang on the node the block was made for. */
function isChildOf(node, parent) {
  return node.parent === parent || (parent.block !== null && node.parent === parent.block.owner);
}

function findLastAtOrBefore(values, limit) {
  let index = 0;
  while (index + 1 < values.length && values[index + 1] <= limit + 1e-9) index++;
  return index;
}

/** Arrow keys go where the eye goes: in a flame the children are above. */
function directionOf(key, draw) {
  const directions = { ArrowLeft: 'previous', ArrowRight: 'next', ArrowDown: 'child', ArrowUp: 'parent' };
  if (draw === 'flame') Object.assign(directions, { ArrowDown: 'parent', ArrowUp: 'child' });
  return directions[key];
}

/** Connects keys to the actions of the page (see FlamePage). */
function listenToKeys(page, graph, searchBox, help) {
  const next = (values, value) => values[(values.indexOf(value) + 1) % values.length];
  const cycle = (name) => page.choose({ [name]: next(CHOICES[name], page.state[name]) });
  const cycleIf = (possible, name) => possible && cycle(name);
  const shortcuts = {
    '/': () => {
      searchBox.focus();
      searchBox.select();
    },
    '?': () => help.showModal(),
    n: () => page.goToMatch(1),
    p: () => page.goToMatch(-1),
    N: () => page.goToMatch(-1),
    0: () => page.resetZoom(),
    Escape: () => page.resetZoom(),
    Backspace: () => page.zoomOut(),
    m: () => cycle('metric'),
    b: () => cycle('measure'),
    i: () => cycle('view'),
    f: () => cycle('draw'),
    g: () => cycle('group'),
    c: () => cycle('colour'),
    s: () => cycle('labels'),
    h: () => cycle('imports'),
    a: () => cycleIf(page.processes.several, 'split'),
    v: () => cycleIf(page.folding.hasNative, 'frames'),
    r: () => cycleIf(page.folding.hasNative && page.state.frames === 'hybrid', 'runtime'),
  };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target === searchBox) {
      searchBoxKey(event);
      return;
    }
    if (isTyping(event.target)) return;
    const onGraph = event.target === graph || event.target === document.body;
    const direction = directionOf(event.key, page.state.draw);
    if (direction) {
      // Elsewhere arrows belong to the control that has the focus.
      if (!onGraph) return;
      page.moveFocus(direction);
    } else if (event.key === 'Enter') {
      if (!onGraph) return;
      page.zoomToFocus();
    } else if (Object.hasOwn(shortcuts, event.key)) {
      shortcuts[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });

  function searchBoxKey(event) {
    if (event.key === 'Enter') {
      page.searchNow();
      page.goToMatch(event.shiftKey ? -1 : 1);
      graph.focus();
    } else if (event.key === 'Escape') {
      page.clearSearch();
      graph.focus();
    } else {
      return;
    }
    event.preventDefault();
  }
}
