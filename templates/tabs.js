'use strict';
// The tabs of the page. Each is made when it is opened for the first time, and brought up to date when it is opened
// after a change of the state.
//
// A tab has `apply(changes)`, which shows the state of the page: what changed, or null for all of it. It may have
// `key(event)`, `searchEntered(step)`, `searchLeft()`, `stateChanged(changes)`, `themeChanged()`, and `exports` (formats with
// their labels) with `exportAs(format)`.

/** In the order of the keys 1 to 6. */
const TABS = [
  { name: 'overview', make: (page) => new OverviewTab(page) },
  { name: 'flame', make: (page) => new FlameTab(page) },
  { name: 'table', make: (page) => new TableTab(page) },
  { name: 'lines', make: (page) => new LinesTab(page) },
  { name: 'threads', make: (page) => new ThreadsTab(page) },
  { name: 'sizes', make: (page) => new SizesTab(page) },
];

Object.assign(CHOICES, { tab: TABS.map(({ name }) => name) });

class Tabs {
  constructor(page) {
    this.page = page;
    /** By name: the tabs made so far, and the revision of the state that they show. */
    this.made = new Map();
    this.shown = new Map();
    this.strip = byId('tabs');
    this.strip.addEventListener('click', (event) => {
      const button = event.target.closest('[role=tab]');
      if (button) this.open(button.dataset.tab);
    });
    this.strip.addEventListener('keydown', (event) => this.move(event));
  }

  get current() {
    return this.made.get(this.page.state.tab);
  }

  isOpen(name) {
    return this.page.state.tab === name && this.made.has(name);
  }

  open(name) {
    if (name !== this.page.state.tab && CHOICES.tab.includes(name)) this.page.choose({ tab: name });
  }

  stateChanged(changes) {
    for (const tab of this.made.values()) tab.stateChanged?.(changes);
  }

  /** Shows the tab that the state names. */
  apply(changes) {
    const { tab: open } = this.page.state;
    markTab(open);
    if (!this.made.has(open)) this.made.set(open, TABS.find(({ name }) => name === open).make(this.page));
    // A tab that missed a change takes over everything.
    const missed = this.shown.get(open) !== this.page.revision - 1;
    this.current.apply(missed ? null : changes);
    this.shown.set(open, this.page.revision);
    showExports(this.current);
  }

  themeChanged() {
    for (const [name, tab] of this.made) {
      if (name === this.page.state.tab) tab.themeChanged?.();
      else this.shown.delete(name);
    }
  }

  /** Arrow keys, Home and End in the strip. */
  move(event) {
    const names = TABS.map(({ name }) => name);
    const at = names.indexOf(this.page.state.tab);
    const target = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: names.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.open(names[(target + names.length) % names.length]);
    byId(`tab-${this.page.state.tab}`).focus();
  }
}

/** Shows the panel of a tab and no other. */
function markTab(open) {
  document.body.dataset.tab = open;
  for (const { name } of TABS) {
    const button = byId(`tab-${name}`);
    button.setAttribute('aria-selected', String(name === open));
    // One stop for the tab key: the arrows go from tab to tab.
    button.tabIndex = name === open ? 0 : -1;
    byId(`panel-${name}`).hidden = name !== open;
    // On narrow screens the strip scrolls.
    if (name === open) byId('tabs').scrollLeft = button.offsetLeft - button.offsetWidth;
  }
}

/** Fills the export menu with what the open tab can be saved as. */
function showExports(tab) {
  const { exports = {} } = tab;
  const menu = byId('export');
  menu.hidden = Object.keys(exports).length === 0;
  menu.lastElementChild.replaceChildren(
    ...Object.entries(exports).map(([format, label]) => {
      const button = makeElement('button', label);
      button.type = 'button';
      button.dataset.export = format;
      button.addEventListener('click', () => {
        tab.exportAs(format);
        menu.open = false;
      });
      return button;
    }),
  );
}
