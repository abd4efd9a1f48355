// Lines of source: the files that allocate, and what each line of one of them allocated.

import { VALUE_COLUMNS } from './metrics.js';
import { keptCells } from './model.js';

/** @import { ReportPage } from '../report_page.js' */
/** @import { AmountName, ValueId } from './metrics.js' */

/**
 * A line with its values; `group` has its stacks, if there are any.
 * @typedef {{ line: number, text: string, group?: number } & Partial<Record<ValueId, number>>} LineRow
 */

const ONLY_SOME = 'Only lines that allocated, or called what did';

export class SourceLines {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    /**
     * By file: its lines, or null where the page has not the whole text.
     * @type {Map<string, string[] | null>}
     */
    this.texts = new Map();
  }

  /**
   * The files with lines that allocated, or called what did, with what they have of a column.
   * @param {AmountName} column
   */
  files(column) {
    const { sums, data } = this.page;
    const { frames, strings } = data;
    return sums.once(`files ${column}`, () => {
      const groups = sums.groupsBy('source');
      const own = sums.own('source', column);
      const all = sums.withCallees('source', 'total_allocations');
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
  }

  /**
   * What of a file is shown, and why not more.
   * @param {string} file
   */
  note(file) {
    const { sources } = this.page.data;
    if (!sources) return `${ONLY_SOME}; “memprof report” shows whole files.`;
    const at = this.indexOf(file);
    if (at < 0) return `${ONLY_SOME}.`;
    return sources.absent[at] ? `${ONLY_SOME}: ${sources.absent[at]}.` : '';
  }

  /**
   * A row for each line of a file, or for each one that occurs.
   * @param {string} file @param {'own' | 'callees'} scope
   */
  rows(file, scope) {
    const { sums, data } = this.page;
    const { frames, strings } = data;
    const groups = sums.groupsBy('source');
    const values = VALUE_COLUMNS.map(({ metric, measure }) => {
      /** @type {AmountName} */
      const column = `${metric}_${measure}`;
      return scope === 'own' ? sums.own('source', column) : sums.withCallees('source', column);
    });
    /** @type {Map<number, LineRow>} */
    const found = new Map();
    for (const group of this.groupsOf(file)) {
      const f = groups.first[group];
      /** @type {LineRow} */
      const row = { line: frames.line[f], text: frames.source[f] >= 0 ? strings[frames.source[f]] : '', group };
      VALUE_COLUMNS.forEach(({ id }, c) => {
        row[id] = values[c][group];
      });
      // What has nothing of its own and calls nothing that has is a line like any other.
      if (VALUE_COLUMNS.some(({ id }) => (row[id] ?? 0) > 0)) found.set(row.line, row);
    }
    const lines = this.linesOf(file);
    if (lines) return { rows: lines.map((text, i) => ({ line: i + 1, ...found.get(i + 1), text })), isWhole: true };
    return { rows: [...found.values()].sort((a, b) => a.line - b.line), isWhole: false };
  }

  /**
   * The groups of places that are lines of a file.
   * @param {string} file
   */
  groupsOf(file) {
    const { sums, data } = this.page;
    const { frames, strings } = data;
    const { first } = sums.groupsBy('source');
    return Array.from(first.keys()).filter((group) => {
      const f = first[group];
      return strings[frames.file[f]] === file && frames.line[f] > 0;
    });
  }

  /**
   * Where the sources of the page have a file; -1 where they don't.
   * @param {string} file
   */
  indexOf(file) {
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
      const at = this.indexOf(file);
      const { sources } = this.page.data;
      lines = !sources || at < 0 || sources.absent[at] ? null : sources.text[at].replace(/\n$/, '').split(/\r\n|\n/);
      this.texts.set(file, lines);
    }
    return lines;
  }

  /**
   * By group of a file's lines: the live bytes of the line itself, by bin of the run.
   * @param {string} file @returns {Map<number, Float64Array>}
   */
  liveSeries(file) {
    const { page } = this;
    const { sums, model, data } = page;
    return sums.once(`series ${file}`, () => {
      const groups = sums.groupsBy('source');
      const place = sums.places();
      const lines = this.groupsOf(file);
      const lineOf = new Int32Array(groups.count).fill(-1);
      lines.forEach((group, line) => {
        lineOf[group] = line;
      });
      const kept = keptCells(data.cells, page.selection.filterOf(page.state));
      const lineOfCell = Int32Array.from(data.cells.node, (node, cell) =>
        kept && !kept[cell] ? -1 : lineOf[groups.of[model.frame[place[node]]]],
      );
      const series = page.bins?.liveSeries(lineOfCell, lines.length) ?? [];
      return new Map(lines.map((group, line) => [group, series[line]]));
    });
  }
}
