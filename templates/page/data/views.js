// Which frames a view shows: hybrid, Python or native ones, and what of them is folded away.

/** @import { State } from '../choices/state.js' */
/** @import { PageData } from './container.js' */
/** @import { Model } from './model.js' */

/**
 * @typedef {Pick<State, 'frames' | 'runtime' | 'imports'> & Partial<Pick<State, 'split'>>} Folded what decides about it
 */

/** Where a frame is shown: bits of the column `shown` of frames (see reporter/src/view.rs). */
const SHOWN_IN = { hybrid: 1, hybridWithRuntime: 2, python: 4, native: 8 };
export const KINDS = { python: 0, native: 1, runtime: 2, special: 3, evaluation: 4, process: 5, thread: 6, merged: 7 };

/**
 * Whether a kind of frame is native code.
 * @param {number} kind
 */
export function isNative(kind) {
  return kind === KINDS.native || kind === KINDS.runtime || kind === KINDS.evaluation;
}

/**
 * How Python starts modules: importlib and runpy, frozen or not; not what stands beside them, like importlib.metadata.
 */
const IMPORT_MACHINERY =
  /^<frozen (?:importlib|runpy)|\/python\d[\d.]*\/(?:importlib\/(?:__init__|_bootstrap(?:_external)?)|runpy)\.py$/;

/**
 * One byte per frame: 1 where the frame belongs to the import machinery.
 * @param {PageData} data
 */
export function importFrames(data) {
  const { file } = data.frames;
  const matches = new Map();
  const hidden = new Uint8Array(file.length);
  for (let i = 0; i < hidden.length; i++) {
    // Once for each file, of which there are far fewer than frames.
    if (!matches.has(file[i])) matches.set(file[i], Number(IMPORT_MACHINERY.test(data.strings[file[i]])));
    hidden[i] = matches.get(file[i]);
  }
  return hidden;
}

/**
 * One byte per frame: 1 where the frame is a function of the interpreter, or starts a process or thread.
 * @param {PageData} data
 */
export function runtimeFrames(data) {
  return Uint8Array.from(data.frames.kind, (kind) => Number(kind === KINDS.runtime));
}

/**
 * Whether a kind of frame stands for a process or thread, above all that it did.
 * @param {number} kind
 */
export function isOwner(kind) {
  return kind === KINDS.process || kind === KINDS.thread;
}

/**
 * The bit of the view that a state asks for.
 * @param {Pick<State, 'frames' | 'runtime'>} state
 */
export function shownBit({ frames, runtime }) {
  return frames === 'hybrid' && runtime === 'shown' ? SHOWN_IN.hybridWithRuntime : SHOWN_IN[frames];
}

/**
 * One byte per frame: 1 where the view does not show the frame, it belongs to hidden import machinery, or it stands for
 * a process or thread and these are looked at together.
 * @param {PageData} data @param {Folded} state
 */
export function hiddenFrames(data, state) {
  const bit = shownBit(state);
  const hidden = state.imports === 'hidden' ? importFrames(data) : new Uint8Array(data.frames.shown.length);
  data.frames.shown.forEach((shown, frame) => {
    if (!(shown & bit) || (state.split === 'together' && isOwner(data.frames.kind[frame]))) hidden[frame] = 1;
  });
  return hidden;
}

/**
 * By node: itself, or else its innermost caller that is not hidden. One pass, parents come first.
 * @param {Model} model @param {Uint8Array} hidden
 */
export function visibleNodes(model, hidden) {
  const { count, parent, frame } = model;
  const visible = new Int32Array(count);
  for (let i = 1; i < count; i++) visible[i] = hidden[frame[i]] ? visible[parent[i]] : i;
  return visible;
}
