// What the reader chose to hide: the frames, and the controls with their counts.

import { byId } from '../common/dom.js';
import { plural } from '../common/format.js';
import { hiddenFrames, importFrames, runtimeFrames, shownBit } from '../data/views.js';

/** @import { PageData } from '../data/container.js' */
/** @import { Model } from '../data/model.js' */
/** @import { State } from './state.js' */

/**
 * How many nodes of the recorded tree belong to each frame.
 * @param {Model} model
 */
function nodesByFrame(model) {
  const nodes = new Int32Array(model.data.frames.kind.length);
  for (let i = 1; i < model.count; i++) nodes[model.frame[i]]++;
  return nodes;
}

/** What the reader chose to hide, for the page: the frames, and the controls with their counts. */
export class Folding {
  /** @param {PageData} data @param {Model} model */
  constructor(data, model) {
    this.data = data;
    this.hasNative = data.header.native_stacks;
    const nodes = nodesByFrame(model);
    const count = (/** @type {Uint8Array} */ frames) =>
      nodes.reduce((sum, number, frame) => sum + number * frames[frame], 0);
    this.counts = { imports: count(importFrames(data)), runtime: count(runtimeFrames(data)) };
    /** @type {Map<string, Uint8Array>} */
    this.hiddenBy = new Map();
  }

  /**
   * What decides which frames are hidden, as a text.
   * @param {State} state
   */
  nameOf(state) {
    return `${shownBit(state)} ${state.split}`;
  }

  /**
   * One byte per frame.
   * @param {State} state
   */
  hiddenIn(state) {
    const name = this.nameOf(state);
    const hidden = this.hiddenBy.get(name) ?? hiddenFrames(this.data, state);
    this.hiddenBy.set(name, hidden);
    return hidden;
  }

  /**
   * Whether there is a runtime to show or hide in the view of a state.
   * @param {State} state
   */
  canShowRuntime(state) {
    return this.hasNative && state.frames === 'hybrid';
  }

  /**
   * A toggle says how many frames it hides. It is there where the view would have these frames, and could fold them.
   * @param {State} state
   */
  showControls(state) {
    byId('frames-choice').hidden = !this.hasNative;
    byId('places-choice').hidden = !this.hasNative || state.frames === 'python';
    const useful = { imports: state.frames !== 'native', runtime: this.canShowRuntime(state) };
    for (const name of /** @type {const} */ (['imports', 'runtime'])) {
      const count = this.counts[name];
      byId(`${name}-choice`).hidden = !useful[name];
      byId(`${name}-count`).textContent = `(${plural(count, 'frame')}${state[name] === 'hidden' ? ' hidden' : ''})`;
    }
  }
}
