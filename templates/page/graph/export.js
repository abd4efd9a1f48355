// The graph as files: what is drawn (SVG, CSV, JSON), and the full stacks below the zoomed frame (collapsed).

import { download, saveRows } from '../common/downloads.js';
import { formatMeasure, formatPercent } from '../common/format.js';
import { LABEL_PADDING, Painter, ROW_HEIGHT, growsUpward, labelFor, namesOf } from './draw.js';
import { treeNodeOf } from './matches.js';
import { describeView } from './panels.js';
import { orderAll } from './grouping.js';
import { Tree } from './tree.js';

/** @import { PageData } from '../data/container.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Scene } from './draw.js' */
/** @import { AnyTree } from './sandwich.js' */
/** @import { TreeNode } from './tree.js' */

/** @param {string} text */
function escapeXml(text) {
  // Control characters are not allowed in XML, not even escaped.
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  const legal = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
  return legal.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/**
 * All rows of the layout as one SVG, with the same colours and labels as on the screen.
 * @param {Scene} scene
 */
function layoutToSvg(scene) {
  const { layout, tree, model, state } = scene;
  const title = 24;
  const height = layout.rows.length * ROW_HEIGHT + title;
  const { colours } = scene;
  const shown = `${describeView(scene)}: ${formatMeasure(layout.root.value, state.measure)}`;
  const caption = `${model.data.header.command_line}  ${shown}`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${layout.width} ${height}" width="${layout.width}"`,
    ` height="${height}" font-family="monospace" font-size="12">\n`,
    `<defs><pattern id="more" width="6" height="6" patternUnits="userSpaceOnUse">`,
    `<rect width="6" height="6" fill="${colours.block.fill}"/><path d="M-1 7L7 -1" stroke="${colours.block.line}"/>`,
    `</pattern></defs>\n`,
    `<rect width="100%" height="100%" fill="${scene.background}"/>\n`,
    `<text x="4" y="16" fill="${scene.text}">${escapeXml(caption)}</text>\n`,
  ];
  layout.rows.forEach((row, r) => {
    const y = growsUpward(state) ? height - (r + 1) * ROW_HEIGHT : title + r * ROW_HEIGHT;
    row.node.forEach((node, i) => {
      const paint = Painter.paintOf(scene, node);
      const width = Math.max(0.5, row.width[i] < 3 ? row.width[i] : row.width[i] - 1);
      const label = labelFor(scene, node, Math.floor((row.width[i] - 2 * LABEL_PADDING) / 7.3));
      const { name, place } = namesOf(model, node, state.group);
      const share = formatPercent(node.value, tree.whole.value);
      const hint = `${name} ${place} ${formatMeasure(node.value, state.measure)} ${share}`;
      const fill = node.block ? 'url(#more)' : paint.fill;
      const [x, textX] = [row.x[i], row.x[i] + LABEL_PADDING].map((at) => at.toFixed(2));
      const where = `x="${textX}" y="${y + 14}" fill="${paint.text}" xml:space="preserve"`;
      parts.push(
        `<g><title>${escapeXml(hint)}</title>`,
        `<rect x="${x}" y="${y}" width="${width.toFixed(2)}" height="${ROW_HEIGHT - 1}" fill="${fill}"/>`,
        label ? `<text ${where}>${escapeXml(label)}</text>` : '',
        '</g>\n',
      );
    });
  });
  parts.push('</svg>\n');
  return parts;
}

/**
 * One row per drawn frame or block, top row first.
 * @param {Scene} scene
 */
function layoutToRows(scene) {
  const { layout, tree, model, state } = scene;
  const { frames, strings } = model.data;
  return layout.rows.flatMap((row, r) =>
    row.node.map((node) => {
      const own = tree.ownOf(node);
      const plain = node.key >= 0;
      return {
        depth: r - layout.above,
        function: namesOf(model, node, state.group).name,
        file: plain ? strings[frames.file[node.frame]] : '',
        line: plain && state.group === 'line' && frames.line[node.frame] > 0 ? frames.line[node.frame] : '',
        bytes: node.bytes,
        own_bytes: own.bytes,
        allocations: node.allocations,
        own_allocations: own.allocations,
        merged_frames: node.block ? node.block.to - node.block.from : 0,
      };
    }),
  );
}

/**
 * A frame as one element of a collapsed stack; ';' separates elements, so it cannot be part of one.
 * @param {PageData} data @param {number} frame
 */
function collapsedName(data, frame) {
  const name = data.strings[data.frames.function[frame]];
  const file = data.strings[data.frames.file[frame]];
  const line = data.frames.line[frame];
  const place = file ? ` (${file}${line > 0 ? `:${line}` : ''})` : '';
  return (name + place).replace(/;/g, ',').replace(/[\r\n]+/g, ' ');
}

/**
 * "outermost;...;innermost value" for every stack below the zoomed node, whether it is drawn or merged. The outermost
 * frame comes first in inverted views too, which is what readers of this format expect.
 * @param {Scene} scene
 */
function collapsedStacks(scene) {
  const { layout, tree, model, state } = scene;
  /** @type {Map<number, string>} */
  const names = new Map();
  const nameOf = (/** @type {number} */ frame) => {
    const name = names.get(frame) ?? collapsedName(model.data, frame);
    names.set(frame, name);
    return name;
  };
  const stackOf = (/** @type {number} */ node) => {
    const chain = [];
    for (let at = node; at > 0; at = model.parent[at])
      if (!tree.hidden[model.frame[at]]) chain.push(nameOf(model.frame[at]));
    return chain.reverse().join(';') || 'all';
  };
  /** @type {string[]} */
  const lines = [];
  const write = (/** @type {number} */ node, /** @type {string} */ suffix, /** @type {number} */ value) => {
    if (value > 0) lines.push(`${stackOf(node)}${suffix} ${value}\n`);
  };
  if (!tree.spec.inverted || !layout.root.parent) {
    for (const [node, value] of ownByLine(tree, modelNodesBelow(tree, layout.root))) {
      const chain = [];
      for (let at = node; at.parent; at = at.parent) chain.push(nameOf(at.frame));
      lines.push(`${chain.reverse().join(';') || 'all'} ${value}\n`);
    }
    return lines;
  }
  // Inverted: each member is a caller of the frames on the way to the zoomed node.
  const stepName = (/** @type {TreeNode} */ node) =>
    state.group === 'line' ? nameOf(node.frame) : namesOf(model, node, state.group).name.replace(/;/g, ',');
  const suffixOf = (/** @type {TreeNode} */ node) => {
    let suffix = '';
    for (let at = node.parent; at && at.parent; at = at.parent) if (!at.block) suffix += `;${stepName(at)}`;
    return suffix;
  };
  for (const node of membersOfBlock(tree, layout.root)) {
    const values = state.measure === 'bytes' ? node.memberBytes : node.memberAllocations;
    node.members.forEach((member, m) => write(member, suffixOf(node), values?.[m] ?? 0));
  }
  return lines;
}

/**
 * Own values by stack, lines distinguished: a node of a tree for each, with its value. Stacks that differ only in
 * hidden frames are one.
 * @param {AnyTree} tree @param {Uint8Array} below
 */
function ownByLine(tree, below) {
  const { model, spec, hidden } = tree;
  const byLine = new Tree(model, { ...spec, inverted: false, group: 'line', focus: undefined }, hidden);
  const own = model.own[`${spec.metric}_${spec.measure}`];
  const known = new Map([[0, byLine.root]]);
  const sums = new Map();
  for (let i = 0; i < model.count; i++) {
    if (!below[i] || own[i] === 0) continue;
    const node = treeNodeOf(byLine, i, known);
    sums.set(node, (sums.get(node) || 0) + own[i]);
  }
  return sums;
}

/**
 * A node by itself, or every member of a block.
 * @param {AnyTree} tree @param {TreeNode} node
 */
function membersOfBlock(tree, node) {
  if (!node.block) return [node];
  const { owner, from, to } = node.block;
  const children = tree.childrenOf(owner);
  orderAll(children);
  return Array.from({ length: to - from }, (_, i) => tree.childInGroup(owner, children.order[from + i]));
}

/**
 * One byte per node of the model: 1 where it is part of what `node` represents.
 * @param {AnyTree} tree @param {TreeNode} node
 */
function modelNodesBelow(tree, node) {
  const { model } = tree;
  const below = new Uint8Array(model.count);
  for (const part of membersOfBlock(tree, node))
    for (const member of part.members) below.fill(1, member, model.end[member]);
  return below;
}

/** @param {ReportPage} page @param {Scene} scene @param {string} format */
export function exportView(page, scene, format) {
  const kind = `${scene.state.metric}-frames`;
  if (format === 'csv' || format === 'json') saveRows(page, kind, format, layoutToRows(scene));
  if (format === 'svg')
    download(`memprof-${scene.model.data.header.pid}-${kind}.svg`, 'image/svg+xml', layoutToSvg(scene));
  if (format === 'collapsed')
    download(`memprof-${scene.model.data.header.pid}-${kind}.collapsed.txt`, 'text/plain', collapsedStacks(scene));
}
