// A table of few rows with a column for each metric, of which rows can be chosen.

import { makeButton, makeElement } from '../common/dom.js';
import { formatCount, formatMeasure, largest } from '../common/format.js';
import { VALUE_COLUMNS } from '../data/metrics.js';
import { makeBar } from './virtual_table.js';

/** @import { Metric } from '../data/metrics.js' */

/**
 * @typedef {{ name: string, title?: string, key?: string, values: number[] }} SumsRow a number for each of
 *   VALUE_COLUMNS
 */
/** @typedef {{ label: string, noun: string, rows: SumsRow[] }} Sums `noun` heads the column of names */
/**
 * @typedef {{ chosen: Set<string>, choose: (key: string) => void }} Choosing the keys that the page is limited to, and
 *   what a click does
 */

/** More rows than these are added up in one. */
const MOST_SUM_ROWS = 200;

/**
 * Rows are in order of the values of a metric. Without `choosing` none can be chosen.
 * @param {Sums} sums @param {Metric} metric @param {Choosing | null} choosing
 */
export function makeSumsTable({ label, noun, rows }, metric, choosing) {
  const table = makeElement('table', undefined, 'sums-table');
  table.append(makeElement('caption', label));
  const order = VALUE_COLUMNS.findIndex((column) => column.metric === metric);
  const sorted = [...rows].sort((a, b) => b.values[order] - a.values[order] || b.values[2] - a.values[2]);
  const largestValues = VALUE_COLUMNS.map((_, c) => largest(rows.map(({ values }) => values[c])));
  const head = makeElement('tr');
  for (const { label: text, hint } of VALUE_COLUMNS) {
    const cell = makeElement('th', text, head.children.length === order ? 'number present' : 'number');
    cell.title = hint;
    cell.scope = 'col';
    head.append(cell);
  }
  head.children[order].setAttribute('aria-sort', 'descending');
  const nameCell = makeElement('th', noun);
  nameCell.scope = 'col';
  head.append(nameCell);
  const header = makeElement('thead');
  header.append(head);
  const body = makeElement('tbody');
  for (const row of sorted.slice(0, MOST_SUM_ROWS)) body.append(makeSumsRow(row, order, largestValues, choosing));
  const foot = makeElement('tfoot');
  const rest = sorted.slice(MOST_SUM_ROWS);
  if (rest.length) foot.append(makeSumsRow({ name: `${formatCount(rest.length)} more`, values: addUp(rest) }, order));
  foot.append(makeSumsRow({ name: 'total', values: addUp(rows) }, order));
  table.append(header, body, foot);
  return table;
}

/** @param {SumsRow[]} rows */
function addUp(rows) {
  return VALUE_COLUMNS.map((_, c) => rows.reduce((sum, { values }) => sum + values[c], 0));
}

/**
 * @param {SumsRow} row @param {number} order @param {number[] | null} largestValues @param {Choosing | null} choosing
 */
function makeSumsRow({ name, title, key, values }, order, largestValues = null, choosing = null) {
  const row = makeElement('tr');
  VALUE_COLUMNS.forEach(({ measure }, c) => {
    const cell = makeElement('td', formatMeasure(values[c], measure), c === order ? 'number present' : 'number');
    if (largestValues && values[c] > 0) cell.append(makeBar(values[c] / largestValues[c]));
    row.append(cell);
  });
  const cell = makeElement('td', undefined, 'name');
  if (choosing && key !== undefined) {
    const button = makeButton(name);
    button.title = title ?? name;
    button.dataset.key = key;
    button.setAttribute('aria-pressed', String(choosing.chosen.has(key)));
    button.addEventListener('click', () => choosing.choose(key));
    cell.append(button);
  } else {
    cell.textContent = name;
    if (title) cell.title = title;
  }
  row.append(cell);
  return row;
}
