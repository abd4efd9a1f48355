// The tab with the table: memory by function, line, file or module.

import { cycleChoice } from '../choices/state.js';
import { byId, makeElement } from '../common/dom.js';
import { saveRows } from '../common/downloads.js';
import { formatBytes, formatCount, formatPercent, largest, plural } from '../common/format.js';
import { baseName } from '../common/names.js';
import { METRIC_NAMES } from '../data/metrics.js';
import { describeGroup } from '../data/row_places.js';
import { compilePattern } from '../data/search.js';
import { showFooterSum } from '../footer.js';
import { press } from '../help.js';
import { ROW_KEYS, VirtualTable, emptyTableMessage, rankTexts } from '../tables/virtual_table.js';

/** @import { Changes, State } from '../choices/state.js' */
/** @import { Shortcut } from '../help.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Cell, TableColumn } from '../tables/virtual_table.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @typedef {'function' | 'line' | 'file' | 'module'} By */
/** @typedef {'name' | 'place'} NameId */
/** @typedef {'own' | 'all' | 'allocations' | 'allAllocations' | 'temporary'} ColumnId */

/** @type {Shortcut<TableTab>[]} */
const SHORTCUTS = [
  ...ROW_KEYS,
  {
    shown: ['g'],
    help: 'rows by function, line, file or module',
    actions: { g: ({ page }) => cycleChoice(page, 'by') },
  },
];

/** @type {TabEntry} */
export const tableEntry = {
  name: 'table',
  label: 'Table',
  title: 'Table',
  controls: ['metric', 'frames', 'filter', 'by', 'places', 'imports', 'runtime', 'search'],
  // `sort` names a column; with a '-' before it, the other way round.
  choices: { by: ['function', 'line', 'file', 'module'], sort: null },
  shortcuts: SHORTCUTS,
  make: (page) => new TableTab(page),
};

/** @type {Record<By, string>} */
const NAME_LABELS = { function: 'Function', line: 'Function', file: 'File', module: 'Module' };

class TableTab {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    this.groups = page.sums.groupsBy(this.state.by);
    this.values = this.readValues();
    this.names = this.readNames();
    this.patternError = '';
    /** How many rows there are without a search. */
    this.rowCount = 0;
    /** The groups of the rows, from the first row on. */
    this.shown = new Int32Array(0);
    this.running = new Float64Array(0);
    this.largest = { own: 0, all: 0 };
    const host = makeElement('div');
    host.id = 'table';
    byId('panel-table').replaceChildren(host);
    this.table = new VirtualTable(host, this.columns(), {
      label: 'Memory by place',
      cells: (position) => this.cells(position),
      activate: (position) => this.showStacks(this.shown[position]),
      selected: (position) => this.announce(position),
      sort: (id) => this.sortBy(id),
    });
  }

  get state() {
    return /** @type {State & { by: By, sort: string }} */ (this.page.state);
  }

  /** @returns {TableColumn[]} */
  columns() {
    const { by, metric } = this.state;
    const named = { id: 'name', label: NAME_LABELS[by], width: 'minmax(120px, 1.2fr)', className: 'code' };
    const place = {
      id: 'place',
      wide: true,
      label: by === 'line' ? 'File:line' : 'File',
      width: 'minmax(150px, 1.3fr)',
      className: 'code faint',
    };
    return [
      {
        id: 'own',
        label: 'Own',
        number: true,
        width: '112px',
        hint: `${METRIC_NAMES[metric]}: what was allocated right here`,
      },
      { id: 'share', label: '%', number: true, width: '70px', sortable: false, hint: 'Own, of the total' },
      {
        id: 'running',
        label: 'Sum %',
        number: true,
        width: '74px',
        wide: true,
        sortable: false,
        className: 'faint',
        hint: 'Own of this row and of all rows above it, of the total',
      },
      {
        id: 'all',
        label: 'With callees',
        number: true,
        width: '112px',
        hint: `${METRIC_NAMES[metric]}: here and in whatever was called from here`,
      },
      {
        id: 'allShare',
        label: '%',
        number: true,
        width: '70px',
        wide: true,
        sortable: false,
        hint: 'With callees, of the total',
      },
      {
        id: 'allocations',
        label: 'Allocations',
        number: true,
        wide: true,
        width: '96px',
        hint: `${METRIC_NAMES[metric]}: number of allocations right here`,
      },
      ...(metric !== 'temporary'
        ? [
            {
              id: 'temporary',
              label: 'Temporary',
              number: true,
              wide: true,
              width: '92px',
              hint: 'Temporary allocations right here, of all that were made',
            },
          ]
        : []),
      named,
      ...(by === 'function' || by === 'line' ? [place] : []),
    ];
  }

  // ---- rows ----

  /** @param {Changes | null} changes */
  apply(changes) {
    if (
      changes &&
      Object.keys(changes).every((name) =>
        ['tab', 'zoom', 'view', 'group', 'draw', 'colour', 'labels', 'measure', 'file'].includes(name),
      )
    ) {
      this.table.fit();
      this.showSums();
      return;
    }
    this.groups = this.page.sums.groupsBy(this.state.by);
    this.values = this.readValues();
    this.names = this.readNames();
    this.filter();
    this.sort();
    this.table.setColumns(this.columns());
    this.showRows();
  }

  /** @returns {Record<ColumnId, Float64Array>} */
  readValues() {
    const { by, metric } = this.state;
    const { sums } = this.page;
    return {
      own: sums.own(by, `${metric}_bytes`),
      all: sums.withCallees(by, `${metric}_bytes`),
      allocations: sums.own(by, `${metric}_allocations`),
      allAllocations: sums.withCallees(by, `${metric}_allocations`),
      temporary: sums.own(by, 'temporary_allocations'),
    };
  }

  /** How each group is called. */
  readNames() {
    const { groups, page } = this;
    const { by } = this.state;
    return page.sums.once(`names ${by}`, () =>
      Array.from({ length: groups.count }, (_, group) => describeGroup(page.data, groups, by, group)),
    );
  }

  /** The groups that have anything, and of these the ones that match the search. */
  filter() {
    const { own, all, allocations, allAllocations } = this.values;
    const { pattern, error } = compilePattern(this.page.state.search);
    this.patternError = error;
    this.rowCount = 0;
    const kept = [];
    for (let group = 0; group < this.groups.count; group++) {
      if (!(own[group] || all[group] || allocations[group] || allAllocations[group])) continue;
      if (group === 0 && !own[0] && !allocations[0]) continue; // The root alone is no place.
      this.rowCount++;
      const { name, file, line } = this.names[group];
      if (!pattern || pattern.test(`${name} ${file}${line > 0 ? `:${line}` : ''}`)) kept.push(group);
    }
    this.shown = Int32Array.from(kept);
  }

  get order() {
    const { sort } = this.state;
    const id = sort.replace(/^-/, '');
    const column =
      this.columns().find((candidate) => candidate.id === id && candidate.sortable !== false) ?? this.columns()[0];
    return { column, descending: Boolean(column.number) !== sort.startsWith('-') };
  }

  sort() {
    const { column, descending } = this.order;
    const values = column.number
      ? this.values[/** @type {ColumnId} */ (column.id)]
      : this.ranks(/** @type {NameId} */ (column.id));
    const direction = descending ? -1 : 1;
    const { own, all } = this.values;
    this.shown.sort((a, b) => direction * (values[a] - values[b]) || own[b] - own[a] || all[b] - all[a] || a - b);
  }

  /** @param {NameId} id */
  ranks(id) {
    const { by } = this.state;
    return this.page.sums.once(`ranks ${by} ${id}`, () => rankTexts(this.names.map((name) => name[id])));
  }

  /** @param {string} id */
  sortBy(id) {
    const { column } = this.order;
    const again = column.id === id;
    const reversed = again && !this.state.sort.startsWith('-');
    this.page.choose({ sort: `${reversed ? '-' : ''}${id}` }, { push: false });
  }

  showRows() {
    const { own, all } = this.values;
    const { column, descending } = this.order;
    // The longest bar is the largest row: shares of the total would all be too short to compare.
    this.largest = { own: largest(own), all: largest(all) };
    let sum = 0;
    this.running = Float64Array.from(this.shown, (group) => (sum += own[group]));
    const empty = this.patternError || (this.rowCount ? 'No row matches the search.' : emptyTableMessage(this.page));
    this.table.show(this.shown.length, this.footCells(), empty);
    this.table.showSort(column.id, descending);
    this.showSums();
  }

  /** @param {number} position @returns {(Cell | undefined)[]} */
  cells(position) {
    const group = this.shown[position];
    const { own, all, allocations, temporary } = this.values;
    const { name, shortName, place, file, line } = this.names[group];
    const total = this.total.bytes;
    /** @type {Record<string, Cell>} */
    const cells = {
      own: {
        text: formatBytes(own[group]),
        title: plural(own[group], 'byte'),
        bar: this.largest.own > 0 ? own[group] / this.largest.own : 0,
      },
      share: formatPercent(own[group], total),
      running: formatPercent(this.running[position], total),
      all: {
        text: formatBytes(all[group]),
        title: plural(all[group], 'byte'),
        bar: this.largest.all > 0 ? all[group] / this.largest.all : 0,
      },
      allShare: formatPercent(all[group], total),
      allocations: formatCount(allocations[group]),
      temporary: formatCount(temporary[group]),
      name: {
        text: this.table.narrow && file ? `${shortName}  ${baseName(file)}${line > 0 ? `:${line}` : ''}` : shortName,
        title: name,
      },
      place: { text: place, title: file + (line > 0 ? `:${line}` : '') },
    };
    return this.table.columns.map(({ id }) => cells[id]);
  }

  get total() {
    return this.page.totals[this.page.state.metric];
  }

  /** Sums of the rows that are shown. */
  shownSums() {
    const { own, allocations, temporary } = this.values;
    const sum = (/** @type {Float64Array} */ column) => this.shown.reduce((total, group) => total + column[group], 0);
    return { own: sum(own), allocations: sum(allocations), temporary: sum(temporary) };
  }

  footCells() {
    const { own, allocations, temporary } = this.shownSums();
    const ofAll = this.shown.length < this.rowCount ? ` of ${formatCount(this.rowCount)}` : '';
    /** @type {Record<string, Cell>} */
    const cells = {
      own: formatBytes(own),
      share: formatPercent(own, this.total.bytes),
      allocations: formatCount(allocations),
      temporary: formatCount(temporary),
      name: plural(this.shown.length, 'row') + ofAll,
    };
    return this.table.columns.map(({ id }) => cells[id]);
  }

  showSums() {
    const { own, allocations } = this.shownSums();
    const matches = byId('matches');
    const { search } = this.page.state;
    byId('search').setAttribute('aria-invalid', String(Boolean(this.patternError)));
    matches.classList.toggle('wrong', Boolean(this.patternError));
    matches.textContent =
      this.patternError ||
      (search
        ? `${formatCount(this.shown.length)} of ${plural(this.rowCount, 'row')}: ${formatBytes(own)}, ` +
          `${plural(allocations, 'allocation')}, ${formatPercent(own, this.total.bytes)}`
        : '');
    const everything = this.values.own.reduce((a, b) => a + b, 0);
    showFooterSum(
      `Sum of all ${plural(this.rowCount, 'row')} ${formatBytes(everything)}`,
      everything,
      this.total.bytes,
      'total',
    );
  }

  // ---- keys, stacks, exports ----

  /** @param {KeyboardEvent} event */
  key(event) {
    if (press(SHORTCUTS, event.key, this, this.page)) return true;
    const isHere = event.target === document.body || byId('panel-table').contains(/** @type {Node} */ (event.target));
    return isHere && this.table.key(event);
  }

  searchEntered() {
    this.table.host.focus();
  }

  searchLeft() {
    this.table.host.focus();
  }

  /** @param {number} position */
  announce(position) {
    const group = this.shown[position];
    const { name, place } = this.names[group];
    const [own, all] = [this.values.own[group], this.values.all[group]].map(formatBytes);
    byId('live').textContent = `${name} ${place}: ${own} own, ${all} with callees`;
  }

  /** @param {number} group */
  showStacks(group) {
    this.page.showStacks(this.groups.first[group], this.state.by);
  }

  get exports() {
    return { csv: 'CSV of these rows', json: 'JSON of these rows' };
  }

  /** @param {string} format */
  exportAs(format) {
    const { metric, by } = this.state;
    const { own, all, allocations, allAllocations, temporary } = this.values;
    const rows = Array.from(this.shown, (group) => {
      const { name, file, line } = this.names[group];
      return {
        name,
        file,
        line,
        own_bytes: own[group],
        own_allocations: allocations[group],
        bytes_with_callees: all[group],
        allocations_with_callees: allAllocations[group],
        own_temporary_allocations: temporary[group],
      };
    });
    saveRows(this.page, `${metric}-by-${by}`, format, rows);
  }
}
