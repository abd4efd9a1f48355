'use strict';
// The tab with threads, processes and allocators: what each has of every metric. Choosing some limits the whole page.

class ThreadsTab {
  constructor(page) {
    this.page = page;
    this.panel = byId('panel-threads');
  }

  apply() {
    const { page } = this;
    const focused = document.activeElement?.dataset?.key;
    const tables = this.tables().map((table) => makeSumsTable(table, { metric: page.state.metric, ...table }));
    this.panel.replaceChildren(...tables);
    // The tables are made anew; the keyboard stays where it was.
    if (focused) this.panel.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    const { metric } = page.state;
    const sum = this.sums('thread').reduce((total, values) => total + values[VALUE_COLUMNS.findIndex((column) => column.metric === metric)], 0);
    showFooterSum(`All threads together ${formatBytes(sum)}`, sum, page.selection.totals[metric].bytes, 'total');
  }

  tables() {
    const { page } = this;
    const { threads, allocators } = page.data;
    const { selection } = page;
    const { several } = selection;
    const { processes } = page.data.header;
    const byThread = this.sums('thread');
    const byAllocator = this.sums('allocator');
    const whose = (process) => (several ? ` of ${processes[process].pid || 'lost'}` : '');
    const toggled = (list, key) => (list.has(key) ? [...list].filter((other) => other !== key) : [...list, key]).join(',');
    const limit = (axis) => {
      const chosen = selection.keysOf(axis, page.state);
      // Where there is one, there is nothing to choose.
      return selection.choices[axis].length > 1 ? { chosen, choose: (key) => page.choose({ [axis]: toggled(chosen, key) }) } : {};
    };
    const tables = [];
    if (several) {
      tables.push({
        label: 'Processes',
        noun: 'Process',
        rows: processes.map(({ pid, label, command_line: command, started_s: started }, process) => ({
          name: `${pid || 'lost'}  from ${formatSeconds(started)}  ${label}`, title: command, key: String(pid),
          values: VALUE_COLUMNS.map((_, c) => threads.reduce((sum, thread, t) => sum + (thread.process === process ? byThread[t][c] : 0), 0)),
        })),
        ...limit('processes'),
      });
    }
    const names = threads.map(({ label, process }) => `${label}${whose(process)}`);
    tables.push({ label: 'Threads', noun: 'Thread', rows: names.map((name, t) => ({ name, key: String(t), values: byThread[t] })), ...limit('threads') });
    tables.push({ label: 'Allocators', noun: 'Allocator', rows: allocators.map((name, a) => ({ name, key: name, values: byAllocator[a] })), ...limit('allocators') });
    return tables;
  }

  /** By thread or allocator, a number for each of VALUE_COLUMNS; of the range of time, whatever else the page is limited to. */
  sums(axis) {
    const { all } = this.page.selection;
    if (this.keptOf !== all) this.kept = new Map();
    this.keptOf = all;
    if (!this.kept.has(axis)) {
      const { cells, threads, allocators } = all.data;
      const count = axis === 'thread' ? threads.length : allocators.length;
      const columns = VALUE_COLUMNS.map(({ metric, measure }) => {
        const sums = new Float64Array(count);
        const values = cells[`${metric}_${measure}`];
        for (let c = 0; c < values.length; c++) sums[cells[axis][c]] += values[c];
        return sums;
      });
      this.kept.set(axis, Array.from({ length: count }, (_, i) => columns.map((column) => column[i])));
    }
    return this.kept.get(axis);
  }

  get exports() {
    return { csv: 'CSV of these tables', json: 'JSON of these tables' };
  }

  exportAs(format) {
    const rows = this.tables().flatMap(({ label, rows: all }) => all.map(({ name, values }) => ({ table: label.toLowerCase(), name, ...Object.fromEntries(VALUE_COLUMNS.map(({ metric, measure }, c) => [`${metric}_${measure}`, values[c]])) })));
    saveRows(this.page, 'threads', format, rows);
  }
}
