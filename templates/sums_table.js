'use strict';
// A table of few rows with a column for each metric, of which rows can be chosen.

/** More rows than these are added up in one. */
const MOST_SUM_ROWS = 200;

/** The columns of values; `metric` and `measure` name the values of the model. */
const VALUE_COLUMNS = [
  { id: 'peak', label: 'Peak', metric: 'peak', measure: 'bytes', hint: 'In memory when the heap was largest' },
  { id: 'leaked', label: 'Leaked', metric: 'leaked', measure: 'bytes', hint: 'Not freed by the end' },
  { id: 'total', label: 'Total', metric: 'total', measure: 'bytes', hint: 'Allocated in total, freed or not' },
  { id: 'allocations', label: 'Allocations', metric: 'total', measure: 'allocations', hint: 'How often' },
  { id: 'temporary', label: 'Temporary', metric: 'temporary', measure: 'allocations', hint: 'Allocations that were freed almost at once' },
];

/**
 * `noun` heads the column of names. Rows are {name, title, key, values}, where `values` has one number for each of VALUE_COLUMNS. `metric` says which column
 * they are in order of. `chosen` has the keys that the page is limited to; `choose(key)` is told of a click.
 */
function makeSumsTable({ label, noun, rows }, { metric, chosen, choose }) {
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
  for (const row of sorted.slice(0, MOST_SUM_ROWS)) body.append(makeSumsRow(row, order, largestValues, chosen, choose));
  const foot = makeElement('tfoot');
  const rest = sorted.slice(MOST_SUM_ROWS);
  if (rest.length) foot.append(makeSumsRow({ name: `${formatCount(rest.length)} more`, values: addUp(rest) }, order));
  foot.append(makeSumsRow({ name: 'total', values: addUp(rows) }, order));
  table.append(header, body, foot);
  return table;
}

function addUp(rows) {
  return VALUE_COLUMNS.map((_, c) => rows.reduce((sum, { values }) => sum + values[c], 0));
}

function makeSumsRow({ name, title, key, values }, order, largestValues = null, chosen = null, choose = null) {
  const row = makeElement('tr');
  VALUE_COLUMNS.forEach(({ measure }, c) => {
    const cell = makeElement('td', formatMeasure(values[c], measure), c === order ? 'number present' : 'number');
    if (largestValues && values[c] > 0) cell.append(makeBar(values[c] / largestValues[c]));
    row.append(cell);
  });
  const cell = makeElement('td', undefined, 'name');
  if (choose) {
    const button = makeElement('button', name);
    button.type = 'button';
    button.title = title ?? name;
    button.dataset.key = key;
    button.setAttribute('aria-pressed', String(chosen.has(key)));
    button.addEventListener('click', () => choose(key));
    cell.append(button);
  } else {
    cell.textContent = name;
    if (title) cell.title = title;
  }
  row.append(cell);
  return row;
}
