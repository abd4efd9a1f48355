'use strict';
// The parts of the page around the graph that tell about it: tooltip, breadcrumb, footer, legend, announcements.

/**
 * All there is to know about one node, as text. Shared by the tooltip and the announcement for screen readers. In an
 * inverted view a node holds what was allocated by way of it, and what it allocated by itself is not part of that.
 */
function describeNode(scene, node) {
  const { model, tree, layout, state } = scene;
  const { frames, strings } = model.data;
  const { name } = namesOf(model, node, state.group);
  const own = tree.ownOf(node);
  const change = changeOf(scene, node);
  const plain = node.key >= 0;
  const line = plain && state.group === 'line' && frames.line[node.frame] > 0 ? `:${frames.line[node.frame]}` : '';
  return {
    name: node.block ? `${name} frames too narrow to draw, together` : name,
    path: plain ? strings[frames.file[node.frame]] + line : '',
    module: plain && state.group !== 'file' ? moduleOf(model, node.frame) : '',
    source: sourceOf(model, node, state.group),
    rows: [
      ['', 'Bytes', 'Allocations'],
      [isCaller(state, node) ? 'Through here' : 'With callees', formatBytes(node.bytes), formatCount(node.allocations)],
      ...(node.block || isCaller(state, node) ? [] : [['Own', formatBytes(own.bytes), formatCount(own.allocations)]]),
      ...(change ? changeRows(change) : []),
      ['Of total', formatPercent(node.bytes, tree.whole.bytes), formatPercent(node.allocations, tree.whole.allocations)],
      ...(layout.root.key >= 0 || layout.root.parent ? [[tree.spec.focus === undefined ? 'Of zoomed' : 'Of function', formatPercent(node.bytes, layout.root.bytes), formatPercent(node.allocations, layout.root.allocations)]] : []),
    ],
  };
}

/** The module that has a native function, or '' where its path says the same, or several have it. */
function moduleOf(model, frame) {
  const { frames, strings } = model.data;
  const module = frames.module[frame];
  return module < 0 || module === frames.file[frame] ? '' : strings[module];
}

class Tooltip {
  constructor(element) {
    this.element = element;
  }

  show(scene, node, x, y) {
    const facts = describeNode(scene, node);
    const table = makeElement('table');
    for (const [r, cells] of facts.rows.entries()) {
      const row = makeElement('tr');
      cells.forEach((cell, c) => row.append(makeElement(r === 0 || c === 0 ? 'th' : 'td', cell)));
      table.append(row);
    }
    this.element.replaceChildren(makeElement('strong', facts.name));
    if (facts.path) this.element.append(makeElement('div', facts.path, 'path'));
    if (facts.module) this.element.append(makeElement('div', `in ${facts.module}`, 'path'));
    if (facts.source) this.element.append(makeElement('code', facts.source));
    this.element.append(table);
    if (node.block) this.element.append(makeElement('div', 'Click to see them.', 'hint'));
    this.element.hidden = false;
    this.place(x, y);
  }

  /** Beside the pointer, never over the edge and never under the pointer itself. */
  place(x, y) {
    const box = this.element.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? Math.max(4, innerWidth - box.width - 4) : x + 14;
    const below = y + 18 + box.height <= innerHeight;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${below ? y + 18 : Math.max(4, y - box.height - 12)}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}

/** The way from the root to the zoomed node; long ways show their two ends. */
function showBreadcrumb(element, scene, zoomTo) {
  const chain = [];
  for (let at = scene.layout.root; at; at = at.parent) chain.push(at);
  // From a function between its callers and callees the way is back to all.
  if (scene.state.view === 'sandwich') chain.push({ key: -1, block: null });
  chain.reverse();
  const shown = chain.length > 7 ? [...chain.slice(0, 2), null, ...chain.slice(-4)] : chain;
  element.replaceChildren();
  for (const node of shown) {
    const item = makeElement('li');
    if (node === null) {
      item.textContent = `… ${chain.length - 6} more`;
    } else if (node === scene.layout.root) {
      item.append(makeElement('span', namesOf(scene.model, node, scene.state.group).shortName));
      item.firstChild.setAttribute('aria-current', 'location');
    } else {
      const { name, shortName } = namesOf(scene.model, node, scene.state.group);
      const button = makeElement('button', shortName);
      button.title = name;
      button.type = 'button';
      button.addEventListener('click', () => zoomTo(node));
      item.append(button);
    }
    element.append(item);
  }
}

/** What is drawn adds up to the whole; if it ever did not, the page says so instead of hiding it. */
function showSum(element, scene) {
  const { layout, tree, state } = scene;
  const { root } = layout;
  const blocks = layout.blocks ? ` + ${plural(layout.blocks, 'merged block')} (${plural(layout.merged, 'frame')} and all below)` : '';
  const sum = formatMeasure(layout.sum, state.measure) + (state.measure === 'bytes' ? '' : ' allocations');
  const between = tree.spec.focus !== undefined;
  const complete = layout.sum === root.value && (!between || layout.callerSum === root.value);
  const equals = complete ? '=' : '≠';
  const sums = between ? `Callees ${sum}, callers ${formatMeasure(layout.callerSum, state.measure)} ${equals} the function` : `Sum drawn ${sum} ${equals} ${root.parent ? 'the zoomed frame' : 'total'}`;
  let text = `Drawn: ${plural(layout.frames, 'frame')}${blocks}. ${sums}`;
  if (!complete) text += ` (${formatMeasure(root.value, state.measure)})`;
  if (root.parent || between) text += `, ${formatPercent(root.value, tree.whole.value)} of all`;
  const recorded = scene.totals[state.metric][state.measure];
  const agrees = tree.whole.value === recorded;
  if (!agrees) text += `. The capture's own total is ${formatMeasure(recorded, state.measure)}`;
  element.textContent = `${text}.`;
  element.classList.toggle('wrong', !complete || !agrees);
}

function showLegend(element, scene) {
  const { colours, state, model } = scene;
  element.replaceChildren();
  const add = (fills, label) => {
    const item = makeElement('li');
    for (const fill of fills) {
      const swatch = makeElement('i');
      if (fill) swatch.style.background = fill;
      else swatch.className = 'hatched';
      item.append(swatch);
    }
    item.append(label);
    element.append(item);
  };
  if (scene.matches) {
    add([colours.match.fill], 'matches');
  } else if (state.colour === 'change') {
    const { grown, shrunk, same } = colours.change;
    add(shrunk.map((paint) => paint.fill).reverse(), `${CHANGE_SIGNS.gone} gone, ${CHANGE_SIGNS.shrunk} shrunk`);
    add([same.fill], `${CHANGE_SIGNS.unchanged} unchanged`);
    add(grown.map((paint) => paint.fill), `${CHANGE_SIGNS.grown} grown, ${CHANGE_SIGNS.new} new`);
  } else if (state.colour === 'heat') {
    add(colours.heat.map((paint) => paint.fill), `${state.view === 'inverted' ? 'share of' : 'own'} ${state.measure}, little to much`);
  } else {
    const { frames, strings } = model.data;
    const used = new Set();
    for (let i = 1; i < frames.kind.length; i++) if (!scene.tree.hidden[i]) used.add(familyOf(frames.kind[i], strings[frames.file[i]]));
    for (const family of Object.keys(FAMILIES)) if (used.has(family)) add([colours.families[family][2].fill], FAMILIES[family].label);
  }
  add([null], 'merged');
}

/** One sentence for screen readers. */
function announcement(scene, rectangle) {
  const { tree, layout, state } = scene;
  const { node } = rectangle;
  const facts = describeNode(scene, node);
  const change = changeOf(scene, node);
  const share = formatPercent(node.value, tree.whole.value);
  return [
    facts.name,
    facts.path,
    facts.module && `in ${facts.module}`,
    `${formatBytes(node.bytes)} in ${plural(node.allocations, 'allocation')}`,
    `${share} of total ${state.measure}`,
    change && `${change.status}, ${formatMeasure(change.before.value, state.measure)} before and ${formatMeasure(change.after.value, state.measure)} after`,
    node.depth < 0 ? `caller ${-node.depth} above` : `level ${node.depth + 1}`,
    node.block ? 'merged block' : hasMore(layout, rectangle) ? '' : node.depth < 0 ? 'nothing above' : 'nothing below',
  ].filter(Boolean).join(', ');
}

/** What to say where there is nothing to draw, or '' where there is. */
function emptyMessage(scene) {
  if (scene.tree.root.value > 0) return '';
  const { totals } = scene;
  if (scene.tree.whole.value > 0) return 'The function of this sandwich has nothing here, or no frame in this view. Escape leads back to all.';
  if (!(totals.total.allocations > 0)) return 'No allocations were recorded in this run, so there is nothing to draw.';
  if (scene.state.metric === 'leaked') return 'Nothing leaked: everything that was allocated had been freed by the end of the recording.';
  if (scene.state.metric === 'temporary') return 'No allocation was temporary: given back before its thread had gone on allocating.';
  return `No ${scene.state.measure} to show for this metric. Choose another one above.`;
}
