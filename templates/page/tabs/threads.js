// The tab with threads, processes and allocators: what each has of every metric. Choosing some limits the whole page.

import { byId } from '../common/dom.js';
import { saveRows } from '../common/downloads.js';
import { formatBytes, formatSeconds } from '../common/format.js';
import { VALUE_COLUMNS } from '../data/metrics.js';
import { showFooterSum } from '../footer.js';
import { makeSumsTable } from '../tables/sums_table.js';

/** @import { Axis } from '../choices/selection.js' */
/** @import { Model } from '../data/model.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Choosing, Sums } from '../tables/sums_table.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @type {TabEntry} */
export const threadsEntry = {
  name: 'threads',
  label: 'Threads',
  title: 'Threads, processes and allocators',
  controls: ['metric', 'filter'],
  focusable: true,
  make: (page) => new ThreadsTab(page),
};

class ThreadsTab {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    this.panel = byId('panel-threads');
    /**
     * By axis, the sums that were made of a model.
     * @type {Map<string, number[][]>}
     */
    this.kept = new Map();
    /** @type {Model | null} */
    this.keptOf = null;
  }

  apply() {
    const { page } = this;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : '';
    const tables = this.tables().map(({ sums, choosing }) => makeSumsTable(sums, page.state.metric, choosing));
    this.panel.replaceChildren(...tables);
    // The tables are rebuilt; the keyboard stays where it was.
    if (focused)
      /** @type {HTMLElement | null} */ (this.panel.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
    const { metric } = page.state;
    const sum = this.sums('thread').reduce(
      (total, values) => total + values[VALUE_COLUMNS.findIndex((column) => column.metric === metric)],
      0,
    );
    showFooterSum(`All threads together ${formatBytes(sum)}`, sum, page.selection.totals[metric].bytes, 'total');
  }

  /** @returns {{ sums: Sums, choosing: Choosing | null }[]} */
  tables() {
    const { page } = this;
    const { threads, allocators } = page.data;
    const { selection } = page;
    const { several } = selection;
    const { processes } = page.data.header;
    const byThread = this.sums('thread');
    const byAllocator = this.sums('allocator');
    const whose = (/** @type {number} */ process) => (several ? ` of ${processes[process].pid || 'lost'}` : '');
    const toggled = (/** @type {Set<string>} */ list, /** @type {string} */ key) =>
      (list.has(key) ? [...list].filter((other) => other !== key) : [...list, key]).join(',');
    /** @param {Axis} axis @returns {Choosing | null} */
    const choosing = (axis) => {
      const chosen = selection.keysOf(axis, page.state);
      // Where there is one, there is nothing to choose.
      return selection.choices[axis].length > 1
        ? { chosen, choose: (key) => page.choose({ [axis]: toggled(chosen, key) }) }
        : null;
    };
    const tables = [];
    if (several) {
      const rows = processes.map(({ pid, label, command_line: command, started_s: started }, process) => ({
        name: `${pid || 'lost'}  from ${formatSeconds(started)}  ${label}`,
        title: command,
        key: String(pid),
        values: VALUE_COLUMNS.map((_, c) =>
          threads.reduce((sum, thread, t) => sum + (thread.process === process ? byThread[t][c] : 0), 0),
        ),
      }));
      tables.push({ sums: { label: 'Processes', noun: 'Process', rows }, choosing: choosing('processes') });
    }
    const names = threads.map(({ label, process }) => `${label}${whose(process)}`);
    const ofThreads = names.map((name, t) => ({ name, key: String(t), values: byThread[t] }));
    tables.push({ sums: { label: 'Threads', noun: 'Thread', rows: ofThreads }, choosing: choosing('threads') });
    const ofAllocators = allocators.map((name, a) => ({ name, key: name, values: byAllocator[a] }));
    tables.push({
      sums: { label: 'Allocators', noun: 'Allocator', rows: ofAllocators },
      choosing: choosing('allocators'),
    });
    return tables;
  }

  /**
   * By thread or allocator, a number for each of VALUE_COLUMNS; of the range of time, whatever else the page is limited
   * to.
   * @param {'thread' | 'allocator'} axis
   */
  sums(axis) {
    const { all } = this.page.selection;
    if (this.keptOf !== all) this.kept.clear();
    this.keptOf = all;
    let kept = this.kept.get(axis);
    if (!kept) {
      const { cells, threads, allocators } = all.data;
      const count = axis === 'thread' ? threads.length : allocators.length;
      const columns = VALUE_COLUMNS.map(({ metric, measure }) => {
        const sums = new Float64Array(count);
        const values = cells[`${metric}_${measure}`];
        for (let c = 0; c < values.length; c++) sums[cells[axis][c]] += values[c];
        return sums;
      });
      kept = Array.from({ length: count }, (_, i) => columns.map((column) => column[i]));
      this.kept.set(axis, kept);
    }
    return kept;
  }

  get exports() {
    return { csv: 'CSV of these tables', json: 'JSON of these tables' };
  }

  /** @param {string} format */
  exportAs(format) {
    const columns = VALUE_COLUMNS.map(({ metric, measure }) => `${metric}_${measure}`);
    const rows = this.tables().flatMap(({ sums }) =>
      sums.rows.map(({ name, values }) => ({
        table: sums.label.toLowerCase(),
        name,
        ...Object.fromEntries(columns.map((column, c) => [column, values[c]])),
      })),
    );
    saveRows(this.page, 'threads', format, rows);
  }
}
