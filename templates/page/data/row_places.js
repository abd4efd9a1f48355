// The one place that the memory of a stack is listed under in rows, and sums by place. The text reports have the same
// rule (reporter/src/sums/row_places.rs; docs/metrics.md, "Views").

import { baseName, shortenPath, withoutArguments } from '../common/names.js';
import { inclusiveSums } from './model.js';
import { KINDS, isNative, isOwner } from './views.js';

/** @import { State } from '../choices/state.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Frames, PageData } from './container.js' */
/** @import { AmountName } from './metrics.js' */
/** @import { Model } from './model.js' */
/** @typedef {'function' | 'line' | 'source' | 'file' | 'module'} GroupedBy */
/** @typedef {{ of: Int32Array, first: Int32Array, count: number }} Groups see `groupFrames` */
/**
 * @typedef {Pick<ReportPage, 'data' | 'model' | 'hidden' | 'modelName'> & { state: Pick<State, 'frames' | 'places'> }}
 *   Shown
 */

const NEW_THREAD = '<new thread>';

/** Whose a native function is: the column `origin` of frames (see reporter/src/naming/origins.rs). */
const ORIGINS = { unknown: 0, program: 1, dependency: 2, standardLibrary: 3 };

/**
 * One byte per frame: 1 where it is a function of a library whose functions are no places, if the program's are known.
 * @param {Frames} frames @param {string} places
 */
function libraryFrames({ origin }, places) {
  const isLibrary = (/** @type {number} */ whose) =>
    (whose === ORIGINS.standardLibrary && places !== 'all') || (whose === ORIGINS.dependency && places === 'program');
  return Uint8Array.from(origin ?? [], (whose) => Number(isLibrary(whose)));
}

/**
 * By node: the node above or at it that what was allocated there is listed under. That is the innermost Python frame,
 * in the hybrid view after the last start of a thread; where all of these are hidden import machinery, the innermost of
 * them; else the native function with the best claim, as reporter/src/naming/claims.rs says; else the placeholder of a
 * stack without frames.
 * @param {Model} model @param {Uint8Array} hidden @param {Pick<State, 'frames' | 'places'>} state
 */
export function rowPlaces(model, hidden, { frames: view, places }) {
  const { count, parent, frame } = model;
  const { frames, strings } = model.data;
  const python = new Int32Array(count);
  const machinery = new Int32Array(count);
  const native = new Int32Array(count);
  const special = new Int32Array(count);
  // Of the native function that is the place so far, whether its source says that it is no library's; and whether the
  // allocator has begun.
  const isProgram = new Uint8Array(count);
  const inAllocator = new Uint8Array(count);
  const isLibrary = libraryFrames(frames, places);
  const place = new Int32Array(count);
  const isNewThread = Uint8Array.from(frames.function, (name, f) =>
    frames.kind[f] === KINDS.special && strings[name] === NEW_THREAD ? 1 : 0,
  );
  for (let i = 1; i < count; i++) {
    const f = frame[i];
    const kind = frames.kind[f];
    const above = isOwner(kind) ? 0 : parent[i];
    python[i] = python[above];
    machinery[i] = machinery[above];
    native[i] = native[above];
    special[i] = special[above];
    isProgram[i] = isProgram[above];
    inAllocator[i] = inAllocator[above];
    if (!hidden[f] && !isOwner(kind)) {
      if (isNewThread[f]) {
        // What the creator's Python did is not what the thread does.
        if (view === 'hybrid') python[i] = machinery[i] = 0;
        inAllocator[i] = 0;
      } else if (kind === KINDS.python) {
        python[i] = i;
      } else if (isNative(kind)) {
        if (places !== 'all' && frames.enters_allocator?.[f]) inAllocator[i] = 1;
        const passesOn = frames.passes_on?.[f] || inAllocator[i] || (isLibrary[f] && isProgram[i]);
        if (!native[i] || !passesOn) {
          native[i] = i;
          isProgram[i] = Number(!passesOn && !isLibrary[f] && (frames.origin?.[f] ?? 0) > ORIGINS.unknown);
        }
      } else if (!special[i]) {
        special[i] = i;
      }
    } else if (kind === KINDS.python && view !== 'native') {
      // These views hide no other frames of Python.
      machinery[i] = i;
    }
    place[i] = python[i] || machinery[i] || native[i] || special[i] || 0;
  }
  return place;
}

/**
 * A Python file's package, the standard library, or its folder; a native function's module; or its name.
 * @param {PageData} data @param {number} f
 */
function moduleName(data, f) {
  const { frames, strings } = data;
  if (frames.module[f] >= 0) return baseName(strings[frames.module[f]]);
  const file = strings[frames.file[f]];
  if (!file) return strings[frames.function[f]];
  const installed = /\/(?:site|dist)-packages\/([^/]+)/.exec(file);
  if (installed) return installed[1].replace(/\.py$/, '');
  if (file.startsWith('<frozen') || /\/lib\/python\d[\d.]*\//.test(file)) return 'Python standard library';
  if (isNative(frames.kind[f])) return baseName(file);
  return file.slice(0, file.lastIndexOf('/') + 1) || file;
}

/**
 * A pattern that finds frames of a module in the graph, which has no modules.
 * @param {PageData} data @param {number} f
 */
export function modulePattern(data, f) {
  const escaped = moduleName(data, f).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const file = data.strings[data.frames.file[f]];
  if (/\/(?:site|dist)-packages\//.test(file)) return `-packages/${escaped}[/.]`;
  return escaped === 'Python standard library' ? '<frozen|/lib/python\\d[^:]*/(?!site-packages)' : escaped;
}

/**
 * Frames put together by what rows are for. `of` has the group of each frame, `first` a frame of each group, `count`
 * says how many groups there are.
 * @param {PageData} data @param {GroupedBy} by @returns {Groups}
 */
function groupFrames(data, by) {
  const { frames, strings } = data;
  // Lines are far below this, and products of two numbers of strings or frames below what a double holds exactly.
  const lineOf = (/** @type {number} */ f) => Math.min(frames.line[f], 2 ** 24 - 1);
  const ofFunction = by === 'line' ? groupFrames(data, 'function').of : new Int32Array(0);
  /** @type {Record<GroupedBy, (f: number) => number | string>} */
  const keysBy = {
    function: (f) => frames.function[f] * strings.length + frames.file[f],
    line: (f) => ofFunction[f] * 2 ** 24 + lineOf(f),
    // Functions on the same line of a file together.
    source: (f) => (strings[frames.file[f]] ? frames.file[f] * 2 ** 24 + lineOf(f) : -1 - frames.function[f]),
    file: (f) => (strings[frames.file[f]] ? frames.file[f] : -1 - frames.function[f]),
    module: (f) => moduleName(data, f),
  };
  const keyOf = keysBy[by];
  /** @type {Map<number | string, number>} */
  const groups = new Map();
  /** @type {number[]} */
  const first = [];
  const of = new Int32Array(frames.function.length);
  for (let f = 0; f < of.length; f++) {
    const key = keyOf(f);
    let group = groups.get(key);
    if (group === undefined) {
      group = first.length;
      groups.set(key, group);
      first.push(f);
    }
    of[f] = group;
  }
  return { of, first: Int32Array.from(first), count: first.length };
}

/**
 * One byte per node. In `outermost`: 1 where the node is shown and none above it is of the same group, so that sums of
 * what is below these count each stack once, however often a function calls itself. In `apart`: 1 where what was
 * allocated at the node is listed under a place that is not shown, and is in none of these sums of the place's group.
 * Nodes are in preorder.
 * @param {Model} model @param {Uint8Array} hidden @param {Groups} groups @param {Int32Array} place
 */
function outermostNodes(model, hidden, groups, place) {
  const { count, frame, end } = model;
  const outermost = new Uint8Array(count);
  const apart = new Uint8Array(count);
  // By group: up to where the nodes are below the last one found.
  const below = new Int32Array(groups.count);
  for (let i = 1; i < count; i++) {
    const group = groups.of[frame[i]];
    if (!hidden[frame[i]] && i >= below[group]) {
      outermost[i] = 1;
      below[group] = end[i];
    }
    const listed = frame[place[i]];
    if (place[i] && hidden[listed] && i >= below[groups.of[listed]]) apart[i] = 1;
  }
  return { outermost, apart };
}

/** Sums by group, made from a model when they are asked for and kept as long as the page shows this model. */
export class PlaceSums {
  /** @param {Shown} page */
  constructor(page) {
    this.page = page;
    /** @type {Map<GroupedBy, Groups>} */
    this.groups = new Map();
    /**
     * What was made for the model that is shown.
     * @type {Map<string, any>}
     */
    this.kept = new Map();
    this.shown = '';
  }

  /** @param {GroupedBy} by @returns {Groups} */
  groupsBy(by) {
    let groups = this.groups.get(by);
    if (!groups) {
      groups = groupFrames(this.page.data, by);
      this.groups.set(by, groups);
    }
    return groups;
  }

  /**
   * What `make` returns, made once for the present model.
   * @template T @param {string} name @param {() => T} make @returns {T}
   */
  once(name, make) {
    const { modelName, state } = this.page;
    const shown = `${modelName} ${state.places}`;
    if (this.shown !== shown) this.kept.clear();
    this.shown = shown;
    if (!this.kept.has(name)) this.kept.set(name, make());
    return this.kept.get(name);
  }

  /** By node: where what was allocated there is listed; see `rowPlaces`. */
  places() {
    const { model, hidden, state } = this.page;
    return this.once('place', () => rowPlaces(model, hidden, state));
  }

  /**
   * By group: what was allocated there, in a column such as `peak_bytes`. Adds up to the total.
   * @param {GroupedBy} by @param {AmountName} column
   */
  own(by, column) {
    return this.once(`own ${by} ${column}`, () => {
      const { model } = this.page;
      const place = this.places();
      const { of, count } = this.groupsBy(by);
      const values = model.own[column];
      const sums = new Float64Array(count);
      for (let i = 0; i < model.count; i++) if (values[i]) sums[of[model.frame[place[i]]]] += values[i];
      return sums;
    });
  }

  /**
   * By group: what was allocated there and in whatever was called from there.
   * @param {GroupedBy} by @param {AmountName} column
   */
  withCallees(by, column) {
    return this.once(`all ${by} ${column}`, () => {
      const { model, hidden } = this.page;
      const groups = this.groupsBy(by);
      const place = this.places();
      const { outermost, apart } = this.once(`outermost ${by}`, () => outermostNodes(model, hidden, groups, place));
      const inclusive = inclusiveSums(model, column);
      const sums = new Float64Array(groups.count);
      for (let i = 1; i < model.count; i++) {
        if (outermost[i]) sums[groups.of[model.frame[i]]] += inclusive[i];
        if (apart[i]) sums[groups.of[model.frame[place[i]]]] += model.own[column][i];
      }
      // What represents itself with nothing below it, such as the root where everything is hidden.
      const own = this.own(by, column);
      for (let g = 0; g < groups.count; g++) if (sums[g] < own[g]) sums[g] = own[g];
      return sums;
    });
  }
}

/**
 * How a group is called: {name, shortName, file, place, line}.
 * @param {PageData} data @param {Groups} groups @param {GroupedBy} by @param {number} group
 */
export function describeGroup(data, groups, by, group) {
  const { frames, strings } = data;
  const f = groups.first[group];
  // The root is the place of stacks of which no frame is shown.
  const name = f === 0 ? '<folded frames>' : strings[frames.function[f]];
  const file = strings[frames.file[f]];
  if (f === 0) return { name, shortName: name, file, place: '', line: 0 };
  if (by === 'module')
    return { name: moduleName(data, f), shortName: moduleName(data, f), file: '', place: '', line: 0 };
  if (by === 'file')
    return { name: shortenPath(file) || name, shortName: shortenPath(file) || name, file, place: file, line: 0 };
  const line = by === 'function' ? 0 : frames.line[f];
  const suffix = line > 0 ? `:${line}` : '';
  const shortName = isNative(frames.kind[f]) ? withoutArguments(name) : name;
  return { name, shortName, file, place: file ? shortenPath(file) + suffix : '', line };
}
