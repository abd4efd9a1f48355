'use strict';
// What the reader chose, as the fragment of the address: a link to the page opens the same view.

/** Every choice with its possible values, the default first. `null` stands for any text. */
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

/** What the page begins with: what its maker asked for. */
function defaultState(data) {
  const state = {};
  for (const [name, values] of Object.entries(CHOICES)) state[name] = values ? values[0] : '';
  if (CHOICES.metric.includes(data.metric)) state.metric = data.metric;
  state.tab = data.opens_on;
  if (data.inverted) state.view = 'inverted';
  if (!data.header.native_stacks) return state;
  if (CHOICES.frames.includes(data.view)) state.frames = data.view;
  if (data.show_runtime) state.runtime = 'shown';
  if (CHOICES.places.includes(data.places_of)) state.places = data.places_of;
  return state;
}

/** Unknown names and values are ignored: an old link must not break the page. */
function stateFromFragment(fragment, defaults) {
  const state = { ...defaults };
  for (const [name, value] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    if (!(name in CHOICES)) continue;
    if (CHOICES[name] === null || CHOICES[name].includes(value)) state[name] = value;
  }
  return state;
}

/** Only what differs from the defaults, so the address of an untouched page stays clean. */
function fragmentFromState(state, defaults) {
  const parameters = new URLSearchParams();
  for (const name of Object.keys(CHOICES)) if (state[name] !== defaults[name]) parameters.set(name, state[name]);
  // '~' marks blocks in the zoom path and is legal as it is; encoded it only makes links longer.
  return parameters.toString().replaceAll('%7E', '~');
}

/** `push` makes a step the back button returns from; typing in the search box replaces instead. */
function writeFragment(fragment, push) {
  if (fragment === location.hash.replace(/^#/, '')) return;
  const address = `#${fragment}`;
  if (push) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
}
