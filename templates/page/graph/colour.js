// What colour a frame has. Kinds differ in hue and in lightness (orange, blue, purple, grey: distinct with any common
// colour blindness); the file picks one of a few shades of its kind, always the same one.

import { KINDS } from '../data/views.js';
import { CHANGE_SIGNS } from './difference.js';

/** @import { PageData } from '../data/container.js' */
/** @import { Theme } from '../theme.js' */
/** @import { Change } from './difference.js' */
/** @import { Scene } from './draw.js' */

/** @typedef {'program' | 'library' | 'native' | 'runtime' | 'special'} Family */
/** @typedef {{ fill: string, text: string, line?: string }} Paint of a frame, of the text on it, and of its hatching */
/**
 * @typedef {{ fills: (string | null)[], label: string }} LegendEntry colours, or null for hatching, and what they say
 */

const SHADES = 5;

/**
 * Hue, saturation, and the lightest and darkest shade, per theme.
 * @type {Record<Family, { label: string } & Record<Theme, number[]>>}
 */
export const FAMILIES = {
  program: { label: 'your code', light: [34, 88, 80, 66], dark: [28, 62, 36, 26] },
  library: { label: 'libraries', light: [206, 66, 86, 74], dark: [207, 52, 36, 25] },
  native: { label: 'native', light: [286, 46, 82, 70], dark: [284, 34, 42, 30] },
  runtime: { label: 'Python runtime', light: [210, 6, 84, 76], dark: [215, 8, 38, 30] },
  special: { label: 'other', light: [60, 10, 90, 90], dark: [60, 6, 24, 24] },
};

/**
 * Own bytes from little to much: one hue, only darker (light theme) or brighter (dark theme).
 * @type {Record<Theme, string[]>}
 */
const HEAT = {
  light: ['#fdf6ec', '#fbe6cb', '#f8cf9e', '#f2b06b', '#e58a3c', '#cb5f1d', '#a03c10', '#6e2208'],
  dark: ['#2a2623', '#43301f', '#5f3a1c', '#7d4719', '#9c5518', '#c06a1d', '#e58f3f', '#ffc489'],
};

/**
 * What differs, from little to much: more in oranges, less in blues, and the same in grey. The last of each is for all.
 */
const CHANGE = {
  light: {
    grown: ['#fdeee2', '#fbcfa6', '#f3a163', '#d8691f'],
    shrunk: ['#e8f1fa', '#bcd9f0', '#85b5dd', '#3c7fb8'],
    same: '#eceef0',
  },
  dark: {
    grown: ['#3a2c22', '#5c3a1e', '#8a4f1b', '#c96f20'],
    shrunk: ['#222d38', '#274560', '#2d6592', '#4a9ad6'],
    same: '#33383e',
  },
};

/** @param {string} text */
function stableHash(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** @param {string} file */
function isLibrary(file) {
  return /\/(?:site|dist)-packages\/|\/lib\/python\d/.test(file) || file.startsWith('<frozen');
}

/**
 * Family of a frame kind and its file.
 * @param {number} kind @param {string} file @returns {Family}
 */
export function familyOf(kind, file) {
  if (kind === KINDS.python) return isLibrary(file) ? 'library' : 'program';
  if (kind === KINDS.native) return 'native';
  return kind === KINDS.runtime || kind === KINDS.evaluation ? 'runtime' : 'special';
}

/** @param {Family} family @param {Theme} theme */
function shadesOf(family, theme) {
  const [hue, saturation, lightest, darkest] = FAMILIES[family][theme];
  return Array.from({ length: SHADES }, (_, i) =>
    hslToHex(hue, saturation, lightest + ((darkest - lightest) * i) / (SHADES - 1)),
  );
}

/** @param {number} hue @param {number} saturation @param {number} lightness */
function hslToHex(hue, saturation, lightness) {
  const amplitude = (saturation / 100) * Math.min(lightness / 100, 1 - lightness / 100);
  const channel = (/** @type {number} */ n) => {
    const k = (n + hue / 30) % 12;
    const value = lightness / 100 - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** @param {string} hex */
export function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/**
 * Black or white text, whichever is easier to read on `fill`.
 * @param {string} fill
 */
function textOn(fill) {
  const l = luminance(fill);
  return (l + 0.05) / 0.05 > 1.05 / (l + 0.05) ? '#101418' : '#ffffff';
}

/** Fills are {fill, text} pairs, made once per theme and shared by canvas, legend and SVG. */
export class Colours {
  /** @param {PageData} data @param {Theme} theme */
  constructor(data, theme) {
    this.data = data;
    const paint = (/** @type {string} */ fill) => ({ fill, text: textOn(fill) });
    const paints = (/** @type {Family} */ family) => shadesOf(family, theme).map(paint);
    /** @type {Record<Family, Paint[]>} */
    this.families = {
      program: paints('program'),
      library: paints('library'),
      native: paints('native'),
      runtime: paints('runtime'),
      special: paints('special'),
    };
    this.heat = HEAT[theme].map(paint);
    const { grown, shrunk, same } = CHANGE[theme];
    this.change = { grown: grown.map(paint), shrunk: shrunk.map(paint), same: paint(same) };
    this.match = paint(theme === 'dark' ? '#ffd54a' : '#ffe23d');
    this.faded = { fill: theme === 'dark' ? '#2b3036' : '#e9ecef', text: theme === 'dark' ? '#b4bcc5' : '#4a525a' };
    this.block = {
      fill: theme === 'dark' ? '#1d2228' : '#f6f7f9',
      text: theme === 'dark' ? '#e4e8ec' : '#22282e',
      line: theme === 'dark' ? '#5d6873' : '#9aa5b1',
    };
    /** @type {Paint[]} */
    this.ofFrame = new Array(data.frames.function.length);
  }

  /** @param {number} frame */
  byKind(frame) {
    let paint = this.ofFrame[frame];
    if (!paint) {
      const { frames, strings } = this.data;
      const file = strings[frames.file[frame]];
      const shades = this.families[familyOf(frames.kind[frame], file)];
      paint = this.ofFrame[frame] = shades[stableHash(file) % shades.length];
    }
    return paint;
  }

  /**
   * How a node differs (see `changeOf`): up to a tenth, a third, more, all of it.
   * @param {Pick<Change, 'status' | 'share'>} change
   */
  byChange({ status, share }) {
    if (status === 'unchanged') return this.change.same;
    const steps = share > 0 ? this.change.grown : this.change.shrunk;
    const size = Math.abs(share);
    return steps[size === 1 ? 3 : size > 1 / 3 ? 2 : size > 0.1 ? 1 : 0];
  }

  /**
   * `share` is the part of the total that the frame has by itself; the square root keeps small shares apart.
   * @param {number} share
   */
  byHeat(share) {
    const last = this.heat.length - 1;
    return this.heat[share <= 0 ? 0 : Math.min(last, 1 + Math.floor(Math.sqrt(share) * last))];
  }

  /**
   * What the colours of a scene say, in the order of the legend.
   * @param {Scene} scene @returns {LegendEntry[]}
   */
  legend(scene) {
    const fills = (/** @type {Paint[]} */ paints) => paints.map(({ fill }) => fill);
    const entries = {
      change: () => [
        {
          fills: fills(this.change.shrunk).reverse(),
          label: `${CHANGE_SIGNS.gone} gone, ${CHANGE_SIGNS.shrunk} shrunk`,
        },
        { fills: [this.change.same.fill], label: `${CHANGE_SIGNS.unchanged} unchanged` },
        { fills: fills(this.change.grown), label: `${CHANGE_SIGNS.grown} grown, ${CHANGE_SIGNS.new} new` },
      ],
      heat: () => {
        const { view, measure } = scene.state;
        return [
          { fills: fills(this.heat), label: `${view === 'inverted' ? 'share of' : 'own'} ${measure}, little to much` },
        ];
      },
      kind: () =>
        this.usedFamilies(scene.tree.hidden).map((family) => ({
          fills: [this.families[family][2].fill],
          label: FAMILIES[family].label,
        })),
    };
    const ofFrames = scene.matches ? [{ fills: [this.match.fill], label: 'matches' }] : entries[scene.state.colour]();
    return [...ofFrames, { fills: [null], label: 'merged' }];
  }

  /**
   * The families of the frames that are not hidden.
   * @param {Uint8Array} hidden
   */
  usedFamilies(hidden) {
    const { frames, strings } = this.data;
    const used = new Set();
    for (let i = 1; i < frames.kind.length; i++)
      if (!hidden[i]) used.add(familyOf(frames.kind[i], strings[frames.file[i]]));
    return /** @type {Family[]} */ (Object.keys(FAMILIES)).filter((family) => used.has(family));
  }
}
