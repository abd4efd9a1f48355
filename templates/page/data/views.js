// Which frames a view shows: hybrid, Python or native ones, and what of them is folded away.

/** @import { State } from '../choices/state.js' */
/** @import { PageData } from './container.js' */
/** @import { Model } from './model.js' */

/**
 * @typedef {Pick<State, 'frames' | 'runtime' | 'imports'> & Partial<Pick<State, 'split'>>} Folded what decides about it
 */

/**
 * Where a frame is shown: bits of the column `shown` of frames (see reporter/src/naming/view.rs). Where import
 * machinery is hidden, that of a view with Python's frames is another one.
 */
const SHOWN_IN = { hybrid: 1, hybridWithRuntime: 2, python: 4, native: 8 };
const IMPORTS_HIDDEN = 4;
export const KINDS = { python: 0, native: 1, runtime: 2, special: 3, evaluation: 4, process: 5, thread: 6, merged: 7 };

/**
 * Whether a kind of frame is native code.
 * @param {number} kind
 */
export function isNative(kind) {
  return kind === KINDS.native || kind === KINDS.runtime || kind === KINDS.evaluation;
}

/**
 * One byte per frame: 1 where the frame belongs to the import machinery, as reporter/src/naming/import_machinery.rs
 * says.
 * @param {PageData} data
 */
export function importFrames(data) {
  const { kind, shown } = data.frames;
  const bit = SHOWN_IN.python << IMPORTS_HIDDEN;
  return Uint8Array.from(kind, (of, frame) => Number(of === KINDS.python && !(shown[frame] & bit)));
}

/**
 * One byte per frame: 1 where the frame is a function of the interpreter, or starts a process or thread.
 * @param {PageData} data
 */
export function runtimeFrames(data) {
  return Uint8Array.from(data.frames.kind, (kind) => Number(kind === KINDS.runtime));
}

/**
 * Whether a kind of frame represents a process or thread, above all that it did.
 * @param {number} kind
 */
export function isOwner(kind) {
  return kind === KINDS.process || kind === KINDS.thread;
}

/**
 * The bit of the view that a state asks for.
 * @param {Pick<State, 'frames' | 'runtime' | 'imports'>} state
 */
export function shownBit({ frames, runtime, imports }) {
  const bit = frames === 'hybrid' && runtime === 'shown' ? SHOWN_IN.hybridWithRuntime : SHOWN_IN[frames];
  return imports === 'hidden' && frames !== 'native' ? bit << IMPORTS_HIDDEN : bit;
}

/**
 * One byte per frame: 1 where the view does not show the frame, or it represents a process or thread and these are
 * shown together.
 * @param {PageData} data @param {Folded} state
 */
export function hiddenFrames(data, state) {
  const bit = shownBit(state);
  const { kind, shown } = data.frames;
  const isTogether = (/** @type {number} */ frame) => state.split === 'together' && isOwner(kind[frame]);
  return Uint8Array.from(shown, (of, frame) => Number(!(of & bit) || isTogether(frame)));
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
