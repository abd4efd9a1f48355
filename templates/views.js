'use strict';
// Which frames a view shows: hybrid, Python or native ones, and what of them is folded away.

/** Where a frame is shown: bits of the column `shown` of frames (see reporter/src/view.rs). */
const SHOWN_IN = { hybrid: 1, hybridWithRuntime: 2, python: 4, native: 8 };
const KINDS = { python: 0, native: 1, runtime: 2, special: 3, evaluation: 4, process: 5, merged: 6 };

/** Whether a kind of frame is native code. */
function isNative(kind) {
  return kind === KINDS.native || kind === KINDS.runtime || kind === KINDS.evaluation;
}

function isImportMachinery(file) {
  return file.startsWith('<frozen importlib');
}

/** One byte per frame: 1 where the frame belongs to the import machinery. */
function importFrames(data) {
  return Uint8Array.from(data.frames.file, (file) => (isImportMachinery(data.strings[file]) ? 1 : 0));
}

/** One byte per frame: 1 where the frame is a function of the interpreter, or starts a process or thread. */
function runtimeFrames(data) {
  return Uint8Array.from(data.frames.kind, (kind) => (kind === KINDS.runtime ? 1 : 0));
}

/** The bit of the view that a state asks for. */
function shownBit({ frames, runtime }) {
  return frames === 'hybrid' && runtime === 'shown' ? SHOWN_IN.hybridWithRuntime : SHOWN_IN[frames];
}

/**
 * One byte per frame: 1 where the view does not show the frame, it belongs to hidden import machinery, or it stands for a
 * process and these are looked at together.
 */
function hiddenFrames(data, state) {
  const bit = shownBit(state);
  const hidden = state.imports === 'hidden' ? importFrames(data) : new Uint8Array(data.frames.shown.length);
  data.frames.shown.forEach((shown, frame) => {
    if (!(shown & bit) || (state.split === 'together' && data.frames.kind[frame] === KINDS.process)) hidden[frame] = 1;
  });
  return hidden;
}

/** How many nodes of the recorded tree belong to these frames. */
function countNodes(model, frames) {
  let count = 0;
  for (let i = 1; i < model.count; i++) count += frames[model.frame[i]];
  return count;
}

/** By node: itself, or else its innermost caller that is not hidden. One pass, parents come first. */
function visibleNodes(model, hidden) {
  const { count, parent, frame } = model;
  const visible = new Int32Array(count);
  for (let i = 1; i < count; i++) visible[i] = hidden[frame[i]] ? visible[parent[i]] : i;
  return visible;
}

/** What the reader chose to hide, for the page: the frames, and the controls with their counts. */
class Folding {
  constructor(data, model) {
    this.data = data;
    this.hasNative = data.header.native_stacks;
    this.counts = { imports: countNodes(model, importFrames(data)), runtime: countNodes(model, runtimeFrames(data)) };
    this.hiddenBy = new Map();
  }

  /** What decides which frames are hidden, as a text. */
  nameOf(state) {
    return `${shownBit(state)} ${state.imports} ${state.split}`;
  }

  /** One byte per frame. */
  hiddenIn(state) {
    const name = this.nameOf(state);
    if (!this.hiddenBy.has(name)) this.hiddenBy.set(name, hiddenFrames(this.data, state));
    return this.hiddenBy.get(name);
  }

  /** A toggle says how many frames it hides. It is there where the view would have these frames, and could fold them. */
  showControls(state) {
    byId('frames-choice').hidden = !this.hasNative;
    const useful = { imports: state.frames !== 'native', runtime: this.hasNative && state.frames === 'hybrid' };
    for (const [name, count] of Object.entries(this.counts)) {
      byId(`${name}-choice`).hidden = !useful[name];
      byId(`${name}-count`).textContent = `(${plural(count, 'frame')}${state[name] === 'hidden' ? ' hidden' : ''})`;
    }
  }
}
