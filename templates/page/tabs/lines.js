// The tab with the source: the files that allocate, and the lines of one of them with what each allocated.

import { cycleChoice } from '../choices/state.js';
import { byId, cssColour, makeElement } from '../common/dom.js';
import { saveRows } from '../common/downloads.js';
import { formatBytes, formatCount, formatMeasure, formatPercent, largest, plural } from '../common/format.js';
import { shortenPath } from '../common/names.js';
import { METRIC_LABELS, VALUE_COLUMNS } from '../data/metrics.js';
import { compilePattern } from '../data/search.js';
import { SourceLines } from '../data/source_lines.js';
import { showFooterSum } from '../footer.js';
import { press } from '../help.js';
import { ROW_KEYS, VirtualTable, emptyTableMessage } from '../tables/virtual_table.js';
import { SPARKLINE_WIDTH, drawSparkline } from '../timeline/sparkline.js';

/** @import { Changes, State } from '../choices/state.js' */
/** @import { LineRow } from '../data/source_lines.js' */
/** @import { Shortcut } from '../help.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Cell, TableColumn } from '../tables/virtual_table.js' */
/** @import { TabEntry } from '../tabs.js' */

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
    this.source = new SourceLines(page);
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
    this.isWhole = false;
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
    const values = VALUE_COLUMNS.map(({ id, label, hint, metric: of }) => ({
      id,
      label,
      hint,
      number: true,
      wide: of !== metric,
      width: id === 'allocations' || id === 'temporary' ? '98px' : '92px',
    }));
    return [
      ...values,
      ...(this.page.bins
        ? [
            {
              id: 'series',
              label: 'Live over time',
              wide: true,
              hint: 'What the line itself had in memory over the run, each line by its own largest',
              width: `${SPARKLINE_WIDTH + 16}px`,
            },
          ]
        : []),
      { id: 'line', label: 'Line', number: true, width: '58px', className: 'faint code' },
      { id: 'text', label: 'Source', width: 'minmax(160px, 1fr)', className: 'code text' },
    ];
  }

  // ---- files ----

  /** @param {Changes | null} changes */
  apply(changes) {
    if (
      changes &&
      Object.keys(changes).every((name) =>
        ['tab', 'zoom', 'view', 'group', 'draw', 'colour', 'labels', 'measure', 'by', 'sort'].includes(name),
      )
    ) {
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
    const { state } = this;
    this.fileSums = this.source.files(`${state.metric}_bytes`);
    const bytesOf = (/** @type {string} */ name) => this.fileSums.get(name) ?? 0;
    const { pattern, error } = compilePattern(state.search);
    this.patternError = error;
    this.fileNames = [...this.fileSums.keys()]
      .filter((name) => !pattern || pattern.test(name))
      .sort((a, b) => bytesOf(b) - bytesOf(a) || (a < b ? -1 : 1));
    const matches = byId('matches');
    byId('search').setAttribute('aria-invalid', String(Boolean(error)));
    matches.classList.toggle('wrong', Boolean(error));
    matches.textContent =
      error || (state.search ? `${formatCount(this.fileNames.length)} of ${plural(this.fileSums.size, 'file')}` : '');
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
    const { rows, isWhole } = this.source.rows(this.file, this.state.scope);
    this.rows = rows;
    this.isWhole = isWhole;
    this.largest = VALUE_COLUMNS.map(({ id }) => this.rows.reduce((most, row) => Math.max(most, row[id] ?? 0), 0));
    this.lines.setColumns(this.lineColumns());
    this.lines.show(this.rows.length, this.footCells(), this.file ? '' : emptyTableMessage(this.page));
    const note = this.file ? this.source.note(this.file) : '';
    const name = makeElement('b', shortenPath(this.file), 'code');
    name.title = this.file;
    this.title.replaceChildren(name, makeElement('span', note, 'faint'));
    this.scrollToLargest();
  }

  /** Sums of the lines, where these add up: what one line called may be what another one has. */
  footCells() {
    if (this.state.scope !== 'own' || !this.rows.length) return null;
    const sums = VALUE_COLUMNS.map(({ id, measure }) =>
      formatMeasure(
        this.rows.reduce((sum, row) => sum + (row[id] ?? 0), 0),
        measure,
      ),
    );
    return [...sums, ...(this.page.bins ? [''] : []), '', `${shortenPath(this.file)}, all lines`];
  }

  /** @param {number} position @returns {Cell[]} */
  lineCells(position) {
    const row = this.rows[position];
    const before = this.rows[position - 1];
    const { totals } = this.page;
    const gap = !this.isWhole && before && row.line > before.line + 1;
    return [
      ...VALUE_COLUMNS.map(({ id, metric, measure }, c) => {
        const value = row[id] ?? 0;
        if (!(value > 0)) return '';
        return {
          text: formatMeasure(value, measure),
          title: `${plural(value, measure.slice(0, -1))}, ${formatPercent(value, totals[metric][measure])} of all`,
          bar: value / this.largest[c],
        };
      }),
      ...(this.page.bins
        ? [
            row.group === undefined
              ? ''
              : { text: '', draw: (/** @type {HTMLCanvasElement} */ canvas) => this.drawSeries(canvas, row) },
          ]
        : []),
      { text: formatCount(row.line).replaceAll(',', ''), className: gap ? 'gap' : '' },
      { text: row.text.replaceAll('\t', '    '), className: row.group === undefined ? 'idle' : '' },
    ];
  }

  /** @param {HTMLCanvasElement} canvas @param {LineRow} row */
  drawSeries(canvas, row) {
    this.seriesColours ??= { area: cssColour('--bar'), edge: cssColour('--heap') };
    drawSparkline(canvas, this.source.liveSeries(this.file).get(row.group ?? -1) ?? [], this.seriesColours);
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
    showFooterSum(
      `In lines of ${plural(this.fileSums.size, 'file')} ${formatBytes(inFiles)}, ` +
        `elsewhere ${formatBytes(all - inFiles)}, together ${formatBytes(all)}`,
      all,
      this.page.totals[metric].bytes,
      'total',
    );
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
    const values = VALUE_COLUMNS.filter(({ id }) => (row[id] ?? 0) > 0).map(
      ({ id, label, measure }) => `${label} ${formatMeasure(row[id] ?? 0, measure)}`,
    );
    byId('live').textContent = `Line ${row.line}: ${row.text.trim()}. ${values.join(', ') || 'Allocated nothing.'}`;
  }

  /** @param {number} position */
  showStacks(position) {
    const { group } = this.rows[position];
    if (group !== undefined && getSelection()?.isCollapsed)
      this.page.showStacks(this.page.sums.groupsBy('source').first[group], 'line');
  }

  get exports() {
    return { csv: 'CSV of these lines', json: 'JSON of these lines' };
  }

  /** @param {string} format */
  exportAs(format) {
    const rows = this.rows
      .filter(({ group }) => group !== undefined)
      .map((row) => ({
        file: this.file,
        line: row.line,
        ...Object.fromEntries(VALUE_COLUMNS.map(({ id, metric, measure }) => [`${metric}_${measure}`, row[id]])),
        source: row.text,
      }));
    saveRows(this.page, `lines-${this.state.scope}`, format, rows);
  }
}
