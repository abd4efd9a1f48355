// Which frames match a regular expression, and how much memory that is.

import { inclusiveSums } from './model.js';

/** @import { Measure, Metric } from './metrics.js' */
/** @import { Model } from './model.js' */

/**
 * What matches.
 * @typedef {object} Found
 * @property {Uint8Array} frame one byte per frame
 * @property {number} frameCount
 * @property {number[]} outermost nodes, largest first
 * @property {number} bytes
 * @property {number} allocations
 */

/**
 * Upper-case letters in the pattern make it case sensitive; otherwise case does not matter.
 * @param {string} text @returns {{ pattern: RegExp | null, error: string }}
 */
export function compilePattern(text) {
  if (!text) return { pattern: null, error: '' };
  try {
    return { pattern: new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, '')) ? '' : 'i'), error: '' };
  } catch (error) {
    return { pattern: null, error: String(error).replace(/^SyntaxError: (?:Invalid regular expression: )?/, '') };
  }
}

/**
 * One byte per frame: 1 where "function file:line" matches. Hidden frames cannot match, they are not there.
 * @param {Model} model @param {RegExp} pattern @param {Uint8Array} hidden
 */
function matchFrames(model, pattern, hidden) {
  const { frames, strings } = model.data;
  const count = frames.function.length;
  const frame = new Uint8Array(count);
  let frameCount = 0;
  for (let i = 1; i < count; i++) {
    if (hidden[i]) continue;
    if (pattern.test(`${strings[frames.function[i]]} ${strings[frames.file[i]]}:${frames.line[i]}`)) {
      frame[i] = 1;
      frameCount++;
    }
  }
  return { frame, frameCount };
}

/**
 * The memory of all stacks with a matching frame in them, each counted once however many of its frames match, and the
 * outermost matching nodes, largest first.
 * @param {Model} model @param {RegExp} pattern @param {Uint8Array} hidden @param {Metric} metric
 * @param {Measure} measure @returns {Found}
 */
export function searchModel(model, pattern, hidden, metric, measure) {
  const { frame: matches, frameCount } = matchFrames(model, pattern, hidden);
  const { parent, frame, count } = model;
  const ownBytes = model.own[`${metric}_bytes`];
  const ownAllocations = model.own[`${metric}_allocations`];
  const inclusive = inclusiveSums(model, `${metric}_${measure}`);
  const covered = new Uint8Array(count);
  /** @type {number[]} */
  const outermost = [];
  let bytes = 0;
  let allocations = 0;
  for (let i = 1; i < count; i++) {
    if (covered[parent[i]]) {
      covered[i] = 1;
    } else if (matches[frame[i]]) {
      covered[i] = 1;
      if (inclusive[i] > 0) outermost.push(i);
    }
    if (covered[i]) {
      bytes += ownBytes[i];
      allocations += ownAllocations[i];
    }
  }
  outermost.sort((a, b) => inclusive[b] - inclusive[a] || a - b);
  return { frame: matches, frameCount, outermost, bytes, allocations };
}
