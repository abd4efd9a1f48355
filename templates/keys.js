'use strict';
// Moving over the graph with the keyboard, and the shortcuts of the page and its tabs.

/**
 * The rectangle next to `from` in a direction: 'child' is the row below, 'parent' the row above, as in an icicle;
 * 'previous' and 'next' are in the same row.
 */
function neighbour(layout, from, direction) {
  const { rows, above } = layout;
  if (!from) return { row: above, index: 0, node: layout.root };
  const at = (row, index) => {
    const line = rows[row];
    return line && index >= 0 && index < line.node.length ? { row, index, node: line.node[index] } : null;
  };
  if (direction === 'next') return at(from.row, from.index + 1);
  if (direction === 'previous') return at(from.row, from.index - 1);
  const row = from.row + (direction === 'child' ? 1 : -1);
  if (!rows[row]) return null;
  const [left, width] = [rows[from.row].x[from.index], rows[from.row].width[from.index]];
  // Towards the root there is one, and it begins no later.
  if (Math.abs(row - above) < Math.abs(from.row - above)) return at(row, findLastAtOrBefore(rows[row].x, left));
  // Away from it, the first of those that stand on this one, which is the largest.
  return at(row, rows[row].x.findIndex((x) => x > left - 1e-6 && x < left + width - 1e-6));
}

function findLastAtOrBefore(values, limit) {
  let index = 0;
  while (index + 1 < values.length && values[index + 1] <= limit + 1e-9) index++;
  return index;
}

/** Arrow keys go where the eye goes: in a flame the children are above. */
function directionOf(key, state) {
  const directions = { ArrowLeft: 'previous', ArrowRight: 'next', ArrowDown: 'child', ArrowUp: 'parent' };
  if (growsUpward(state)) Object.assign(directions, { ArrowDown: 'parent', ArrowUp: 'child' });
  return directions[key];
}

/** Takes a choice to its next value. */
function cycleChoice(page, name) {
  const values = CHOICES[name];
  page.choose({ [name]: values[(values.indexOf(page.state[name]) + 1) % values.length] });
}

/** A key while the flame graph is open; false where it means nothing there. */
function flameKey(tab, event) {
  const { page, graph } = tab;
  const onGraph = event.target === graph || event.target === document.body;
  const direction = directionOf(event.key, page.state);
  // Elsewhere arrows and Enter belong to the control that has the focus.
  if (direction || event.key === 'Enter') {
    if (!onGraph) return false;
    if (direction) tab.moveFocus(direction);
    else tab.zoomToFocus();
    return true;
  }
  const shortcuts = {
    n: () => tab.goToMatch(1),
    p: () => tab.goToMatch(-1),
    N: () => tab.goToMatch(-1),
    0: () => tab.resetZoom(),
    Escape: () => tab.resetZoom(),
    Backspace: () => tab.zoomOut(),
    i: () => cycleChoice(page, 'view'),
    w: () => tab.openSandwich(),
    f: () => cycleChoice(page, 'draw'),
    g: () => cycleChoice(page, 'group'),
    c: () => cycleChoice(page, 'colour'),
    x: () => page.sides && cycleChoice(page, 'widths'),
    s: () => cycleChoice(page, 'labels'),
  };
  if (!Object.hasOwn(shortcuts, event.key)) return false;
  shortcuts[event.key]();
  return true;
}

/** Connects keys to the actions of the page (see ReportPage) and of the tab that is open. */
function listenToKeys(page, searchBox, help) {
  const { folding, selection } = page;
  const isPossible = { split: () => selection.owners.length > 0, frames: () => folding.hasNative, runtime: () => folding.hasNative && page.state.frames === 'hybrid', metric: () => true, measure: () => true, imports: () => true };
  const choices = { m: 'metric', b: 'measure', h: 'imports', a: 'split', v: 'frames', r: 'runtime' };
  const shortcuts = {
    '/': () => {
      searchBox.focus();
      searchBox.select();
    },
    '?': () => help.showModal(),
    d: () => byId('theme').click(),
  };
  TABS.forEach(({ name }, index) => {
    shortcuts[index + 1] = () => page.tabs.open(name);
  });

  function pageKey(key) {
    if (Object.hasOwn(shortcuts, key)) shortcuts[key]();
    else if (Object.hasOwn(choices, key) && isPossible[choices[key]]()) cycleChoice(page, choices[key]);
    else return false;
    return true;
  }

  function searchBoxKey(event) {
    if (event.key === 'Enter') {
      page.searchNow();
      page.tabs.current.searchEntered?.(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      searchBox.value = '';
      page.searchNow();
      page.tabs.current.searchLeft?.();
    } else {
      return false;
    }
    return true;
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || event.defaultPrevented) return;
    if (event.target !== searchBox && isTyping(event.target)) return;
    const handled = event.target === searchBox ? searchBoxKey(event) : page.tabs.current.key?.(event) || pageKey(event.key);
    if (handled) event.preventDefault();
  });
}
