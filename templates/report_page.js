'use strict';
// The page: holds what the reader chose, and hands every change of it to the tab that is open.

const SEARCH_DELAY_MS = 150;

class ReportPage {
  constructor(data) {
    this.data = data;
    if (data.before) offerDifference();
    const model = buildModel(data);
    /** The amounts before and after; null where the page is about one capture. */
    this.sides = data.before ? new Sides(data, model) : null;
    this.folding = new Folding(data, model);
    this.selection = new Selection(data, model);
    this.recorded = model;
    /** The run in bins; null where the page shows no ranges of time. */
    this.bins = data.bins ? new TimeBins(data) : null;
    /** The bins that are shown; null for the whole run. */
    this.range = null;
    this.rangeName = '';
    this.defaults = defaultState(data);
    this.readState();
    this.sums = new PlaceSums(this);
    this.revision = 0;
    this.tabs = new Tabs(this);
  }

  start() {
    this.selection.fillMenu((changes) => this.choose(changes));
    this.apply();
    this.listen();
  }

  readState() {
    this.state = stateFromFragment(location.hash, this.defaults);
    // Without native frames there is one view.
    if (!this.folding.hasNative) {
      const { frames, runtime, places } = this.defaults;
      Object.assign(this.state, { frames, runtime, places });
    }
    // What the address says may be no range of these bins.
    this.state.range = this.bins?.format(this.bins.parse(this.state.range)) ?? '';
  }

  /** Takes the values of the range of time that the state names. */
  takeRange() {
    if (this.sides) this.sides.take(this.selection, this.state);
    const { range: name } = this.state;
    if (name === this.rangeName) return;
    this.rangeName = name;
    this.range = this.bins.parse(name);
    const { range, bins, data } = this;
    if (range) this.selection.selectFrom(modelInRange(this.recorded, bins, range), bins.totalsIn(range.from, range.to));
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
    return `${this.folding.nameOf(this.state)} ${this.selection.nameOf(this.state)} ${this.rangeName} ${this.state.widths ?? ''}`;
  }

  /** What the capture says that what is selected has, by metric. */
  get totals() {
    return this.selection.totalsOf(this.state);
  }

  // ---- changes of the state ----

  /** Takes over some choices. `push` makes it a step that the back button returns from. */
  choose(changes, { push = true } = {}) {
    this.preview(changes);
    writeFragment(fragmentFromState(this.state, this.defaults), push);
  }

  /** Shows some choices that are not settled yet: the address stays as it is. */
  preview(changes) {
    Object.assign(this.state, changes);
    this.tabs.stateChanged(changes);
    this.apply(changes);
  }

  /** Shows the state: what changed of it, or all. */
  apply(changes = null) {
    this.revision++;
    this.takeRange();
    this.showControls();
    this.tabs.apply(changes);
  }

  showControls() {
    for (const control of document.querySelectorAll('[data-choice]')) {
      const value = this.state[control.dataset.choice];
      if (control.type === 'radio' || control.type === 'checkbox') control.checked = control.value === value;
      else control.value = value;
    }
    const box = byId('search');
    if (document.activeElement !== box) box.value = this.state.search;
    for (const metric of METRICS) {
      const { bytes, allocations } = this.totals[metric];
      byId(`${metric}-size`).textContent = formatBytes(bytes);
      const count = byId(`${metric}-count`);
      count.textContent = plural(allocations, 'allocation');
    }
    this.folding.showControls(this.state);
    this.selection.showControls(this.state);
    this.rangeControl?.show();
  }

  searchNow() {
    clearTimeout(this.searchTimer);
    const text = byId('search').value;
    if (text !== this.state.search) this.choose({ search: text }, { push: false });
  }

  /** Goes to the stacks of a function, line, file or module, which this frame is one of. */
  showStacks(frame, by, changes = {}) {
    const way = { ...changes, tab: 'flame', zoom: '' };
    if (frame === 0) this.choose({ ...way, view: 'top-down' });
    else if (by === 'module') this.choose({ ...way, view: 'top-down', search: modulePattern(this.data, frame) });
    else this.choose({ ...way, view: 'sandwich', group: by, focus: frame.toString(36) });
  }

  /** Shows the function of a frame between its callers and its callees. */
  openSandwich(frame) {
    this.choose({ tab: 'flame', view: 'sandwich', focus: frame.toString(36), zoom: '' });
  }

  // ---- events ----

  listen() {
    for (const control of document.querySelectorAll('[data-choice]')) {
      control.addEventListener('change', () => {
        const off = CHOICES[control.dataset.choice].find((value) => value !== control.value);
        this.choose({ [control.dataset.choice]: control.type === 'checkbox' && !control.checked ? off : control.value });
      });
    }
    byId('search').addEventListener('input', () => {
      clearTimeout(this.searchTimer);
      this.searchTimer = setTimeout(() => this.searchNow(), SEARCH_DELAY_MS);
    });
    byId('help-button').addEventListener('click', () => byId('help').showModal());
    listenToKeys(this, byId('search'), byId('help'));
    // The back button, and a fragment typed into the address bar.
    addEventListener('popstate', () => {
      this.readState();
      this.tabs.stateChanged({});
      this.apply();
    });
  }
}
