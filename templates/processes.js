'use strict';
// Which processes the reader looks at, where the capture has several. Each has a node below the root, above all it did.

/** What the reader chose, for the page: the model, its totals, and the menu. */
class ProcessChoice {
  constructor(data, model) {
    this.all = model;
    this.threads = data.threads;
    this.totals = data.totals;
    this.entries = data.processes.map((entry, i) => ({ ...entry, ...data.header.processes[i] }));
    this.several = this.entries.length > 1;
    this.last = { name: '', model };
  }

  /** The pids of a state that the capture has; none stands for all. */
  pidsOf({ processes }) {
    const asked = new Set(processes.split(',').filter(Boolean).map(Number));
    return new Set(this.entries.map(({ pid }) => pid).filter((pid) => this.several && asked.has(pid)));
  }

  /** What decides which processes are there, as a text. */
  nameOf(state) {
    return [...this.pidsOf(state)].join(',');
  }

  chosen(state) {
    const pids = this.pidsOf(state);
    return pids.size ? this.entries.filter(({ pid }) => pids.has(pid)) : this.entries;
  }

  /** Only the last choice is kept: each is as large as the whole. */
  modelOf(state) {
    const name = this.nameOf(state);
    if (name === '') return this.all;
    if (this.last.name !== name) {
      const pids = this.pidsOf(state);
      const threads = Uint8Array.from(this.threads, ({ process }) => (pids.has(this.entries[process].pid) ? 1 : 0));
      this.last = { name, model: withOwnValues(this.all, ownValues(this.all, { threads })) };
    }
    return this.last.model;
  }

  /** What the capture says the chosen processes have, by metric. */
  totalsOf(state) {
    if (this.nameOf(state) === '') return this.totals;
    const chosen = this.chosen(state);
    const sum = (metric, measure) => chosen.reduce((total, entry) => total + entry[metric][measure], 0);
    return Object.fromEntries(METRICS.map((metric) => [metric, { bytes: sum(metric, 'bytes'), allocations: sum(metric, 'allocations') }]));
  }

  /** `choose` takes the pids, as they stand in the state. */
  fillMenu(choose) {
    byId('processes').hidden = byId('split-choice').hidden = !this.several;
    if (!this.several) return;
    const list = byId('process-list');
    for (const { pid, command_line: command, own_peak_bytes: peak } of this.entries) {
      const box = makeElement('input');
      box.type = 'checkbox';
      box.value = pid;
      const label = makeElement('label');
      label.title = command;
      label.append(box, makeElement('b', pid || 'lost'), makeElement('span', command), makeElement('small', `own peak ${formatBytes(peak)}`));
      list.append(label);
    }
    const boxes = [...list.querySelectorAll('input')];
    list.addEventListener('change', (event) => {
      // Two processes may have had the same number: it stands for both.
      for (const box of boxes) if (box.value === event.target.value) box.checked = event.target.checked;
      choose([...new Set(boxes.filter((box) => box.checked).map((box) => box.value))].join(','));
    });
    byId('all-processes').addEventListener('click', () => choose(''));
  }

  showControls(state) {
    if (!this.several) return;
    const pids = this.pidsOf(state);
    const names = [...pids].slice(0, 3).join(', ') + (pids.size > 3 ? ', …' : '');
    byId('processes').firstElementChild.textContent = pids.size ? `Processes: ${names} of ${this.entries.length}` : `Processes: all ${this.entries.length}`;
    for (const box of byId('process-list').querySelectorAll('input')) box.checked = pids.has(Number(box.value));
    byId('all-processes').disabled = pids.size === 0;
  }
}
