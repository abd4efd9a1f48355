// The page: holds what the reader chose, and hands every change of it to the tab that is open.

import { offerDifference, Sides } from './choices/difference.js';
import { Folding } from './choices/folding.js';
import { Selection } from './choices/selection.js';
import {
  defaultState,
  fragmentFromState,
  isPossible,
  stateFromFragment,
  valueAfter,
  valuesOf,
  writeFragment,
} from './choices/state.js';
import { byId } from './common/dom.js';
import { formatBytes, plural } from './common/format.js';
import { METRICS } from './data/metrics.js';
import { buildModel } from './data/model.js';
import { modulePattern, PlaceSums } from './data/row_places.js';
import { modelInRange, TimeBins } from './data/time_bins.js';
import { listenToKeys, showKeys } from './keys.js';
import { Tabs } from './tabs.js';

/** @import { Changes } from './choices/state.js' */
/** @import { PageData } from './data/container.js' */
/** @import { GroupedBy } from './data/row_places.js' */
/** @import { BinRange } from './data/time_bins.js' */
/** @import { RangeControl } from './timeline/range_control.js' */

const SEARCH_DELAY_MS = 150;

export class ReportPage {
  /** @param {PageData} data */
  constructor(data) {
    this.data = data;
    const model = buildModel(data);
    /** The amounts before and after; null where the page is about one capture. */
    this.sides = data.before ? new Sides(data.totals, data.before, model) : null;
    if (this.sides) offerDifference();
    this.folding = new Folding(data, model);
    this.selection = new Selection(data, model);
    this.recorded = model;
    /** The run in bins; null where the page shows no ranges of time. */
    this.bins = data.bins ? new TimeBins(data.bins, data.cells) : null;
    /**
     * The bins that are shown; null for the whole run.
     * @type {BinRange | null}
     */
    this.range = null;
    this.rangeName = '';
    this.defaults = defaultState(data);
    this.state = this.readState();
    this.searchBox = /** @type {HTMLInputElement} */ (byId('search'));
    this.searchTimer = 0;
    /**
     * Where ranges of time are chosen; null in a page without them.
     * @type {RangeControl | null}
     */
    this.rangeControl = null;
    this.sums = new PlaceSums(this);
    this.revision = 0;
    this.tabs = new Tabs(this);
  }

  start() {
    this.selection.fillMenu((changes) => this.choose(changes));
    this.apply();
    this.listen();
  }

  /** What the address says. */
  readState() {
    const state = stateFromFragment(location.hash, this.defaults);
    // Without native frames there is one view.
    if (!this.folding.hasNative) {
      const { frames, runtime, places } = this.defaults;
      Object.assign(state, { frames, runtime, places });
    }
    // What it says may be no range of these bins.
    state.range = this.bins?.format(this.bins.parse(state.range)) ?? '';
    return state;
  }

  /**
   * Whether a choice may have a value in this page.
   * @param {string} choice @param {string} value
   */
  offers(choice, value) {
    return isPossible(choice, value);
  }

  /** Takes the values of the range of time that the state names. */
  takeRange() {
    if (this.sides) this.sides.take(this.selection, this.state);
    const { range: name } = this.state;
    if (name === this.rangeName) return;
    this.rangeName = name;
    const { bins, data } = this;
    const range = bins?.parse(name) ?? null;
    this.range = range;
    if (bins && range)
      this.selection.selectFrom(modelInRange(this.recorded, bins, range), bins.totalsIn(range.from, range.to));
    else this.selection.selectFrom(this.recorded, data.totals);
  }

  // ---- what follows from the state ----

  /** The recorded tree with what the present choice leaves of its values. */
  get model() {
    return this.selection.modelOf(this.state);
  }

  /** One byte per frame: 1 where it is not shown. */
  get hidden() {
    return this.folding.hiddenIn(this.state);
  }

  /** What decides about `model` and `hidden`, as a text: what was computed from them can be kept by it. */
  get modelName() {
    const { state, folding, selection, rangeName } = this;
    return [folding.nameOf(state), selection.nameOf(state), rangeName, state.widths].join(' ');
  }

  /** What the capture says that what is selected has, by metric. */
  get totals() {
    return this.selection.totalsOf(this.state);
  }

  // ---- changes of the state ----

  /**
   * Takes over some choices. `push` makes it a step that the back button returns from.
   * @param {Changes} changes @param {{ push?: boolean }} [options]
   */
  choose(changes, { push = true } = {}) {
    this.preview(changes);
    writeFragment(fragmentFromState(this.state, this.defaults), push);
  }

  /**
   * Shows some choices that are not settled yet: the address stays as it is.
   * @param {Changes} changes
   */
  preview(changes) {
    Object.assign(this.state, changes);
    this.tabs.stateChanged(changes);
    this.apply(changes);
  }

  /**
   * Shows the state: what changed of it, or all.
   * @param {Changes | null} [changes]
   */
  apply(changes = null) {
    this.revision++;
    this.takeRange();
    this.showControls();
    this.tabs.apply(changes);
  }

  showControls() {
    for (const control of choiceControls()) {
      const value = valuesOf(this.state)[control.dataset.choice ?? ''];
      if (isSwitch(control)) control.checked = control.value === value;
      else control.value = value;
    }
    if (document.activeElement !== this.searchBox) this.searchBox.value = this.state.search;
    for (const metric of METRICS) {
      const { bytes, allocations } = this.totals[metric];
      byId(`${metric}-size`).textContent = formatBytes(bytes);
      byId(`${metric}-count`).textContent = plural(allocations, 'allocation');
    }
    this.folding.showControls(this.state);
    this.selection.showControls(this.state);
    this.rangeControl?.show();
  }

  searchNow() {
    clearTimeout(this.searchTimer);
    const text = this.searchBox.value;
    if (text !== this.state.search) this.choose({ search: text }, { push: false });
  }

  /**
   * Goes to the stacks of a function, line, file or module, which this frame is one of.
   * @param {number} frame @param {GroupedBy} by @param {Changes} changes
   */
  showStacks(frame, by, changes = {}) {
    const way = { ...changes, tab: 'flame', zoom: '' };
    if (frame === 0) this.choose({ ...way, view: 'top-down' });
    else if (by === 'module') this.choose({ ...way, view: 'top-down', search: modulePattern(this.data, frame) });
    else this.choose({ ...way, view: 'sandwich', group: by, focus: frame.toString(36) });
  }

  /**
   * Shows the function of a frame between its callers and its callees.
   * @param {number} frame
   */
  openSandwich(frame) {
    this.choose({ tab: 'flame', view: 'sandwich', focus: frame.toString(36), zoom: '' });
  }

  // ---- events ----

  listen() {
    for (const control of choiceControls()) {
      const { choice = '' } = control.dataset;
      control.addEventListener('change', () => {
        const isOff = isSwitch(control) && !control.checked;
        // What has a box has two values.
        this.choose({ [choice]: isOff ? valueAfter(choice, control.value) : control.value });
      });
    }
    this.searchBox.addEventListener('input', () => {
      clearTimeout(this.searchTimer);
      this.searchTimer = setTimeout(() => this.searchNow(), SEARCH_DELAY_MS);
    });
    byId('help-button').addEventListener('click', () => showKeys(this));
    listenToKeys(this);
    // The back button, and a fragment typed into the address bar.
    addEventListener('popstate', () => {
      this.state = this.readState();
      this.tabs.stateChanged({});
      this.apply();
    });
  }
}

/** @returns {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
function choiceControls() {
  return document.querySelectorAll('[data-choice]');
}

/**
 * Whether a control is on or off, rather than having one of several values.
 * @param {HTMLInputElement | HTMLSelectElement} control @returns {control is HTMLInputElement}
 */
function isSwitch(control) {
  return control.type === 'radio' || control.type === 'checkbox';
}
