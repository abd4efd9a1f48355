// Draws a layout on a canvas. Only the rows inside the viewport are touched.

import { contextOf, prepareCanvas } from '../common/dom.js';
import { formatCount, formatMeasure, formatPercent } from '../common/format.js';
import { baseName, shortenPath, withoutArguments } from '../common/names.js';
import { KINDS, isNative } from '../data/views.js';
import { CHANGE_SIGNS, changeOf, formatChange } from './difference.js';

/** @import { Amounts } from '../choices/selection.js' */
/** @import { Group, State } from '../choices/state.js' */
/** @import { PageData } from '../data/container.js' */
/** @import { Model } from '../data/model.js' */
/** @import { Colours, Paint } from './colour.js' */
/** @import { Layout, Rectangle } from './layout.js' */
/** @import { Placed } from './matches.js' */
/** @import { AnyTree } from './sandwich.js' */
/** @import { NodePlace, TreeNode } from './tree.js' */

/**
 * All that is drawn, and how.
 * @typedef {object} Scene
 * @property {Layout} layout
 * @property {AnyTree} tree
 * @property {Model} model
 * @property {State} state
 * @property {Amounts} totals what the capture says that all together has
 * @property {string} limits what is selected, in words
 * @property {Placed | null} matches
 * @property {Colours} colours
 * @property {string} background
 * @property {string} accent
 * @property {string} text
 * @property {number} width
 * @property {number} height
 * @property {number} scrollTop
 * @property {Rectangle | null} focus of the keyboard
 * @property {Rectangle | null} hover
 */

export const ROW_HEIGHT = 20;
export const LABEL_PADDING = 4;
const LABEL_FONT = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

/**
 * Short names of native functions by frame, for each page: made once, as drawing asks for them again and again.
 * @type {WeakMap<PageData, Map<number, string>>}
 */
const SHORT_NAMES = new WeakMap();

/**
 * Whether the root is at the bottom. A sandwich has callers on top.
 * @param {Pick<State, 'draw' | 'view'>} state
 */
export function growsUpward(state) {
  return state.draw === 'flame' && state.view !== 'sandwich';
}

/**
 * Whether a node holds what was allocated by way of it, and not what it allocated by itself.
 * @param {Pick<State, 'view'>} state @param {TreeNode} node
 */
export function isCaller(state, node) {
  return state.view === 'inverted' || node.depth < 0;
}

/**
 * Whether a node represents frames that are too narrow to draw.
 * @param {Model} model @param {TreeNode} node
 */
function isMerged(model, node) {
  return node.block !== null || (node.frame >= 0 && model.data.frames.kind[node.frame] === KINDS.merged);
}

/**
 * The names of a node, by how frames are grouped: {name, shortName, place, shortPlace}.
 * @param {Model} model @param {NodePlace} node @param {Group} group
 */
export function namesOf(model, node, group) {
  const only = (/** @type {string} */ name) => ({ name, shortName: name, place: '', shortPlace: '' });
  // In a first view nobody knows how many there are.
  if (node.block) return only(model.isFirstView ? 'more' : `+${formatCount(node.block.to - node.block.from)} more`);
  const { frames, strings } = model.data;
  if (node.key < 0) return only('all');
  const file = strings[frames.file[node.frame]];
  const name = strings[frames.function[node.frame]];
  const line = frames.line[node.frame];
  if (group === 'file') return only(shortenPath(file) || name);
  const suffix = group === 'line' && line > 0 ? `:${line}` : '';
  const native = isNative(frames.kind[node.frame]);
  return {
    name,
    shortName: native ? shortNameOf(model, node.frame, name) : name,
    place: shortenPath(file) + suffix,
    shortPlace: baseName(file) + suffix,
  };
}

/**
 * A native function's name without arguments; made once, as drawing asks for it again and again.
 * @param {Model} model @param {number} frame @param {string} name
 */
function shortNameOf(model, frame, name) {
  const known = SHORT_NAMES.get(model.data) ?? new Map();
  SHORT_NAMES.set(model.data, known);
  const short = known.get(frame) ?? withoutArguments(name);
  known.set(frame, short);
  return short;
}

/**
 * The source line of a frame, or ''. Only a view by line has one line per frame.
 * @param {Model} model @param {TreeNode} node @param {Group} group
 */
export function sourceOf(model, node, group) {
  if (node.block || node.frame < 0 || group !== 'line') return '';
  const index = model.data.frames.source[node.frame];
  return index >= 0 ? model.data.strings[index].trim() : '';
}

/**
 * The label of a node in at most `room` characters; what matters least goes first.
 * @param {Scene} scene @param {TreeNode} node @param {number} room
 */
export function labelFor(scene, node, room) {
  const change = changeOf(scene, node);
  // The sign outlives the name: colours alone say too little.
  const sign = change ? `${CHANGE_SIGNS[change.status]} ` : '';
  if (room < 3) return sign.trim();
  const { model, tree, state } = scene;
  const { name: whole, shortName: name, place, shortPlace } = namesOf(model, node, state.group);
  const size = formatMeasure(node.value, state.measure);
  if (node.block) return fitLabel([`${name}, ${size}`, name, name.split(' ')[0]], room);
  const percent = change ? formatChange(change) : formatPercent(node.value, tree.whole.value);
  const source = state.labels === 'source' ? sourceOf(model, node, state.group) : '';
  return fitLabel(
    [
      whole !== name && place && `${whole}  ${place}  ${size} ${percent}`,
      source && `${name}  ${source}  ${size} ${percent}`,
      place && `${name}  ${place}  ${size} ${percent}`,
      shortPlace && `${name}  ${shortPlace}  ${size} ${percent}`,
      shortPlace && `${name}  ${shortPlace}  ${percent}`,
      // Every file has a <module>: such a name says nothing without its place.
      shortPlace && name.startsWith('<') && `${name}  ${shortPlace}`,
      `${name}  ${size} ${percent}`,
      `${name}  ${percent}`,
      sign + name,
      ...innerNames(withoutParameters(name)).map((inner) => sign + inner),
    ],
    room,
  );
}

/** @param {string} name */
function withoutParameters(name) {
  const bare = name.replace(/\(…?\)[^()]*$/, '');
  return bare === '' || bare.endsWith('operator') ? name : bare;
}

/**
 * A qualified name with ever fewer of the scopes around it, so that what is called stays: …::Index<…>::insert(…); or
 * the address in a module without names.
 * @param {string} name
 */
function innerNames(name) {
  return [name, ...Array.from(name.matchAll(/::|\+(?=0x[0-9a-f]+$)/g), (match) => `…${name.slice(match.index)}`)];
}

/** @param {(string | false)[]} candidates @param {number} room */
function fitLabel(candidates, room) {
  for (const candidate of candidates) if (candidate && candidate.length <= room) return candidate;
  return `${String(candidates[candidates.length - 1]).slice(0, room - 1)}…`;
}

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {Map<string, CanvasPattern>} */
    this.hatches = new Map();
    const context = contextOf(canvas);
    context.font = LABEL_FONT;
    // One width for all characters: labels are fitted by counting instead of measuring each of them.
    this.characterWidth = context.measureText('MMMMMMMMMM').width / 10;
  }

  /**
   * Top of a row in the viewport. A flame grows from the bottom, an icicle hangs from the top.
   * @param {Scene} scene @param {number} row
   */
  static rowTop(scene, row) {
    const rows = scene.layout.rows.length;
    if (!growsUpward(scene.state)) return row * ROW_HEIGHT - scene.scrollTop;
    return Math.max(rows * ROW_HEIGHT, scene.height) - (row + 1) * ROW_HEIGHT - scene.scrollTop;
  }

  /** @param {Scene} scene @param {number} y */
  static rowAt(scene, y) {
    const rows = scene.layout.rows.length;
    if (!growsUpward(scene.state)) return Math.floor((y + scene.scrollTop) / ROW_HEIGHT);
    return Math.ceil((Math.max(rows * ROW_HEIGHT, scene.height) - y - scene.scrollTop) / ROW_HEIGHT) - 1;
  }

  /**
   * The first and last row of which something is in the viewport.
   * @param {Scene} scene
   */
  static rowsInSight(scene) {
    const edges = [Painter.rowAt(scene, 0), Painter.rowAt(scene, scene.height)];
    return [Math.max(0, Math.min(...edges)), Math.min(scene.layout.rows.length - 1, Math.max(...edges))];
  }

  /** @param {Scene} scene @param {TreeNode} node @returns {Paint} */
  static paintOf(scene, node) {
    const { colours, state, matches, tree } = scene;
    if (isMerged(scene.model, node)) return colours.block;
    if (matches) return matches.byKey[node.key] ? colours.match : colours.faded;
    const change = state.colour === 'change' ? changeOf(scene, node) : null;
    if (change) return colours.byChange(change);
    if (state.colour === 'heat') {
      // Inverted, the frames that allocate are the first row, and what counts is how much came through here.
      const heat = isCaller(state, node) ? (node.parent ? node.value : 0) : tree.ownOf(node).value;
      return colours.byHeat(heat / tree.whole.value);
    }
    return colours.byKind(node.frame);
  }

  /** @param {Scene} scene */
  draw(scene) {
    const context = prepareCanvas(this.canvas, scene.width, scene.height);
    context.fillStyle = scene.background;
    context.fillRect(0, 0, scene.width, scene.height);
    context.font = LABEL_FONT;
    context.textBaseline = 'middle';
    const [first, last] = Painter.rowsInSight(scene);
    for (let row = first; row <= last; row++) this.drawRow(context, scene, row);
    if (scene.state.view === 'sandwich') this.drawOutline(context, scene, { row: scene.layout.above, index: 0 }, 2);
    this.drawOutline(context, scene, scene.hover, 1);
    this.drawOutline(context, scene, scene.focus, 3);
  }

  /** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} row */
  drawRow(context, scene, row) {
    const line = scene.layout.rows[row];
    const top = Painter.rowTop(scene, row);
    for (let i = 0; i < line.node.length; i++) {
      const node = line.node[i];
      const x = line.x[i];
      const width = line.width[i];
      const paint = Painter.paintOf(scene, node);
      const merged = isMerged(scene.model, node);
      // A gap between neighbours, as long as the rectangle can afford it.
      const drawn = Math.max(width < 3 ? width : width - 1, merged ? 1 : 0.5);
      context.fillStyle = merged ? this.hatch(context, paint) : paint.fill;
      context.fillRect(x, top, drawn, ROW_HEIGHT - 1);
      const room = Math.floor((width - 2 * LABEL_PADDING) / this.characterWidth);
      if (room < (scene.tree.other ? 1 : 3)) continue;
      const label = labelFor(scene, node, room);
      if (merged) this.clearBehind(context, paint, label, x, top, width);
      context.fillStyle = paint.text;
      context.fillText(label, x + LABEL_PADDING, top + ROW_HEIGHT / 2, width - 2 * LABEL_PADDING);
    }
  }

  /**
   * Text on hatching is hard to read, so its ground is plain.
   * @param {CanvasRenderingContext2D} context @param {Paint} paint @param {string} label @param {number} x
   * @param {number} top @param {number} width
   */
  clearBehind(context, paint, label, x, top, width) {
    context.fillStyle = paint.fill;
    context.fillRect(x + 2, top + 2, Math.min(width - 5, label.length * this.characterWidth + 4), ROW_HEIGHT - 5);
  }

  /** @param {CanvasRenderingContext2D} context @param {Paint} paint */
  hatch(context, { fill, line = fill }) {
    let pattern = this.hatches.get(line) ?? null;
    if (!pattern) {
      const tile = document.createElement('canvas');
      tile.width = tile.height = 6;
      const pen = contextOf(tile);
      pen.fillStyle = fill;
      pen.fillRect(0, 0, 6, 6);
      pen.strokeStyle = line;
      pen.lineWidth = 1.4;
      pen.beginPath();
      for (const shift of [-6, 0, 6]) {
        pen.moveTo(shift - 1, 7);
        pen.lineTo(shift + 7, -1);
      }
      pen.stroke();
      pattern = context.createPattern(tile, 'repeat');
      if (pattern) this.hatches.set(line, pattern);
    }
    return pattern ?? fill;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Scene} scene
   * @param {Pick<Rectangle, 'row' | 'index'> | null} rectangle @param {number} thickness
   */
  drawOutline(context, scene, rectangle, thickness) {
    if (!rectangle) return;
    const line = scene.layout.rows[rectangle.row];
    if (!line || rectangle.index >= line.x.length) return;
    const width = Math.max(4, line.width[rectangle.index] - 1);
    const top = Painter.rowTop(scene, rectangle.row);
    context.strokeStyle = scene.accent;
    context.lineWidth = thickness;
    const inset = thickness / 2;
    context.strokeRect(line.x[rectangle.index] + inset, top + inset, width - thickness, ROW_HEIGHT - 1 - thickness);
  }
}
