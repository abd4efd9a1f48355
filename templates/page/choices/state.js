// What the reader chose, as the fragment of the address: a link to the page opens the same view.

/** @import { PageData } from '../data/container.js' */
/** @import { Measure, Metric } from '../data/metrics.js' */
/** @import { ReportPage } from '../report_page.js' */

/**
 * What is chosen, by the names of CHOICES. Some tabs have choices of their own besides (see `TabEntry`).
 * @typedef {object} State
 * @property {string} tab
 * @property {Metric} metric
 * @property {Measure} measure
 * @property {'hybrid' | 'python' | 'native'} frames
 * @property {'hidden' | 'shown'} runtime
 * @property {'dependencies' | 'program' | 'all'} places
 * @property {string} range
 * @property {string} processes
 * @property {string} threads
 * @property {string} allocators
 * @property {'apart' | 'together'} split
 * @property {'top-down' | 'inverted' | 'sandwich'} view
 * @property {'icicle' | 'flame'} draw
 * @property {Group} group
 * @property {'kind' | 'heat' | 'change'} colour
 * @property {'place' | 'source'} labels
 * @property {'hidden' | 'shown'} imports
 * @property {string} zoom
 * @property {string} focus
 * @property {string} search
 * @property {'after' | 'before'} [widths] only in the page of two captures
 */
/** @typedef {'line' | 'function' | 'file'} Group */
/** @typedef {Record<string, string>} Changes choices with their new values */
/** @typedef {Record<string, string[] | null>} Choices */

/**
 * Every choice with its possible values, the default first. `null` means any text.
 * @type {Choices}
 */
const CHOICES = {
  metric: ['peak', 'leaked', 'total', 'temporary'],
  measure: ['bytes', 'allocations'],
  frames: ['hybrid', 'python', 'native'],
  runtime: ['hidden', 'shown'],
  places: ['dependencies', 'program', 'all'],
  range: null,
  processes: null,
  threads: null,
  allocators: null,
  split: ['apart', 'together'],
  view: ['top-down', 'inverted', 'sandwich'],
  draw: ['icicle', 'flame'],
  group: ['line', 'function', 'file'],
  colour: ['kind', 'heat'],
  labels: ['place', 'source'],
  imports: ['hidden', 'shown'],
  zoom: null,
  focus: null,
  search: null,
};

/**
 * Adds choices that only some pages or tabs have, or gives them other values.
 * @param {Choices} choices
 */
export function offerChoices(choices) {
  Object.assign(CHOICES, choices);
}

/**
 * Whether a choice is there and may have a value.
 * @param {string} name @param {string} value
 */
export function isPossible(name, value) {
  return Object.hasOwn(CHOICES, name) && (CHOICES[name]?.includes(value) ?? true);
}

/**
 * The value of a choice that comes after another one.
 * @param {string} name @param {string} value
 */
export function valueAfter(name, value) {
  const values = CHOICES[name] ?? [value];
  return values[(values.indexOf(value) + 1) % values.length];
}

/**
 * Takes a choice to its next value.
 * @param {ReportPage} page @param {string} name
 */
export function cycleChoice(page, name) {
  page.choose({ [name]: valueAfter(name, valuesOf(page.state)[name]) });
}

/**
 * A state by the names of its choices.
 * @param {State} state
 */
export function valuesOf(state) {
  return /** @type {Record<string, string>} */ (/** @type {unknown} */ (state));
}

/**
 * What the page begins with: what its maker asked for.
 * @param {PageData} data @returns {State}
 */
export function defaultState(data) {
  /** @type {Changes} */
  const values = {};
  for (const [name, possible] of Object.entries(CHOICES)) values[name] = possible ? possible[0] : '';
  const ask = (/** @type {string} */ name, /** @type {string} */ value) => {
    if (isPossible(name, value)) values[name] = value;
  };
  ask('metric', data.metric);
  values.tab = data.opens_on;
  if (data.inverted) values.view = 'inverted';
  if (data.show_imports) values.imports = 'shown';
  if (data.header.native_stacks) {
    ask('frames', data.view);
    if (data.show_runtime) values.runtime = 'shown';
    ask('places', data.places_of);
  }
  return /** @type {State} */ (/** @type {unknown} */ (values));
}

/**
 * Unknown names and values are ignored: an old link must not break the page.
 * @param {string} fragment @param {State} defaults @returns {State}
 */
export function stateFromFragment(fragment, defaults) {
  const state = { ...defaults };
  for (const [name, value] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    if (isPossible(name, value)) valuesOf(state)[name] = value;
  }
  return state;
}

/**
 * Only what differs from the defaults, so the address of an untouched page stays clean.
 * @param {State} state @param {State} defaults
 */
export function fragmentFromState(state, defaults) {
  const parameters = new URLSearchParams();
  const [values, usual] = [valuesOf(state), valuesOf(defaults)];
  for (const name of Object.keys(CHOICES)) if (values[name] !== usual[name]) parameters.set(name, values[name]);
  // '~' marks blocks in the zoom path and is legal as it is; encoded it only makes links longer.
  return parameters.toString().replaceAll('%7E', '~');
}

/**
 * `push` makes a step the back button returns from; typing in the search box replaces instead.
 * @param {string} fragment @param {boolean} push
 */
export function writeFragment(fragment, push) {
  if (fragment === location.hash.replace(/^#/, '')) return;
  const address = `#${fragment}`;
  if (push) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
}
