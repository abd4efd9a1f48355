// The tab with the source: the files that allocate, and the lines of one of them with what each allocated.

import { cycleChoice } from '../choices/state.js';
import { byId, cssColour, makeElement } from '../common/dom.js';
import { saveRows } from '../common/downloads.js';
import { formatBytes, formatCount, formatMeasure, formatPercent, largest, plural } from '../common/format.js';
import { shortenPath } from '../common/names.js';
import { METRIC_LABELS, VALUE_COLUMNS } from '../data/metrics.js';
import { keptCells } from '../data/model.js';
import { compilePattern } from '../data/search.js';
import { showFooterSum } from '../footer.js';
import { press } from '../help.js';
import { ROW_KEYS, VirtualTable, emptyTableMessage } from '../tables/virtual_table.js';
import { SPARKLINE_WIDTH, drawSparkline } from '../timeline/sparkline.js';

/** @import { Changes, State } from '../choices/state.js' */
/** @import { AmountName, ValueId } from '../data/metrics.js' */
/** @import { Shortcut } from '../help.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Cell, TableColumn } from '../tables/virtual_table.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @typedef {{ line: number, text: string, group?: number } & Partial<Record<ValueId, number>>} LineRow `group` has its stacks */

/** @type {Shortcut<LinesTab>[]} */
const SHORTCUTS = [
  ...ROW_KEYS,
  { shown: ['w'], help: 'own or with callees', actions: { w: ({ page }) => cycleChoice(page, 'scope') } },
];

/** @type {TabEntry} */
export const linesEntry = {
  name: 'lines',
  label: 'Lines',
  title: 'Lines of source',
  controls: ['metric', 'frames', 'filter', 'places', 'scope', 'imports', 'runtime', 'search'],
  // `scope`: whether a line's values are its own or include what it called.
  choices: { file: null, scope: ['own', 'callees'] },
  shortcuts: SHORTCUTS,
  make: (page) => new LinesTab(page),
};

class LinesTab {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    /**
     * By file: its lines, or null where the page has not the whole text.
     * @type {Map<string, string[] | null>}
     */
    this.texts = new Map();
    /**
     * By file: what is listed under its lines.
     * @type {Map<string, number>}
     */
    this.fileSums = new Map();
    /** @type {string[]} */
    this.fileNames = [];
    this.file = '';
    /** @type {LineRow[]} */
    this.rows = [];
    /** Whether the rows are all lines of the file. */
    this.whole = false;
    /**
     * By column of values.
     * @type {number[]}
     */
    this.largest = [];
    this.patternError = '';
    /** @type {{ area: string, edge: string } | null} */
    this.seriesColours = null;
    const files = makeElement('div');
    files.id = 'files';
    const side = makeElement('div', undefined, 'source');
    this.title = makeElement('div', undefined, 'source-title');
    const lines = makeElement('div');
    lines.id = 'lines';
    side.append(this.title, lines);
    byId('panel-lines').replaceChildren(files, side);
    this.files = new VirtualTable(files, this.fileColumns(), {
      label: 'Files',
      cells: (position) => this.fileCells(position),
      activate: (position) => this.page.choose({ file: this.fileNames[position] }),
    });
    this.lines = new VirtualTable(lines, this.lineColumns(), {
      label: 'Lines',
      rowHeight: 20,
      cells: (position) => this.lineCells(position),
      activate: (position) => this.showStacks(position),
      selected: (position) => this.announce(position),
    });
  }

  get state() {
    return /** @type {State & { file: string, scope: 'own' | 'callees' }} */ (this.page.state);
  }

  /** @returns {TableColumn[]} */
  fileColumns() {
    return [
      { id: 'bytes', label: METRIC_LABELS[this.page.state.metric], number: true, width: '100px' },
      { id: 'share', label: '%', number: true, width: '66px' },
      { id: 'name', label: 'File', width: 'minmax(80px, 1fr)', className: 'code' },
    ];
  }

  /** @returns {TableColumn[]} */
  lineColumns() {
    const { metric } = this.page.state;
    const values = VALUE_COLUMNS.map(({ id, label, hint, metric: of }) => ({ id, label, hint, number: true, wide: of !== metric, width: id === 'allocations' || id === 'temporary' ? '98px' : '92px' }));
    return [
      ...values,
      ...(this.page.bins ? [{ id: 'series', label: 'Live over time', wide: true, hint: 'What the line itself had in memory over the run, each line by its own largest', width: `${SPARKLINE_WIDTH + 16}px` }] : []),
      { id: 'line', label: 'Line', number: true, width: '58px', className: 'faint code' },
      { id: 'text', label: 'Source', width: 'minmax(160px, 1fr)', className: 'code text' },
    ];
  }

  // ---- files ----

  /** @param {Changes | null} changes */
  apply(changes) {
    if (changes && Object.keys(changes).every((name) => ['tab', 'zoom', 'view', 'group', 'draw', 'colour', 'labels', 'measure', 'by', 'sort'].includes(name))) {
      this.files.fit();
      this.lines.fit();
      this.showSum();
      return;
    }
    this.findFiles();
    this.files.setColumns(this.fileColumns());
    this.files.show(this.fileNames.length, null, this.patternError || 'No file with lines.');
    const { file } = this.state;
    this.file = this.fileSums.has(file) ? file : (this.fileNames[0] ?? '');
    this.files.selected = this.fileNames.indexOf(this.file);
    if (this.files.selected >= 0) this.files.scrollTo(this.files.selected);
    this.files.draw();
    this.showFile();
    this.showSum();
  }

  /** The files with lines that allocated, or called what did, the largest of the present metric first. */
  findFiles() {
    const { page } = this;
    const { frames, strings } = page.data;
    const { state, sums } = page;
    /** @type {AmountName} */
    const column = `${state.metric}_bytes`;
    const groups = sums.groupsBy('source');
    const own = sums.own('source', column);
    const all = sums.withCallees('source', 'total_allocations');
    this.fileSums = sums.once(`files ${column}`, () => {
      /** @type {Map<string, number>} */
      const found = new Map();
      for (let group = 0; group < groups.count; group++) {
        const f = groups.first[group];
        if (!(all[group] > 0) || !(frames.line[f] > 0)) continue;
        const name = strings[frames.file[f]];
        found.set(name, (found.get(name) ?? 0) + own[group]);
      }
      return found;
    });
    const bytesOf = (/** @type {string} */ name) => this.fileSums.get(name) ?? 0;
    const { pattern, error } = compilePattern(state.search);
    this.patternError = error;
    this.fileNames = [...this.fileSums.keys()].filter((name) => !pattern || pattern.test(name)).sort((a, b) => bytesOf(b) - bytesOf(a) || (a < b ? -1 : 1));
    const matches = byId('matches');
    byId('search').setAttribute('aria-invalid', String(Boolean(error)));
    matches.classList.toggle('wrong', Boolean(error));
    matches.textContent = error || (state.search ? `${formatCount(this.fileNames.length)} of ${plural(this.fileSums.size, 'file')}` : '');
  }

  /** @param {number} position @returns {Cell[]} */
  fileCells(position) {
    const name = this.fileNames[position];
    const bytes = this.fileSums.get(name) ?? 0;
    const most = this.fileSums.get(this.fileNames[0]) ?? 0;
    return [
      { text: formatBytes(bytes), title: plural(bytes, 'byte'), bar: most > 0 ? bytes / most : 0 },
      formatPercent(bytes, this.page.totals[this.page.state.metric].bytes),
      { text: shortenPath(name), title: name },
    ];
  }

  // ---- lines of a file ----

  showFile() {
    this.collectLines();
    this.largest = VALUE_COLUMNS.map(({ id }) => this.rows.reduce((most, row) => Math.max(most, row[id] ?? 0), 0));
    this.lines.setColumns(this.lineColumns());
    this.lines.show(this.rows.length, this.footCells(), this.file ? '' : emptyTableMessage(this.page));
    const note = this.file ? this.sourceNote() : '';
    const name = makeElement('b', shortenPath(this.file), 'code');
    name.title = this.file;
    this.title.replaceChildren(name, makeElement('span', note, 'faint'));
    this.scrollToLargest();
  }

  /** Sums of the lines, where these add up: what one line called may be what another one has. */
  footCells() {
    if (this.state.scope !== 'own' || !this.rows.length) return null;
    const sums = VALUE_COLUMNS.map(({ id, measure }) => formatMeasure(this.rows.reduce((sum, row) => sum + (row[id] ?? 0), 0), measure));
    return [...sums, ...(this.page.bins ? [''] : []), '', `${shortenPath(this.file)}, all lines`];
  }

  /** What of the file is shown, and why not more. */
  sourceNote() {
    const { sources } = this.page.data;
    if (!sources) return 'Only lines that allocated, or called what did; “memprof report” shows whole files.';
    const at = this.sourceOf(this.file);
    if (at < 0) return 'Only lines that allocated, or called what did.';
    return sources.absent[at] ? `Only lines that allocated, or called what did: ${sources.absent[at]}.` : '';
  }

  /** A row for each line of the file, or for each one that occurs: {line, text, group, peak, leaked, ...}. */
  collectLines() {
    const { sums, data } = this.page;
    const { frames, strings } = data;
    const { scope } = this.state;
    const groups = sums.groupsBy('source');
    const values = VALUE_COLUMNS.map(({ metric, measure }) => {
      /** @type {AmountName} */
      const column = `${metric}_${measure}`;
      return scope === 'own' ? sums.own('source', column) : sums.withCallees('source', column);
    });
    /** @type {Map<number, LineRow>} */
    const found = new Map();
    this.groupsOfFile().forEach((group) => {
      const f = groups.first[group];
      /** @type {LineRow} */
      const row = { line: frames.line[f], text: frames.source[f] >= 0 ? strings[frames.source[f]] : '', group };
      VALUE_COLUMNS.forEach(({ id }, c) => {
        row[id] = values[c][group];
      });
      // What has nothing of its own and calls nothing that has is a line like any other.
      if (VALUE_COLUMNS.some(({ id }) => (row[id] ?? 0) > 0)) found.set(row.line, row);
    });
    const text = this.linesOf(this.file);
    this.rows = text ? text.map((line, i) => ({ line: i + 1, ...found.get(i + 1), text: line })) : [...found.values()].sort((a, b) => a.line - b.line);
    this.whole = Boolean(text);
  }

  groupsOfFile() {
    const { sums, data } = this.page;
    const { frames, strings } = data;
    const groups = sums.groupsBy('source');
    return Array.from(groups.first.keys()).filter((group) => strings[frames.file[groups.first[group]]] === this.file && frames.line[groups.first[group]] > 0);
  }

  /**
   * Where the sources of the page have this file; -1 where they don't.
   * @param {string} file
   */
  sourceOf(file) {
    const { sources, strings } = this.page.data;
    return sources ? sources.file.findIndex((name) => strings[name] === file) : -1;
  }

  /**
   * The lines of a file whose whole text the page has.
   * @param {string} file
   */
  linesOf(file) {
    let lines = this.texts.get(file);
    if (lines === undefined) {
      const at = this.sourceOf(file);
      const { sources } = this.page.data;
      lines = !sources || at < 0 || sources.absent[at] ? null : sources.text[at].replace(/\n$/, '').split(/\r\n|\n/);
      this.texts.set(file, lines);
    }
    return lines;
  }

  /** @param {number} position @returns {Cell[]} */
  lineCells(position) {
    const row = this.rows[position];
    const before = this.rows[position - 1];
    const gap = !this.whole && before && row.line > before.line + 1;
    return [
      ...VALUE_COLUMNS.map(({ id, metric, measure }, c) => {
        const value = row[id] ?? 0;
        if (!(value > 0)) return '';
        return { text: formatMeasure(value, measure), title: `${plural(value, measure.slice(0, -1))}, ${formatPercent(value, this.page.totals[metric][measure])} of all`, bar: value / this.largest[c] };
      }),
      ...(this.page.bins ? [row.group === undefined ? '' : { text: '', draw: (/** @type {HTMLCanvasElement} */ canvas) => this.drawSeries(canvas, row) }] : []),
      { text: formatCount(row.line).replaceAll(',', ''), className: gap ? 'gap' : '' },
      { text: row.text.replaceAll('\t', '    '), className: row.group === undefined ? 'idle' : '' },
    ];
  }

  /**
   * By group of the file's lines: the live bytes of the line itself, by bin of the run.
   * @returns {Map<number, Float64Array>}
   */
  liveSeries() {
    const { page } = this;
    const { sums, model, data } = page;
    return sums.once(`series ${this.file}`, () => {
      const groups = sums.groupsBy('source');
      const place = sums.places();
      const lines = this.groupsOfFile();
      const lineOf = new Int32Array(groups.count).fill(-1);
      lines.forEach((group, line) => {
        lineOf[group] = line;
      });
      const kept = keptCells(data.cells, page.selection.filterOf(page.state));
      const lineOfCell = Int32Array.from(data.cells.node, (node, cell) => (kept && !kept[cell] ? -1 : lineOf[groups.of[model.frame[place[node]]]]));
      const series = page.bins?.liveSeries(lineOfCell, lines.length) ?? [];
      return new Map(lines.map((group, line) => [group, series[line]]));
    });
  }

  /** @param {HTMLCanvasElement} canvas @param {LineRow} row */
  drawSeries(canvas, row) {
    this.seriesColours ??= { area: cssColour('--bar'), edge: cssColour('--heap') };
    drawSparkline(canvas, this.liveSeries().get(row.group ?? -1) ?? [], this.seriesColours);
  }

  /** The line with most of the present metric comes into sight. */
  scrollToLargest() {
    const id = this.page.state.metric;
    const values = this.rows.map((row) => row[id] ?? 0);
    const most = largest(values);
    const at = most > 0 ? values.indexOf(most) : -1;
    if (at < 0) return;
    this.lines.scrollTo(Math.min(this.rows.length - 1, at + Math.floor(this.lines.height / this.lines.rowHeight / 2)));
    this.lines.draw();
  }

  showSum() {
    const { metric } = this.page.state;
    const all = this.page.sums.own('source', `${metric}_bytes`).reduce((a, b) => a + b, 0);
    let inFiles = 0;
    for (const bytes of this.fileSums.values()) inFiles += bytes;
    showFooterSum(`In lines of ${plural(this.fileSums.size, 'file')} ${formatBytes(inFiles)}, elsewhere ${formatBytes(all - inFiles)}, together ${formatBytes(all)}`, all, this.page.totals[metric].bytes, 'total');
  }

  // ---- keys, stacks, exports ----

  /** @param {KeyboardEvent} event */
  key(event) {
    if (press(SHORTCUTS, event.key, this, this.page)) return true;
    const target = /** @type {Node} */ (event.target);
    if (byId('files').contains(target)) return this.files.key(event);
    const isHere = target === document.body || byId('panel-lines').contains(target);
    return isHere && this.lines.key(event);
  }

  searchEntered() {
    this.files.host.focus();
  }

  searchLeft() {
    this.lines.host.focus();
  }

  themeChanged() {
    this.seriesColours = null;
    this.lines.draw();
  }

  /** @param {number} position */
  announce(position) {
    const row = this.rows[position];
    const values = VALUE_COLUMNS.filter(({ id }) => (row[id] ?? 0) > 0).map(({ id, label, measure }) => `${label} ${formatMeasure(row[id] ?? 0, measure)}`);
    byId('live').textContent = `Line ${row.line}: ${row.text.trim()}. ${values.join(', ') || 'Allocated nothing.'}`;
  }

  /** @param {number} position */
  showStacks(position) {
    const { group } = this.rows[position];
    if (group !== undefined && getSelection()?.isCollapsed) this.page.showStacks(this.page.sums.groupsBy('source').first[group], 'line');
  }

  get exports() {
    return { csv: 'CSV of these lines', json: 'JSON of these lines' };
  }

  /** @param {string} format */
  exportAs(format) {
    const rows = this.rows.filter(({ group }) => group !== undefined).map((row) => ({ file: this.file, line: row.line, ...Object.fromEntries(VALUE_COLUMNS.map(({ id, metric, measure }) => [`${metric}_${measure}`, row[id]])), source: row.text }));
    saveRows(this.page, `lines-${this.state.scope}`, format, rows);
  }
}
