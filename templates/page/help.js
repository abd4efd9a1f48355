// The keys of the page and its tabs: what each does, and the help that lists them.

import { byId, makeElement } from './common/dom.js';

/** @import { ReportPage } from './report_page.js' */

/**
 * Keys that belong together, with the line about them in the help.
 * @template Target what the keys act on
 * @typedef {object} Shortcut
 * @property {string[]} shown the keys as the help shows them
 * @property {string} help
 * @property {Record<string, (target: Target) => unknown>} [actions] by key, as events name it; others are handled
 *   elsewhere
 * @property {(page: ReportPage) => boolean} [when] in which pages they are; in all, if nothing is said
 */

/**
 * Does what a key means; false where it means nothing.
 * @template Target
 * @param {Shortcut<Target>[]} shortcuts @param {string} key @param {Target} target @param {ReportPage} page
 */
export function press(shortcuts, key, target, page) {
  const found = shortcuts.find(({ actions = {} }) => Object.hasOwn(actions, key));
  if (!found?.actions || found.when?.(page) === false) return false;
  found.actions[key](target);
  return true;
}

/**
 * Opens the help, which has a part for each list of keys.
 * @param {ReportPage} page @param {{ title: string, shortcuts: Shortcut<any>[] }[]} parts
 */
export function showHelp(page, parts) {
  const rows = [];
  for (const { title, shortcuts } of parts) {
    if (title) {
      const heading = makeElement('th', title);
      heading.colSpan = 2;
      rows.push(makeRow(heading));
    }
    for (const { shown, help, when } of shortcuts) {
      if (when?.(page) === false) continue;
      const keys = makeElement('td');
      for (const key of shown) keys.append(makeElement('kbd', key), ' ');
      rows.push(makeRow(keys, makeElement('td', help)));
    }
  }
  byId('help-keys').replaceChildren(...rows);
  /** @type {HTMLDialogElement} */ (byId('help')).showModal();
}

/** @param {HTMLElement[]} cells */
function makeRow(...cells) {
  const row = makeElement('tr');
  row.append(...cells);
  return row;
}
