// The keys that mean the same in every tab, and who is asked what a key means.

import { cycleChoice } from './choices/state.js';
import { byId, isTyping } from './common/dom.js';
import { press, showHelp } from './help.js';
import { TABS } from './tabs.js';
import { RANGE_KEYS } from './timeline/range_control.js';

/** @import { Shortcut } from './help.js' */
/** @import { ReportPage } from './report_page.js' */

/** @param {string} name @returns {(page: ReportPage) => void} */
const next = (name) => (page) => cycleChoice(page, name);

/** @type {Shortcut<ReportPage>[]} */
const SHORTCUTS = [
  {
    shown: TABS.map((_, index) => String(index + 1)),
    help: TABS.map(({ label }) => label.toLowerCase()).join(', '),
    actions: Object.fromEntries(TABS.map(({ name }, index) => [index + 1, ({ tabs }) => tabs.open(name)])),
  },
  {
    shown: ['m', 'v'],
    help: 'metric; hybrid, Python or native frames',
    actions: { m: next('metric'), v: (page) => page.folding.hasNative && next('frames')(page) },
  },
  {
    shown: ['h', 'r'],
    help: 'import machinery; Python runtime',
    actions: { h: next('imports'), r: (page) => page.folding.canShowRuntime(page.state) && next('runtime')(page) },
  },
  {
    shown: ['b', 'a'],
    help: 'bytes or allocations; processes and threads apart or together',
    actions: { b: next('measure'), a: (page) => page.selection.owners.length > 0 && next('split')(page) },
  },
  { shown: ['d'], help: 'dark or light', actions: { d: () => byId('theme').click() } },
  {
    shown: ['/'],
    help: 'search in “function file:line”; upper-case letters make it case sensitive',
    actions: {
      '/': ({ searchBox }) => {
        searchBox.focus();
        searchBox.select();
      },
    },
  },
  { shown: ['?'], help: 'this help', actions: { '?': (page) => showKeys(page) } },
];

/**
 * The help on all keys.
 * @param {ReportPage} page
 */
export function showKeys(page) {
  const tabs = TABS.filter(({ name }) => page.offers('tab', name));
  showHelp(page, [
    { title: '', shortcuts: SHORTCUTS },
    { title: 'Timeline, if the page has ranges of time', shortcuts: RANGE_KEYS },
    ...tabs.flatMap(({ title, shortcuts }) => (shortcuts ? [{ title, shortcuts }] : [])),
  ]);
}

/**
 * A key in the search box; false where it only types.
 * @param {ReportPage} page @param {KeyboardEvent} event
 */
function searchBoxKey(page, event) {
  const tab = page.tabs.current;
  if (event.key === 'Enter') {
    page.searchNow();
    tab?.searchEntered?.(event.shiftKey ? -1 : 1);
  } else if (event.key === 'Escape') {
    page.searchBox.value = '';
    page.searchNow();
    tab?.searchLeft?.();
  } else {
    return false;
  }
  return true;
}

/**
 * Connects keys to what they do in the open tab, or else in the page.
 * @param {ReportPage} page
 */
export function listenToKeys(page) {
  const help = /** @type {HTMLDialogElement} */ (byId('help'));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || event.defaultPrevented) return;
    const isSearch = event.target === page.searchBox;
    if (!isSearch && isTyping(event.target)) return;
    const isHandled = isSearch
      ? searchBoxKey(page, event)
      : page.tabs.current?.key?.(event) || press(SHORTCUTS, event.key, page, page);
    if (isHandled) event.preventDefault();
  });
}
