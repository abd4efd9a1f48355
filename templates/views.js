'use strict';
// Which frames a view shows: hybrid, Python or native ones, and what of them is folded away.

/** Where a frame is shown: bits of the column `shown` of frames (see reporter/src/view.rs). */
const SHOWN_IN = { hybrid: 1, hybridWithRuntime: 2, python: 4, native: 8 };
const KINDS = { python: 0, native: 1, runtime: 2, special: 3, evaluation: 4, process: 5, thread: 6, merged: 7 };

/** Whether a kind of frame is native code. */
function isNative(kind) {
  return kind === KINDS.native || kind === KINDS.runtime || kind === KINDS.evaluation;
}

/** How Python starts modules: importlib and runpy, frozen or not; not what stands beside them, like importlib.metadata. */
const IMPORT_MACHINERY = /^<frozen (?:importlib|runpy)|\/python\d[\d.]*\/(?:importlib\/(?:__init__|_bootstrap|_bootstrap_external)|runpy)\.py$/;

/** One byte per frame: 1 where the frame belongs to the import machinery. */
function importFrames(data) {
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

/** One byte per frame: 1 where the frame is a function of the interpreter, or starts a process or thread. */
function runtimeFrames(data) {
  return Uint8Array.from(data.frames.kind, (kind) => Number(kind === KINDS.runtime));
}

/** Whether a kind of frame stands for a process or thread, above all that it did. */
function isOwner(kind) {
  return kind === KINDS.process || kind === KINDS.thread;
}

/** The bit of the view that a state asks for. */
function shownBit({ frames, runtime }) {
  return frames === 'hybrid' && runtime === 'shown' ? SHOWN_IN.hybridWithRuntime : SHOWN_IN[frames];
}

/**
 * One byte per frame: 1 where the view does not show the frame, it belongs to hidden import machinery, or it stands for a
 * process or thread and these are looked at together.
 */
function hiddenFrames(data, state) {
  const bit = shownBit(state);
  const hidden = state.imports === 'hidden' ? importFrames(data) : new Uint8Array(data.frames.shown.length);
  data.frames.shown.forEach((shown, frame) => {
    if (!(shown & bit) || (state.split === 'together' && isOwner(data.frames.kind[frame]))) hidden[frame] = 1;
  });
  return hidden;
}

/** How many nodes of the recorded tree belong to each frame. */
function nodesByFrame(model) {
  const nodes = new Int32Array(model.data.frames.kind.length);
  for (let i = 1; i < model.count; i++) nodes[model.frame[i]]++;
  return nodes;
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
    const nodes = nodesByFrame(model);
    const count = (frames) => nodes.reduce((sum, number, frame) => sum + number * frames[frame], 0);
    this.counts = { imports: count(importFrames(data)), runtime: count(runtimeFrames(data)) };
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
    byId('places-choice').hidden = !this.hasNative || state.frames === 'python';
    const useful = { imports: state.frames !== 'native', runtime: this.hasNative && state.frames === 'hybrid' };
    for (const [name, count] of Object.entries(this.counts)) {
      byId(`${name}-choice`).hidden = !useful[name];
      byId(`${name}-count`).textContent = `(${plural(count, 'frame')}${state[name] === 'hidden' ? ' hidden' : ''})`;
    }
  }
}
