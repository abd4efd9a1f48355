// The parts of the page around the graph that describe it: tooltip, breadcrumb, footer, legend, announcements.

import { makeButton, makeElement } from '../common/dom.js';
import { formatBytes, formatCount, formatMeasure, formatPercent, plural } from '../common/format.js';
import { changeOf, changeRows } from './difference.js';
import { isCaller, namesOf, sourceOf } from './draw.js';
import { hasMore } from './moves.js';

/** @import { Model } from '../data/model.js' */
/** @import { Scene } from './draw.js' */
/** @import { Rectangle } from './layout.js' */
/** @import { NodePlace, TreeNode, Value } from './tree.js' */

/**
 * All there is to know about one node, as text. Shared by the tooltip and the announcement for screen readers. In an
 * inverted view a node holds what was allocated by way of it, and what it allocated by itself is not part of that.
 * @param {Scene} scene @param {TreeNode} node
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
      [
        'Of total',
        formatPercent(node.bytes, tree.whole.bytes),
        formatPercent(node.allocations, tree.whole.allocations),
      ],
      ...(layout.root.key >= 0 || layout.root.parent
        ? [
            [
              tree.spec.focus === undefined ? 'Of zoomed' : 'Of function',
              formatPercent(node.bytes, layout.root.bytes),
              formatPercent(node.allocations, layout.root.allocations),
            ],
          ]
        : []),
    ],
  };
}

/**
 * The module that has a native function, or '' where its path says the same, or several have it.
 * @param {Model} model @param {number} frame
 */
function moduleOf(model, frame) {
  const { frames, strings } = model.data;
  const module = frames.module[frame];
  return module < 0 || module === frames.file[frame] ? '' : strings[module];
}

export class Tooltip {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /** @param {Scene} scene @param {TreeNode} node @param {number} x @param {number} y */
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

  /**
   * Beside the pointer, never over the edge and never under the pointer itself.
   * @param {number} x @param {number} y
   */
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

/**
 * The way from the root to the zoomed node; long ways show their two ends.
 * @param {HTMLElement} element @param {Scene} scene @param {(node: NodePlace) => void} zoomTo
 */
export function showBreadcrumb(element, scene, zoomTo) {
  /** @type {NodePlace[]} */
  const chain = [];
  for (let at = /** @type {TreeNode | null} */ (scene.layout.root); at; at = at.parent) chain.push(at);
  // From a function between its callers and callees the way is back to all.
  if (scene.state.view === 'sandwich') chain.push({ key: -1, frame: -1, block: null, parent: null });
  chain.reverse();
  const shown = chain.length > 7 ? [...chain.slice(0, 2), null, ...chain.slice(-4)] : chain;
  element.replaceChildren();
  for (const node of shown) {
    const item = makeElement('li');
    if (node === null) {
      item.textContent = `… ${chain.length - 6} more`;
    } else if (node === scene.layout.root) {
      const here = makeElement('span', namesOf(scene.model, node, scene.state.group).shortName);
      here.setAttribute('aria-current', 'location');
      item.append(here);
    } else {
      const { name, shortName } = namesOf(scene.model, node, scene.state.group);
      const button = makeButton(shortName);
      button.title = name;
      button.addEventListener('click', () => zoomTo(node));
      item.append(button);
    }
    element.append(item);
  }
}

/**
 * What is drawn adds up to the whole; if it ever did not, the page says so instead of hiding it.
 * @param {HTMLElement} element @param {Scene} scene
 */
export function showSum(element, scene) {
  const { layout, tree, state } = scene;
  const { root } = layout;
  const blocks = layout.blocks
    ? ` + ${plural(layout.blocks, 'merged block')} (${plural(layout.merged, 'frame')} and all below)`
    : '';
  const sum = formatMeasure(layout.sum, state.measure) + (state.measure === 'bytes' ? '' : ' allocations');
  const between = tree.spec.focus !== undefined;
  const complete = layout.sum === root.value && (!between || layout.callerSum === root.value);
  const equals = complete ? '=' : '≠';
  const sums = between
    ? `Callees ${sum}, callers ${formatMeasure(layout.callerSum ?? 0, state.measure)} ${equals} the function`
    : `Sum drawn ${sum} ${equals} ${root.parent ? 'the zoomed frame' : 'total'}`;
  let text = `Drawn: ${plural(layout.frames, 'frame')}${blocks}. ${sums}`;
  if (!complete) text += ` (${formatMeasure(root.value, state.measure)})`;
  if (root.parent || between) text += `, ${formatPercent(root.value, tree.whole.value)} of all`;
  const recorded = scene.totals[state.metric][state.measure];
  const agrees = tree.whole.value === recorded;
  if (!agrees) text += `. The capture's own total is ${formatMeasure(recorded, state.measure)}`;
  element.textContent = `${text}.`;
  element.classList.toggle('wrong', !complete || !agrees);
}

/** @param {HTMLElement} element @param {Scene} scene */
export function showLegend(element, scene) {
  element.replaceChildren(
    ...scene.colours.legend(scene).map(({ fills, label }) => {
      const item = makeElement('li');
      for (const fill of fills) {
        const swatch = makeElement('i');
        if (fill) swatch.style.background = fill;
        else swatch.className = 'hatched';
        item.append(swatch);
      }
      item.append(label);
      return item;
    }),
  );
}

/**
 * One sentence for screen readers.
 * @param {Scene} scene @param {Rectangle} rectangle
 */
export function announcement(scene, rectangle) {
  const { tree, layout, state } = scene;
  const { node } = rectangle;
  const facts = describeNode(scene, node);
  const change = changeOf(scene, node);
  const share = formatPercent(node.value, tree.whole.value);
  const measured = (/** @type {Value} */ { value }) => formatMeasure(value, state.measure);
  return [
    facts.name,
    facts.path,
    facts.module && `in ${facts.module}`,
    `${formatBytes(node.bytes)} in ${plural(node.allocations, 'allocation')}`,
    `${share} of total ${state.measure}`,
    change && `${change.status}, ${measured(change.before)} before and ${measured(change.after)} after`,
    node.depth < 0 ? `caller ${-node.depth} above` : `level ${node.depth + 1}`,
    node.block ? 'merged block' : hasMore(layout, rectangle) ? '' : node.depth < 0 ? 'nothing above' : 'nothing below',
  ]
    .filter(Boolean)
    .join(', ');
}

/**
 * What to say where there is nothing to draw, or '' where there is.
 * @param {Scene} scene
 */
export function emptyMessage(scene) {
  if (scene.tree.root.value > 0) return '';
  const { totals } = scene;
  if (scene.tree.whole.value > 0)
    return 'The function of this sandwich has nothing here, or no frame in this view. Escape leads back to all.';
  if (!(totals.total.allocations > 0)) return 'No allocations were recorded in this run, so there is nothing to draw.';
  if (scene.state.metric === 'leaked')
    return 'Nothing leaked: everything that was allocated had been freed by the end of the recording.';
  if (scene.state.metric === 'temporary')
    return 'No allocation was temporary: freed before its thread had gone on allocating.';
  return `No ${scene.state.measure} to show for this metric. Choose another one above.`;
}

/**
 * What a view shows, in words.
 * @param {Pick<Scene, 'state' | 'limits'>} scene
 */
export function describeView({ state, limits }) {
  const metric = { peak: 'at the peak', leaked: 'leaked', total: 'total allocated', temporary: 'temporary' }[
    state.metric
  ];
  const frames = {
    hybrid: state.runtime === 'shown' ? ', with the Python runtime' : '',
    python: ', Python frames',
    native: ', native frames',
  }[state.frames];
  const view = { 'top-down': '', inverted: ', inverted', sandwich: ', callers and callees' }[state.view];
  return `${state.measure} ${metric}${frames}${view}${limits && `, only ${limits}`}`;
}
