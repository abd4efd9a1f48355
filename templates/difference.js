'use strict';
// Two captures in one graph (`memprof flamegraph --diff`): one tree with the amounts of both. Frames are as wide as after or
// as before, and their colours and signs say how they differ.

/** What the page of two captures has to choose, and others do not: the lines of a function are one frame there. */
function offerDifference() {
  CHOICES.widths = ['after', 'before'];
  CHOICES.colour = ['change', 'kind', 'heat'];
  CHOICES.group = ['function', 'file'];
  CHOICES.tab = ['flame'];
  byId('widths-choice').hidden = false;
  byId('tabs').hidden = true;
  for (const element of document.querySelectorAll('[data-of=difference]')) element.hidden = false;
  document.querySelector('[data-choice=group] [value=line]').remove();
  const option = makeElement('option', 'change');
  option.value = 'change';
  document.querySelector('[data-choice=colour]').prepend(option);
}

/** The amounts of both captures in the same tree. */
class Sides {
  constructor(data, model) {
    this.totals = { after: data.totals, before: data.before.totals };
    this.models = { after: model, before: withOwnValues(model, ownValues(model, {}, { cells: data.before })) };
    this.taken = '';
  }

  /** Makes the side that the state names the one that is looked at. */
  take(selection, { widths }) {
    if (widths === this.taken) return;
    this.taken = widths;
    selection.selectFrom(this.models[widths], this.totals[widths]);
  }

  /** The model of the other side. */
  other({ widths }) {
    return this.models[widths === 'after' ? 'before' : 'after'];
  }
}

/** The node of the other side's tree that stands for the same frames; null where that side has none. */
function counterpart(tree, node) {
  if (node.block) return null;
  if (node.other === undefined) {
    const { other } = tree;
    if (!node.parent) node.other = other.root;
    else {
      const above = counterpart(tree, node.parent);
      const isCallerOfRoot = node.depth < 0 && !node.parent.parent;
      const from = isCallerOfRoot && other.callers ? other.callers : null;
      node.other = above && (from ? from.childWithKey(from.root, node.key) : treeOf(other, node).childWithKey(above, node.key));
    }
  }
  return node.other;
}

/** The tree of a sandwich that a node like this is of. */
function treeOf(tree, node) {
  return tree.treeOf ? tree.treeOf(node) : tree;
}

/** A node before and after: {status, before, after, share}; null where there are not two sides, and for blocks. */
function changeOf(scene, node) {
  const { tree, state } = scene;
  if (!tree.other || node.block) return null;
  const nothing = { bytes: 0, allocations: 0, value: 0 };
  const other = counterpart(tree, node) ?? nothing;
  const [before, after] = state.widths === 'after' ? [other, node] : [node, other];
  const difference = after.value - before.value;
  const share = difference / Math.max(before.value, after.value, 1);
  let status = 'unchanged';
  if (before.value === 0) status = 'new';
  else if (after.value === 0) status = 'gone';
  else if (difference !== 0) status = difference > 0 ? 'grown' : 'shrunk';
  return { status, before, after, difference, share };
}

const CHANGE_SIGNS = { new: '+', gone: '×', grown: '▲', shrunk: '▼', unchanged: '=' };

/** `▲12.5%`, `+ new`: how a node differs, in words that do not need colours. */
function formatChange({ status, before, difference }) {
  if (status === 'new' || status === 'gone') return `${CHANGE_SIGNS[status]} ${status}`;
  if (status === 'unchanged') return '=';
  return `${CHANGE_SIGNS[status]}${formatPercent(Math.abs(difference), before.value)}`;
}

function formatSigned(difference, format) {
  return difference === 0 ? '0' : (difference > 0 ? '+' : '-') + format(Math.abs(difference));
}

/** Rows of a tooltip about a node that has two sides. */
function changeRows({ before, after }) {
  const row = (name, side) => [name, formatBytes(side.bytes), formatCount(side.allocations)];
  const difference = ['Difference', formatSigned(after.bytes - before.bytes, formatBytes), formatSigned(after.allocations - before.allocations, formatCount)];
  return [row('Before', before), row('After', after), difference];
}
