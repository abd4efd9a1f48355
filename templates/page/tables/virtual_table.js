// A table of any length: elements only for the rows that are on the screen.

import { makeButton, makeElement } from '../common/dom.js';

/** @import { Shortcut } from '../help.js' */
/** @import { ReportPage } from '../report_page.js' */

/**
 * @typedef {object} TableColumn
 * @property {string} id
 * @property {string} label
 * @property {string} width a track of a CSS grid
 * @property {boolean} [number]
 * @property {string} [hint]
 * @property {boolean} [sortable] true, if nothing is said
 * @property {boolean} [wide] whether it is left out where there is little room
 * @property {string} [className]
 */

/**
 * What is in a cell, if it is more than a text.
 * @typedef {object} CellContent
 * @property {string} text
 * @property {string} [title]
 * @property {number} [bar] the length of a bar behind it, from 0 to 1
 * @property {string} [className]
 * @property {(canvas: HTMLCanvasElement) => void} [draw] paints into it
 */
/** @typedef {string | CellContent} Cell */

/**
 * @typedef {object} TableOptions
 * @property {string} label
 * @property {number} [rowHeight]
 * @property {(position: number) => (Cell | undefined)[]} cells of a row, in the order of the columns
 * @property {(position: number) => void} activate
 * @property {(position: number) => void} [selected]
 * @property {(column: string) => void} [sort]
 */

/**
 * The keys of every table.
 * @type {Shortcut<unknown>[]}
 */
export const ROW_KEYS = [
  { shown: ['↑', '↓', 'Home', 'End'], help: 'move from row to row' },
  { shown: ['Enter'], help: "the row's stacks in the flame graph" },
];

/** Browsers limit the height of elements; longer tables scroll through this height in proportion. */
const MAX_STAGE_HEIGHT = 12_000_000;

/** Tables narrower than this have fewer columns. */
const NARROW = 640;

/**
 * Position of each text in alphabetical order, so that sorting rows by text compares integers only.
 * @param {string[]} texts
 */
export function rankTexts(texts) {
  const collator = new Intl.Collator('en', { numeric: true });
  const order = Array.from(texts.keys()).sort((a, b) => collator.compare(texts[a], texts[b]));
  const rank = new Int32Array(texts.length);
  order.forEach((text, position) => {
    rank[text] = position;
  });
  return rank;
}

export class VirtualTable {
  /**
   * `host` is filled. A click on a row activates it.
   * @param {HTMLElement} host @param {TableColumn[]} columns @param {TableOptions} options
   */
  constructor(host, columns, options) {
    this.columns = columns;
    this.options = options;
    this.rowHeight = options.rowHeight ?? 24;
    this.count = 0;
    this.selected = -1;
    this.height = 0;
    this.stageHeight = 0;
    this.scheduled = 0;
    this.narrow = false;
    /**
     * The columns that are shown, and where each has its cells.
     * @type {{ column: TableColumn, at: number }[]}
     */
    this.shown = [];
    /**
     * The column that rows are in order of.
     * @type {{ id: string, descending: boolean } | null}
     */
    this.sorted = null;
    /** @type {(Cell | undefined)[] | null} */
    this.footCells = null;
    /**
     * What paints the canvases that are shown.
     * @type {Map<HTMLCanvasElement, (canvas: HTMLCanvasElement) => void>}
     */
    this.paints = new Map();
    const identity = host.id;
    host.className = 'virtual-table';
    host.setAttribute('role', 'grid');
    host.setAttribute('aria-label', options.label);
    host.tabIndex = 0;
    this.host = host;
    this.identity = identity;
    this.head = makeElement('div', undefined, 'row head');
    this.head.setAttribute('role', 'row');
    this.empty = makeElement('p', '', 'empty');
    this.stage = makeElement('div', undefined, 'stage');
    this.stage.setAttribute('role', 'presentation');
    this.rows = makeElement('div', undefined, 'rows');
    this.rows.setAttribute('role', 'rowgroup');
    this.foot = makeElement('div', undefined, 'row foot');
    this.foot.setAttribute('role', 'row');
    this.stage.append(this.rows);
    host.replaceChildren(this.head, this.empty, this.stage, this.foot);
    this.makeHead();
    this.listen();
  }

  makeHead() {
    this.narrow = this.host.clientWidth < NARROW;
    this.shown = this.columns
      .map((column, at) => ({ column, at }))
      .filter(({ column }) => !this.narrow || !column.wide);
    this.host.style.setProperty('--columns', this.shown.map(({ column }) => column.width).join(' '));
    this.head.replaceChildren(
      ...this.shown.map(({ column }) => {
        const cell = makeElement('div', undefined, column.number ? 'number' : '');
        cell.setAttribute('role', 'columnheader');
        if (column.hint) cell.title = column.hint;
        const { sort } = this.options;
        if (sort && column.sortable !== false) {
          const button = makeButton(column.label);
          button.addEventListener('click', () => sort(column.id));
          cell.append(button);
        } else {
          cell.append(makeElement('span', column.label));
        }
        return cell;
      }),
    );
  }

  /**
   * Other columns, such as for another metric.
   * @param {TableColumn[]} columns
   */
  setColumns(columns) {
    this.columns = columns;
    this.makeHead();
  }

  /**
   * Marks the column that rows are in order of.
   * @param {string} id @param {boolean} descending
   */
  showSort(id, descending) {
    this.sorted = { id, descending };
    this.shown.forEach(({ column }, i) => {
      const cell = this.head.children[i];
      const button = cell.firstElementChild;
      if (!(button instanceof HTMLButtonElement)) return;
      const sorted = column.id === id;
      cell.setAttribute('aria-sort', sorted ? (descending ? 'descending' : 'ascending') : 'none');
      button.textContent = column.label;
      if (sorted) button.append(makeElement('i', descending ? '▾' : '▴'));
    });
  }

  /**
   * Shows `count` rows, from the first one on; `foot` are the cells of the last line, which always stays in sight.
   * @param {number} count @param {(Cell | undefined)[] | null} foot @param {string} empty
   */
  show(count, foot = null, empty = '') {
    this.count = count;
    this.selected = -1;
    this.host.scrollTop = 0;
    this.empty.textContent = empty;
    this.empty.hidden = count > 0;
    this.foot.hidden = !foot;
    this.footCells = foot;
    this.makeFoot();
    this.host.setAttribute('aria-rowcount', String(count + 1));
    this.fit();
  }

  makeFoot() {
    const cells = this.footCells;
    if (cells) this.foot.replaceChildren(...this.shown.map(({ column, at }) => this.makeCell(column, cells[at] ?? '')));
  }

  fit() {
    if (this.narrow !== this.host.clientWidth < NARROW) {
      this.makeHead();
      this.makeFoot();
      if (this.sorted) this.showSort(this.sorted.id, this.sorted.descending);
    }
    const around = this.head.offsetHeight + (this.foot.hidden ? 0 : this.foot.offsetHeight);
    this.height = Math.max(0, this.host.clientHeight - around);
    this.stageHeight = Math.max(
      Math.min(this.height, this.count * this.rowHeight),
      Math.min(MAX_STAGE_HEIGHT, this.count * this.rowHeight),
    );
    this.stage.style.height = `${this.stageHeight}px`;
    this.rows.style.height = `${Math.min(this.height, this.stageHeight)}px`;
    this.draw();
  }

  /** How far the table is scrolled, in rows. */
  get scrolledRows() {
    const range = this.stageHeight - this.height;
    return range > 0
      ? Math.max(0, Math.min(1, this.host.scrollTop / range)) * (this.count - this.height / this.rowHeight)
      : 0;
  }

  draw() {
    const scrolled = this.scrolledRows;
    const first = Math.floor(scrolled);
    const last = Math.min(this.count, first + Math.ceil(this.height / this.rowHeight) + 1);
    const elements = [];
    this.paints.clear();
    for (let position = first; position < last; position++) elements.push(this.makeRow(position));
    this.rows.replaceChildren(...elements);
    const shift = -(scrolled - first) * this.rowHeight;
    for (const element of elements) element.style.transform = `translateY(${shift}px)`;
    for (const [canvas, paint] of this.paints) paint(canvas);
    if (this.selected >= first && this.selected < last)
      this.host.setAttribute('aria-activedescendant', this.rowId(this.selected));
    else this.host.removeAttribute('aria-activedescendant');
  }

  /** @param {number} position */
  rowId(position) {
    return `${this.identity}-row-${position}`;
  }

  /** @param {number} position */
  makeRow(position) {
    const element = makeElement('div', undefined, 'row');
    element.id = this.rowId(position);
    element.dataset.position = String(position);
    element.setAttribute('role', 'row');
    element.setAttribute('aria-rowindex', String(position + 2));
    element.setAttribute('aria-selected', String(position === this.selected));
    const cells = this.options.cells(position);
    for (const { column, at } of this.shown) element.append(this.makeCell(column, cells[at] ?? ''));
    return element;
  }

  /** @param {TableColumn} column @param {Cell} content */
  makeCell(column, content) {
    /** @type {CellContent} */
    const { text, title, bar, className, draw } = typeof content === 'object' ? content : { text: content };
    const cell = makeElement(
      'div',
      text,
      [column.number && 'number', column.className, className].filter(Boolean).join(' '),
    );
    cell.setAttribute('role', 'gridcell');
    if (title) cell.title = title;
    if (bar !== undefined) cell.append(makeBar(bar));
    if (draw) {
      const canvas = makeElement('canvas');
      this.paints.set(canvas, draw);
      cell.append(canvas);
    }
    return cell;
  }

  // ---- selection and events ----

  /** @param {number} position */
  select(position) {
    this.selected = position;
    this.scrollTo(position);
    this.draw();
    this.options.selected?.(position);
  }

  /** @param {number} position */
  scrollTo(position) {
    const visible = this.height / this.rowHeight;
    const beyond = this.count - visible;
    if (beyond <= 0) return;
    let first = this.scrolledRows;
    if (position < first) first = position;
    else if (position + 1 > first + visible) first = position + 1 - visible;
    else return;
    this.host.scrollTop = (first / beyond) * (this.stageHeight - this.height);
  }

  /**
   * Moves the selection, or opens what is selected; false where the key means nothing here.
   * @param {KeyboardEvent} event
   */
  key(event) {
    const page = Math.max(1, Math.floor(this.height / this.rowHeight) - 1);
    const last = this.count - 1;
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (last < 0) return false;
    if (Object.hasOwn(steps, event.key)) {
      const from = this.selected < 0 && event.key !== 'ArrowDown' ? 0 : this.selected;
      this.select(Math.max(0, Math.min(last, from + steps[event.key])));
      return true;
    }
    if (event.key !== 'Enter' || this.selected < 0 || event.target instanceof HTMLButtonElement) return false;
    this.options.activate(this.selected);
    return true;
  }

  listen() {
    this.rows.addEventListener('click', (event) => {
      const row = /** @type {Element} */ (event.target).closest('.row');
      if (!(row instanceof HTMLElement)) return;
      const position = Number(row.dataset.position);
      this.select(position);
      this.options.activate(position);
    });
    this.host.addEventListener('scroll', () => {
      this.scheduled ||= requestAnimationFrame(() => {
        this.scheduled = 0;
        this.draw();
      });
    });
    new ResizeObserver(() => {
      if (this.host.clientHeight > 0) this.fit();
    }).observe(this.host);
  }
}

/**
 * A bar behind the text of a cell; lengths from 0 to 1.
 * @param {number} length
 */
export function makeBar(length) {
  const bar = makeElement('i', undefined, 'bar');
  bar.style.setProperty('--length', String(Math.max(0, Math.min(1, length))));
  return bar;
}

/**
 * Why a table has no rows.
 * @param {ReportPage} page
 */
export function emptyTableMessage(page) {
  if (!(page.totals.total.allocations > 0)) return 'No allocations were recorded in this run, so there are no rows.';
  return page.state.metric === 'leaked'
    ? 'Nothing leaked: everything that was allocated had been freed by the end of the recording.'
    : 'There is nothing of this metric.';
}
