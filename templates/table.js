'use strict';
// The table page: all rows in typed columns, and elements only for the rows that are on the screen.

const TABLE_ROW_HEIGHT = 27;
const TABLE_HEAD_HEIGHT = 30;
/** Browsers limit the height of elements; longer tables scroll through this height in proportion. */
const MAX_STAGE_HEIGHT = 12_000_000;
const FILTER_DELAY_MS = 120;

/** Columns as they are shown. `number` columns start with the largest when sorted first. */
const COLUMNS = [
  { id: 'bytes', label: 'Bytes', number: true },
  { id: 'share', label: 'Of total', number: true, sortsLike: 'bytes' },
  { id: 'allocations', label: 'Allocs', number: true, hint: 'Number of allocations' },
  { id: 'function', label: 'Function' },
  { id: 'file', label: 'File:line' },
  { id: 'allocator', label: 'Allocator' },
  { id: 'thread', label: 'Thread' },
];

/** Native functions, those of the interpreter, its evaluation loop. */
const NATIVE_KINDS = new Set([1, 2, 4]);
const VIEW_NAMES = { python: 'Python frames', native: 'native frames' };

const METRIC_NAMES = { peak: 'in memory at the peak', leaked: 'leaked', total: 'allocated in total' };

/** Position of each string in alphabetical order, so that sorting rows by text compares integers only. */
function rankStrings(strings) {
  const collator = new Intl.Collator('en', { numeric: true });
  const order = Array.from(strings.keys()).sort((a, b) => collator.compare(strings[a], strings[b]));
  const rank = new Int32Array(strings.length);
  order.forEach((string, position) => {
    rank[string] = position;
  });
  return rank;
}

function compileFilter(text) {
  if (!text) return { pattern: null, error: '' };
  try {
    return { pattern: new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, '')) ? '' : 'i'), error: '' };
  } catch (error) {
    return { pattern: null, error: error.message };
  }
}

function sumOf(column, rows) {
  let sum = 0;
  for (const row of rows) sum += column[row];
  return sum;
}

class TablePage {
  constructor(data) {
    this.data = data;
    this.rows = data.rows;
    this.strings = data.strings;
    this.count = this.rows.bytes.length;
    this.table = byId('table');
    this.largest = this.rows.bytes.reduce((a, b) => Math.max(a, b), 0);
    this.selected = -1;
    this.state = this.readFragment();
  }

  start() {
    this.fillSelect(byId('allocator'), this.rows.allocator);
    this.fillSelect(byId('thread'), this.rows.thread);
    this.fillProcesses();
    this.makeHead();
    this.showState();
    this.filter();
    this.checkSum();
    this.listen();
  }

  // ---- state ----

  readFragment() {
    const parameters = new URLSearchParams(location.hash.replace(/^#/, ''));
    const sort = COLUMNS.some((column) => column.id === parameters.get('sort')) ? parameters.get('sort') : 'bytes';
    return {
      search: parameters.get('search') || '', allocator: parameters.get('allocator') || '', thread: parameters.get('thread') || '', process: parameters.get('process') || '',
      sort, descending: parameters.has('order') ? parameters.get('order') === 'down' : this.isNumber(sort),
    };
  }

  isNumber(id) {
    return Boolean(COLUMNS.find((column) => column.id === id).number);
  }

  writeFragment() {
    const { search, allocator, process, thread, sort, descending } = this.state;
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries({ search, allocator, process, thread })) if (value) parameters.set(name, value);
    if (sort !== 'bytes' || !descending) {
      parameters.set('sort', sort);
      parameters.set('order', descending ? 'down' : 'up');
    }
    history.replaceState(null, '', `#${parameters}`);
  }

  showState() {
    byId('search').value = this.state.search;
    byId('allocator').value = this.state.allocator;
    byId('thread').value = this.state.thread;
    byId('process').value = this.state.process;
  }

  change(changes) {
    Object.assign(this.state, changes);
    this.writeFragment();
    this.filter();
  }

  // ---- rows ----

  text(column, row) {
    return this.strings[this.rows[column][row]];
  }

  /** Names of native functions are long, mostly by their arguments. */
  functionOf(row) {
    const name = this.text('function', row);
    return NATIVE_KINDS.has(this.rows.kind[row]) ? withoutArguments(name) : name;
  }

  placeOf(row) {
    const line = this.rows.line[row];
    return this.text('file', row) + (line > 0 ? `:${line}` : '');
  }

  /** The rows that pass the filter, in the chosen order. */
  filter() {
    const { search, allocator, process, thread } = this.state;
    const { pattern, error } = compileFilter(search);
    this.filterError = error;
    byId('search').setAttribute('aria-invalid', String(error !== ''));
    const kept = [];
    for (let row = 0; row < this.count; row++) {
      if (allocator && this.text('allocator', row) !== allocator) continue;
      if (process && this.rows.process[row] !== Number(process)) continue;
      if (thread && this.text('thread', row) !== thread) continue;
      if (pattern && !pattern.test(`${this.text('function', row)} ${this.placeOf(row)} ${this.text('allocator', row)} ${this.text('thread', row)}`)) continue;
      kept.push(row);
    }
    this.shown = Int32Array.from(kept);
    this.sort();
  }

  sort() {
    const { sort, descending } = this.state;
    const column = COLUMNS.find((candidate) => candidate.id === sort);
    const values = this.rows[column.sortsLike || sort];
    const direction = descending ? -1 : 1;
    if (column.number) {
      this.shown.sort((a, b) => direction * (values[a] - values[b]) || a - b);
    } else {
      this.rank ??= rankStrings(this.strings);
      const { line } = this.rows;
      const rank = this.rank;
      this.shown.sort((a, b) => direction * (rank[values[a]] - rank[values[b]]) || (sort === 'file' ? direction * (line[a] - line[b]) : 0) || a - b);
    }
    this.select(-1);
    this.table.scrollTop = 0;
    this.fitStage();
    this.showHead();
    this.showSums();
    this.draw();
  }

  // ---- drawing ----

  makeHead() {
    for (const column of COLUMNS) {
      const cell = makeElement('div', undefined, column.number ? 'number' : '');
      cell.setAttribute('role', 'columnheader');
      const button = makeElement('button', column.label);
      button.type = 'button';
      if (column.hint) button.title = column.hint;
      button.addEventListener('click', () => {
        const again = this.state.sort === column.id;
        this.change({ sort: column.id, descending: again ? !this.state.descending : this.isNumber(column.id) });
      });
      cell.append(button);
      byId('head').append(cell);
    }
  }

  showHead() {
    [...byId('head').children].forEach((cell, i) => {
      const sorted = COLUMNS[i].id === this.state.sort;
      cell.setAttribute('aria-sort', sorted ? (this.state.descending ? 'descending' : 'ascending') : 'none');
      cell.firstChild.textContent = COLUMNS[i].label + (sorted ? (this.state.descending ? ' ▼' : ' ▲') : '');
    });
  }

  fitStage() {
    this.height = Math.max(0, this.table.clientHeight - TABLE_HEAD_HEIGHT);
    this.stageHeight = Math.max(this.height, Math.min(MAX_STAGE_HEIGHT, this.shown.length * TABLE_ROW_HEIGHT));
    byId('stage').style.height = `${this.stageHeight}px`;
    byId('rows').style.height = `${this.height}px`;
    const empty = this.shown.length === 0;
    byId('empty').hidden = !empty;
    byId('stage').hidden = empty;
    byId('empty').textContent = this.count ? 'No row passes the filter.' : 'No allocations were recorded in this run, so there are no rows.';
    this.table.setAttribute('aria-rowcount', this.shown.length + 1);
  }

  /** How far the table is scrolled, in rows. */
  get scrolledRows() {
    const range = this.stageHeight - this.height;
    return range > 0 ? (this.table.scrollTop / range) * Math.max(0, this.shown.length - this.height / TABLE_ROW_HEIGHT) : 0;
  }

  draw() {
    const first = Math.floor(this.scrolledRows);
    const shift = (this.scrolledRows - first) * TABLE_ROW_HEIGHT;
    const last = Math.min(this.shown.length, first + Math.ceil(this.height / TABLE_ROW_HEIGHT) + 1);
    const elements = [];
    for (let position = first; position < last; position++) elements.push(this.makeRow(position));
    byId('rows').replaceChildren(...elements);
    for (const element of elements) element.style.transform = `translateY(${-shift}px)`;
    if (this.selected >= first && this.selected < last) this.table.setAttribute('aria-activedescendant', `row-${this.selected}`);
    else this.table.removeAttribute('aria-activedescendant');
  }

  makeRow(position) {
    const row = this.shown[position];
    const element = makeElement('div', undefined, 'row');
    element.id = `row-${position}`;
    element.dataset.position = position;
    element.setAttribute('role', 'row');
    element.setAttribute('aria-rowindex', position + 2);
    element.setAttribute('aria-selected', String(position === this.selected));
    const bytes = this.rows.bytes[row];
    const cell = (text, className) => {
      const part = makeElement('div', text, className);
      part.setAttribute('role', 'gridcell');
      element.append(part);
      return part;
    };
    cell(formatBytes(bytes), 'number');
    const bar = makeElement('i');
    // The longest bar is the largest row: shares of the total would all be too short to compare.
    bar.style.width = `calc(${this.largest > 0 ? bytes / this.largest : 0} * (100% - 16px))`;
    cell(formatPercent(bytes, this.data.total.bytes), 'number share').append(bar);
    cell(formatCount(this.rows.allocations[row]), 'number');
    cell(this.functionOf(row), 'function').title = this.text('function', row);
    const line = this.rows.line[row];
    cell(shortenPath(this.text('file', row)) + (line > 0 ? `:${line}` : ''), 'place').title = this.placeOf(row);
    cell(this.text('allocator', row));
    cell(this.text('thread', row)).title = this.text('thread', row);
    return element;
  }

  showSums() {
    const { total, metric } = this.data;
    const bytes = sumOf(this.rows.bytes, this.shown);
    const allocations = sumOf(this.rows.allocations, this.shown);
    const output = byId('shown');
    output.classList.toggle('wrong', this.filterError !== '');
    output.textContent = this.filterError || `${formatCount(this.shown.length)} of ${plural(this.count, 'row')}: ${formatBytes(bytes)} of ${formatBytes(total.bytes)} ${METRIC_NAMES[metric] || metric} (${formatPercent(bytes, total.bytes)}), ${formatCount(allocations)} of ${plural(total.allocations, 'allocation')}`;
  }

  /** All rows together have to be the total that the capture gives; if not, the page says so. */
  checkSum() {
    const { total } = this.data;
    const bytes = this.rows.bytes.reduce((a, b) => a + b, 0);
    const allocations = this.rows.allocations.reduce((a, b) => a + b, 0);
    const agrees = bytes === total.bytes && allocations === total.allocations;
    const sum = `Sum of all rows ${formatBytes(bytes)} in ${plural(allocations, 'allocation')}`;
    byId('sum').textContent = agrees ? `${sum} = total.` : `${sum} ≠ total ${formatBytes(total.bytes)} in ${plural(total.allocations, 'allocation')}.`;
    byId('sum').classList.toggle('wrong', !agrees);
  }

  // ---- selection and events ----

  select(position) {
    this.selected = position;
    const detail = byId('detail');
    if (position < 0) {
      detail.textContent = this.count ? 'Choose a row to see its full path and exact sizes.' : '';
      return;
    }
    const row = this.shown[position];
    detail.textContent = `${this.text('function', row)}, ${this.placeOf(row)}: ${plural(this.rows.bytes[row], 'byte')} in ${plural(this.rows.allocations[row], 'allocation')} by ${this.text('allocator', row)} in ${this.text('thread', row)}`;
    this.scrollTo(position);
  }

  scrollTo(position) {
    const visible = this.height / TABLE_ROW_HEIGHT;
    const rowsBeyond = this.shown.length - visible;
    if (rowsBeyond <= 0) return;
    let first = this.scrolledRows;
    if (position < first) first = position;
    else if (position + 1 > first + visible) first = position + 1 - visible;
    else return;
    this.table.scrollTop = (first / rowsBeyond) * (this.stageHeight - this.height);
  }

  moveSelection(key) {
    const page = Math.max(1, Math.floor(this.height / TABLE_ROW_HEIGHT) - 1);
    const last = this.shown.length - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(key in steps) || last < 0) return false;
    this.select(Math.max(0, Math.min(last, Math.max(this.selected, key === 'ArrowDown' ? -1 : 0) + steps[key])));
    this.draw();
    return true;
  }

  fillSelect(select, column) {
    const names = new Set();
    for (const string of new Set(column)) names.add(this.strings[string]);
    for (const name of [...names].sort()) select.append(new Option(name, name));
  }

  /** Rows tell processes apart by their numbers; with one process there is nothing to choose. */
  fillProcesses() {
    const { processes } = this.data.header;
    byId('process-choice').hidden = processes.length < 2;
    byId('table').classList.toggle('several-processes', processes.length > 1);
    for (const [pid, command] of new Map(processes.map((process) => [process.pid, process.command_line]))) {
      const label = `${pid || 'lost'}: ${command.slice(0, 40)}${command.length > 40 ? '…' : ''}`;
      byId('process').append(new Option(label, pid));
    }
  }

  exportCsv() {
    const lines = ['function,file,line,allocator,bytes,allocations,thread,process\n'];
    for (const row of this.shown) {
      const fields = ['function', 'file', 'allocator', 'thread'].map((column) => csvField(this.text(column, row)));
      lines.push(`${fields[0]},${fields[1]},${this.rows.line[row]},${fields[2]},${this.rows.bytes[row]},${this.rows.allocations[row]},${fields[3]},${this.rows.process[row]}\n`);
    }
    download(`memprof-${this.data.header.pid}-${this.data.metric}-table.csv`, 'text/csv', lines);
  }

  listen() {
    const search = byId('search');
    search.addEventListener('input', () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.change({ search: search.value }), FILTER_DELAY_MS);
    });
    for (const name of ['allocator', 'process', 'thread']) byId(name).addEventListener('change', () => this.change({ [name]: byId(name).value }));
    byId('csv').addEventListener('click', () => this.exportCsv());
    byId('rows').addEventListener('click', (event) => {
      const row = event.target.closest('.row');
      if (!row) return;
      this.select(Number(row.dataset.position));
      this.draw();
    });
    this.table.addEventListener('scroll', () => requestAnimationFrame(() => this.draw()));
    document.addEventListener('keydown', (event) => this.key(event, search));
    addEventListener('popstate', () => {
      this.state = this.readFragment();
      this.showState();
      this.filter();
    });
    new ResizeObserver(() => {
      this.fitStage();
      this.draw();
    }).observe(this.table);
  }

  key(event, search) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search && (event.key === 'Escape' || event.key === 'Enter')) {
      if (event.key === 'Escape') search.value = '';
      clearTimeout(this.timer);
      this.change({ search: search.value });
      this.table.focus();
    } else if (isTyping(event.target)) {
      return;
    } else if (event.key === '/') {
      search.focus();
      search.select();
    } else if (event.target.closest('button') || !this.moveSelection(event.key)) {
      return;
    }
    event.preventDefault();
  }
}

async function main() {
  setUpTheme(byId('theme'), () => {});
  const data = await loadEmbeddedData('memprof-table-1');
  showHeader(data.header, data.view in VIEW_NAMES ? [['Places', VIEW_NAMES[data.view]]] : []);
  new TablePage(data).start();
  // For tests and for anyone who measures the page.
  document.documentElement.dataset.ready = 'yes';
}

main().catch((error) => {
  showFailure(error);
  throw error;
});
