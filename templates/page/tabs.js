// The tabs of the page. Each is made when it is opened for the first time, and brought up to date when it is opened
// after a change of the state. A tab is one file, which says all that there is to know of it; here it is only listed.

import { offerChoices } from './choices/state.js';
import { byId, makeButton, makeElement } from './common/dom.js';
import { flameEntry } from './tabs/flame.js';
import { linesEntry } from './tabs/lines.js';
import { overviewEntry } from './tabs/overview.js';
import { sizesEntry } from './tabs/sizes.js';
import { tableEntry } from './tabs/table.js';
import { threadsEntry } from './tabs/threads.js';

/** @import { Changes, Choices } from './choices/state.js' */
/** @import { Shortcut } from './help.js' */
/** @import { ReportPage } from './report_page.js' */

/**
 * What is known of a tab before it is open.
 * @typedef {object} TabEntry
 * @property {string} name in the address, and of its elements: `tab-name`, `panel-name`
 * @property {string} label what the strip of tabs calls it
 * @property {string} title the same for who does not know it
 * @property {string[]} controls which of the controls above it (`data-control` in page.html) it uses; others go
 * @property {boolean} [focusable] whether its panel takes the keyboard, as nothing in it does that scrolls
 * @property {() => HTMLElement[]} [content] what is in its panel from the beginning
 * @property {Choices} [choices] what there is to choose in it alone
 * @property {Shortcut<any>[]} [shortcuts] its keys, as its part of the help has them
 * @property {(page: ReportPage) => Tab} make
 */

/**
 * A tab that has been opened.
 * @typedef {object} Tab
 * @property {(changes: Changes | null) => void} apply shows the state of the page: what changed, or null for all of it
 * @property {(event: KeyboardEvent) => boolean} [key] does what a key means in it; false where it means nothing
 * @property {(step: number) => void} [searchEntered] Enter in the search box: forward (1), or with Shift back (-1)
 * @property {() => void} [searchLeft]
 * @property {(changes: Changes) => void} [stateChanged] before `apply`, and whichever tab is open
 * @property {() => void} [themeChanged]
 * @property {Record<string, string>} [exports] formats that it can be saved in, with their labels
 * @property {(format: string) => void} [exportAs]
 */

/**
 * In the order of the strip and of the keys from 1 on.
 * @type {TabEntry[]}
 */
export const TABS = [overviewEntry, flameEntry, tableEntry, linesEntry, threadsEntry, sizesEntry];

offerChoices(Object.assign({}, ...TABS.map(({ choices }) => choices), { tab: TABS.map(({ name }) => name) }));

/** Puts the strip of tabs and their panels into the page. */
export function setUpTabs() {
  byId('tabs').append(...TABS.map(makeTabButton));
  byId('toolbars').after(...TABS.map(makePanel));
}

/**
 * @param {TabEntry} entry @param {number} index
 */
function makeTabButton({ name, label, title }, index) {
  const button = makeButton(label);
  button.id = `tab-${name}`;
  button.dataset.tab = name;
  button.title = `${title} (${index + 1})`;
  button.setAttribute('role', 'tab');
  button.setAttribute('aria-controls', `panel-${name}`);
  return button;
}

/**
 * @param {TabEntry} entry
 */
function makePanel({ name, focusable, content }) {
  const panel = makeElement('section', undefined, 'panel');
  panel.id = `panel-${name}`;
  panel.hidden = true;
  panel.setAttribute('role', 'tabpanel');
  panel.setAttribute('aria-labelledby', `tab-${name}`);
  if (focusable) panel.tabIndex = 0;
  if (content) panel.append(...content());
  return panel;
}

/**
 * Shows the panel of a tab and no other, and the controls that it uses.
 * @param {string} open
 */
export function markTab(open) {
  document.body.dataset.tab = open;
  for (const { name, controls } of TABS) {
    const button = byId(`tab-${name}`);
    button.setAttribute('aria-selected', String(name === open));
    // One stop for the tab key: the arrows go from tab to tab.
    button.tabIndex = name === open ? 0 : -1;
    byId(`panel-${name}`).hidden = name !== open;
    if (name !== open) continue;
    // On narrow screens the strip scrolls.
    byId('tabs').scrollLeft = button.offsetLeft - button.offsetWidth;
    showControlsOf(controls);
  }
}

/**
 * @param {string[]} controls
 */
function showControlsOf(controls) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-control]'))) {
    element.classList.toggle('elsewhere', !controls.includes(element.dataset.control ?? ''));
  }
  for (const toolbar of document.querySelectorAll('.toolbar')) {
    toolbar.classList.toggle('elsewhere', !toolbar.querySelector('[data-control]:not(.elsewhere)'));
  }
}

export class Tabs {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    /**
     * By name: the tabs made so far.
     * @type {Map<string, Tab>}
     */
    this.made = new Map();
    /**
     * By name: the revision of the state that they show.
     * @type {Map<string, number>}
     */
    this.shown = new Map();
    const strip = byId('tabs');
    strip.addEventListener('click', (event) => {
      const button = /** @type {Element} */ (event.target).closest('[role=tab]');
      if (button instanceof HTMLElement) this.open(button.dataset.tab ?? '');
    });
    strip.addEventListener('keydown', (event) => this.move(event));
  }

  /** The tab that is open; there is one as soon as the state has been shown. */
  get current() {
    return this.made.get(this.page.state.tab);
  }

  /** @param {string} name */
  isOpen(name) {
    return this.page.state.tab === name && this.made.has(name);
  }

  /** @param {string} name */
  open(name) {
    if (name !== this.page.state.tab && this.page.offers('tab', name)) this.page.choose({ tab: name });
  }

  /** @param {Changes} changes */
  stateChanged(changes) {
    for (const tab of this.made.values()) tab.stateChanged?.(changes);
  }

  /**
   * Shows the tab that the state names.
   * @param {Changes | null} changes
   */
  apply(changes) {
    const { tab: open } = this.page.state;
    markTab(open);
    const tab = this.made.get(open) ?? this.make(open);
    // A tab that missed a change takes over everything.
    const missed = this.shown.get(open) !== this.page.revision - 1;
    tab.apply(missed ? null : changes);
    this.shown.set(open, this.page.revision);
    showExports(tab);
  }

  /** @param {string} name */
  make(name) {
    const entry = TABS.find((candidate) => candidate.name === name) ?? TABS[0];
    const tab = entry.make(this.page);
    this.made.set(name, tab);
    return tab;
  }

  themeChanged() {
    for (const [name, tab] of this.made) {
      if (name === this.page.state.tab) tab.themeChanged?.();
      else this.shown.delete(name);
    }
  }

  /**
   * Arrow keys, Home and End in the strip.
   * @param {KeyboardEvent} event
   */
  move(event) {
    const names = TABS.map(({ name }) => name);
    const at = names.indexOf(this.page.state.tab);
    /** @type {Record<string, number>} */
    const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: names.length - 1 };
    if (!Object.hasOwn(targets, event.key)) return;
    event.preventDefault();
    this.open(names[(targets[event.key] + names.length) % names.length]);
    byId(`tab-${this.page.state.tab}`).focus();
  }
}

/**
 * Fills the export menu with what the open tab can be saved as.
 * @param {Tab} tab
 */
function showExports(tab) {
  const { exports = {} } = tab;
  const menu = /** @type {HTMLDetailsElement} */ (byId('export'));
  menu.hidden = Object.keys(exports).length === 0;
  menu.lastElementChild?.replaceChildren(
    ...Object.entries(exports).map(([format, label]) => {
      const button = makeButton(label);
      button.dataset.export = format;
      button.addEventListener('click', () => {
        tab.exportAs?.(format);
        menu.open = false;
      });
      return button;
    }),
  );
}
