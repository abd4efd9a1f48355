'use strict';
// The tab with the table: memory by function, line, file or module.

/** `sort` names a column; with a '-' before it, the other way round. */
Object.assign(CHOICES, { by: ['function', 'line', 'file', 'module'], sort: null });

const NAME_LABELS = { function: 'Function', line: 'Function', file: 'File', module: 'Module' };

class TableTab {
  constructor(page) {
    this.page = page;
    const host = makeElement('div');
    host.id = 'table';
    byId('panel-table').replaceChildren(host);
    this.table = new VirtualTable(host, this.columns(), {
      label: 'Memory by place',
      cells: (position) => this.cells(position),
      activate: (position) => this.showStacks(this.shown[position]),
      activateOnClick: true,
      selected: (position) => this.announce(position),
      sort: (id) => this.sortBy(id),
    });
  }

  columns() {
    const { by, metric } = this.page.state;
    const named = { id: 'name', label: NAME_LABELS[by], width: 'minmax(120px, 1.2fr)', className: 'code' };
    const place = { id: 'place', wide: true, label: by === 'line' ? 'File:line' : 'File', width: 'minmax(150px, 1.3fr)', className: 'code faint' };
    return [
      { id: 'own', label: 'Own', number: true, width: '112px', hint: `${METRIC_NAMES[metric]}: what was allocated right here` },
      { id: 'share', label: '%', number: true, width: '70px', sortable: false, hint: 'Own, of the total' },
      { id: 'running', label: 'Sum %', number: true, width: '74px', wide: true, sortable: false, className: 'faint', hint: 'Own of this row and of all rows above it, of the total' },
      { id: 'all', label: 'With callees', number: true, width: '112px', hint: `${METRIC_NAMES[metric]}: here and in whatever was called from here` },
      { id: 'allShare', label: '%', number: true, width: '70px', wide: true, sortable: false, hint: 'With callees, of the total' },
      { id: 'allocations', label: 'Allocations', number: true, wide: true, width: '96px', hint: `${METRIC_NAMES[metric]}: number of allocations right here` },
      ...(metric !== 'temporary' ? [{ id: 'temporary', label: 'Temporary', number: true, wide: true, width: '92px', hint: 'Temporary allocations right here, of all that were made' }] : []),
      named,
      ...(by === 'function' || by === 'line' ? [place] : []),
    ];
  }

  // ---- rows ----

  apply(changes) {
    if (changes && Object.keys(changes).every((name) => ['tab', 'zoom', 'view', 'group', 'draw', 'colour', 'labels', 'measure', 'file'].includes(name))) {
      this.table.fit();
      this.showSums();
      return;
    }
    const { by, metric } = this.page.state;
    const { sums, data } = this.page;
    this.groups = sums.groupsBy(by);
    this.values = {
      own: sums.own(by, `${metric}_bytes`),
      all: sums.withCallees(by, `${metric}_bytes`),
      allocations: sums.own(by, `${metric}_allocations`),
      allAllocations: sums.withCallees(by, `${metric}_allocations`),
      temporary: sums.own(by, 'temporary_allocations'),
    };
    this.names = sums.once(`names ${by}`, () => Array.from({ length: this.groups.count }, (_, group) => describeGroup(data, this.groups, by, group)));
    this.filter();
    this.sort();
    this.table.setColumns(this.columns());
    this.showRows();
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
    const { sort } = this.page.state;
    const id = sort.replace(/^-/, '');
    const column = this.columns().find((candidate) => candidate.id === id && candidate.sortable !== false) ?? this.columns()[0];
    return { column, descending: Boolean(column.number) !== sort.startsWith('-') };
  }

  sort() {
    const { column, descending } = this.order;
    const values = column.number ? this.values[column.id] : this.ranks(column.id);
    const direction = descending ? -1 : 1;
    const { own, all } = this.values;
    this.shown.sort((a, b) => direction * (values[a] - values[b]) || own[b] - own[a] || all[b] - all[a] || a - b);
  }

  ranks(id) {
    const { by } = this.page.state;
    return this.page.sums.once(`ranks ${by} ${id}`, () => rankTexts(this.names.map((name) => name[id])));
  }

  sortBy(id) {
    const { column } = this.order;
    const again = column.id === id;
    const reversed = again && !this.page.state.sort.startsWith('-');
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

  cells(position) {
    const group = this.shown[position];
    const { own, all, allocations, temporary } = this.values;
    const { name, shortName, place, file, line } = this.names[group];
    const total = this.total.bytes;
    const cells = {
      own: { text: formatBytes(own[group]), title: plural(own[group], 'byte'), bar: this.largest.own > 0 ? own[group] / this.largest.own : 0 },
      share: formatPercent(own[group], total),
      running: formatPercent(this.running[position], total),
      all: { text: formatBytes(all[group]), title: plural(all[group], 'byte'), bar: this.largest.all > 0 ? all[group] / this.largest.all : 0 },
      allShare: formatPercent(all[group], total),
      allocations: formatCount(allocations[group]),
      temporary: formatCount(temporary[group]),
      name: { text: this.table.narrow && file ? `${shortName}  ${baseName(file)}${line > 0 ? `:${line}` : ''}` : shortName, title: name },
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
    const sum = (column) => this.shown.reduce((total, group) => total + column[group], 0);
    return { own: sum(own), allocations: sum(allocations), temporary: sum(temporary) };
  }

  footCells() {
    const { own, allocations, temporary } = this.shownSums();
    const cells = {
      own: formatBytes(own), share: formatPercent(own, this.total.bytes), allocations: formatCount(allocations), temporary: formatCount(temporary),
      name: `${plural(this.shown.length, 'row')}${this.shown.length < this.rowCount ? ` of ${formatCount(this.rowCount)}` : ''}`,
    };
    return this.table.columns.map(({ id }) => cells[id]);
  }

  showSums() {
    const { own, allocations } = this.shownSums();
    const matches = byId('matches');
    const { search } = this.page.state;
    byId('search').setAttribute('aria-invalid', String(Boolean(this.patternError)));
    matches.classList.toggle('wrong', Boolean(this.patternError));
    matches.textContent = this.patternError || (search ? `${formatCount(this.shown.length)} of ${plural(this.rowCount, 'row')}: ${formatBytes(own)}, ${plural(allocations, 'allocation')}, ${formatPercent(own, this.total.bytes)}` : '');
    const everything = this.values.own.reduce((a, b) => a + b, 0);
    showFooterSum(`Sum of all ${plural(this.rowCount, 'row')} ${formatBytes(everything)}`, everything, this.total.bytes, 'total');
  }

  // ---- keys, stacks, exports ----

  key(event) {
    if (event.key === 'g') {
      cycleChoice(this.page, 'by');
      return true;
    }
    const inTable = event.target === document.body || byId('panel-table').contains(event.target);
    return inTable && this.table.key(event);
  }

  searchEntered() {
    this.table.host.focus();
  }

  searchLeft() {
    this.table.host.focus();
  }

  announce(position) {
    const group = this.shown[position];
    const { name, place } = this.names[group];
    byId('live').textContent = `${name} ${place}: ${formatBytes(this.values.own[group])} own, ${formatBytes(this.values.all[group])} with callees`;
  }

  showStacks(group) {
    this.page.showStacks(this.groups.first[group], this.page.state.by);
  }

  get exports() {
    return { csv: 'CSV of these rows', json: 'JSON of these rows' };
  }

  exportAs(format) {
    const { metric, by } = this.page.state;
    const { own, all, allocations, allAllocations, temporary } = this.values;
    const rows = Array.from(this.shown, (group) => {
      const { name, file, line } = this.names[group];
      return {
        name, file, line, own_bytes: own[group], own_allocations: allocations[group], bytes_with_callees: all[group],
        allocations_with_callees: allAllocations[group], own_temporary_allocations: temporary[group],
      };
    });
    saveRows(this.page, `${metric}-by-${by}`, format, rows);
  }
}

/** Why a table has no rows. */
function emptyTableMessage(page) {
  if (!(page.totals.total.allocations > 0)) return 'No allocations were recorded in this run, so there are no rows.';
  return page.state.metric === 'leaked' ? 'Nothing leaked: everything that was allocated had been freed by the end of the recording.' : 'There is nothing of this metric.';
}
