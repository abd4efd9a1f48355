// Whose allocations are shown: of which processes, which of their threads, and by which allocators. The rest is as if
// it had not been recorded, except that the peak stays the moment at which all together were largest.

import { byId, makeButton, makeElement } from '../common/dom.js';
import { formatBytes, formatCount, formatSeconds } from '../common/format.js';
import { keptCells, ownValues, withOwnValues } from '../data/model.js';
import { KINDS } from '../data/views.js';

/** @import { Amount, Cells, PageData, Totals } from '../data/container.js' */
/** @import { Measure, Metric } from '../data/metrics.js' */
/** @import { Filter, Model } from '../data/model.js' */
/** @import { Changes, State } from './state.js' */

/** @typedef {'processes' | 'threads' | 'allocators'} Axis */
/** @typedef {{ key: string, name: string, detail: string, title?: string, note: string }} Choice */
/** @typedef {Record<Metric, Amount>} Amounts */

/**
 * What a selection consists of. The state has a text for each: the keys of what is selected, or '' for all.
 * @type {Axis[]}
 */
const AXES = ['processes', 'threads', 'allocators'];
/** @type {Record<Axis, string>} */
const AXIS_LABELS = { processes: 'Processes', threads: 'Threads', allocators: 'Allocators' };

/**
 * By axis, what there is to choose from: {key, name, detail, title, note}. Two processes may have the same key, their
 * pid.
 * @param {PageData} data @returns {Record<Axis, Choice[]>}
 */
function choicesOf(data) {
  const { processes } = data.header;
  const several = processes.length > 1;
  return {
    processes: processes.map(({ pid, label, command_line: title, started_s: started }, i) => ({
      key: String(pid),
      name: String(pid || 'lost'),
      detail: `from ${formatSeconds(started)}  ${label}`,
      title,
      note: `own peak ${formatBytes(data.processes[i].own_peak_bytes)}`,
    })),
    threads: data.threads.map(({ label, process }, i) => ({
      key: String(i),
      name: label,
      detail: several ? `of ${processes[process].pid || 'lost'}` : '',
      note: '',
    })),
    // A comma separates keys in the state.
    allocators: data.allocators.map((name) => ({ key: name, name, detail: '', note: '' })),
  };
}

export class Selection {
  /** @param {PageData} data @param {Model} model */
  constructor(data, model) {
    this.data = data;
    this.choices = choicesOf(data);
    this.several = data.processes.length > 1;
    /**
     * What there is a frame of its own for: processes where there are several, threads where the page was made so.
     * @type {Axis[]}
     */
    this.owners = [];
    if (this.several) this.owners.push('processes');
    if (data.frames.kind.includes(KINDS.thread)) this.owners.push('threads');
    /** The tree with all amounts of what it selects from, and their totals. */
    this.all = model;
    this.totals = data.totals;
    /**
     * What was made last; each is as large as the whole.
     * @type {{ name: string, model: Model } | null}
     */
    this.last = null;
    /**
     * The parts of the menu.
     * @type {Map<Axis, HTMLElement>}
     */
    this.groups = new Map();
  }

  /**
   * From now on it selects from another model of the same tree, as that of a range of time, which has these totals.
   * @param {Model} model @param {Totals} totals
   */
  selectFrom(model, totals) {
    this.all = model;
    this.totals = totals;
    this.last = null;
  }

  /**
   * The keys of an axis that a state selects, in the order of the choices; none means all.
   * @param {Axis} axis @param {State} state
   */
  keysOf(axis, state) {
    const asked = new Set(state[axis].split(',').filter(Boolean));
    const known = new Set(this.choices[axis].map(({ key }) => key));
    const keys = [...known].filter((key) => asked.has(key));
    return new Set(known.size > 1 ? keys : []);
  }

  /**
   * What decides which amounts there are, as a text: '' for all.
   * @param {State} state
   */
  nameOf(state) {
    const name = AXES.map((axis) => [...this.keysOf(axis, state)].join(',')).join(';');
    return name === ';;' ? '' : name;
  }

  /**
   * One byte per thread and per allocator: 1 where it is selected; null where all are (see `ownValues`).
   * @param {State} state @returns {Filter}
   */
  filterOf(state) {
    const [pids, threads, allocators] = AXES.map((axis) => this.keysOf(axis, state));
    const { header } = this.data;
    const hasThread = (/** @type {number} */ process, /** @type {number} */ i) =>
      (!pids.size || pids.has(String(header.processes[process].pid))) && (!threads.size || threads.has(String(i)));
    return {
      threads:
        pids.size || threads.size
          ? Uint8Array.from(this.data.threads, ({ process }, i) => Number(hasThread(process, i)))
          : null,
      allocators: allocators.size
        ? Uint8Array.from(this.data.allocators, (name) => Number(allocators.has(name)))
        : null,
    };
  }

  /**
   * The recorded tree with the amounts of the selection. Only the last one is kept: each is as large as the whole.
   * @param {State} state @returns {Model}
   */
  modelOf(state) {
    const name = this.nameOf(state);
    if (name === '') return this.all;
    if (this.last?.name !== name)
      this.last = { name, model: withOwnValues(this.all, ownValues(this.all, this.filterOf(state))) };
    return this.last.model;
  }

  /**
   * What is selected has of each metric: as the capture says where it does, which is for all and for processes.
   * @param {State} state @returns {Amounts}
   */
  totalsOf(state) {
    if (this.nameOf(state) === '') return this.totals;
    const [pids, threads, allocators] = AXES.map((axis) => this.keysOf(axis, state));
    const isWhole = this.totals === this.data.totals;
    if (threads.size || allocators.size || !isWhole) return cellTotals(this.all.data.cells, this.filterOf(state));
    const chosen = this.data.processes.filter((_, i) => pids.has(String(this.data.header.processes[i].pid)));
    return totalsBy((metric, measure) => chosen.reduce((total, entry) => total + entry[metric][measure], 0));
  }

  /**
   * What is selected, in words; '' for all.
   * @param {State} state
   */
  describe(state) {
    const words = (/** @type {Axis} */ axis) => {
      const keys = this.keysOf(axis, state);
      const names = this.choices[axis].filter(({ key }) => keys.has(key)).map(({ name }) => name);
      const first = names.slice(0, 3).join(', ');
      return names.length
        ? `${axis} ${first}${names.length > 3 ? ', …' : ''} of ${formatCount(this.choices[axis].length)}`
        : '';
    };
    return AXES.map(words).filter(Boolean).join('; ');
  }

  /**
   * `choose` takes the keys of an axis, as the state has them.
   * @param {(changes: Changes) => void} choose
   */
  fillMenu(choose) {
    byId('split-choice').hidden = this.owners.length === 0;
    byId('split-owners').textContent = this.owners.length === 1 ? AXIS_LABELS[this.owners[0]] : 'Processes and threads';
    const axes = AXES.filter((axis) => this.choices[axis].length > 1);
    byId('selection').hidden = axes.length === 0;
    this.groups = new Map(
      axes.map((axis) => [axis, this.makeGroup(axis, (keys) => choose({ [axis]: keys.join(',') }))]),
    );
    byId('selection').lastElementChild?.append(...this.groups.values());
  }

  /** @param {Axis} axis @param {(keys: string[]) => void} choose */
  makeGroup(axis, choose) {
    const group = makeElement('fieldset', undefined, 'selection');
    group.id = `select-${axis}`;
    group.append(makeElement('legend', AXIS_LABELS[axis]));
    if (axis === 'processes')
      group.append(makeElement('p', '“Peak” shows what each had when all together were largest.'));
    const list = makeElement('div');
    for (const { key, name, detail, title = detail, note } of this.choices[axis]) {
      const box = makeElement('input');
      box.type = 'checkbox';
      box.value = key;
      const label = makeElement('label');
      label.title = title;
      label.append(box, makeElement('b', name), makeElement('span', detail), makeElement('small', note));
      list.append(label);
    }
    const all = makeButton(`All ${axis}`);
    all.addEventListener('click', () => choose([]));
    const boxes = [...list.querySelectorAll('input')];
    list.addEventListener('change', ({ target }) => {
      const changed = /** @type {HTMLInputElement} */ (target);
      // Two processes may have had the same number: it represents both.
      for (const box of boxes) if (box.value === changed.value) box.checked = changed.checked;
      choose([...new Set(boxes.filter((box) => box.checked).map((box) => box.value))]);
    });
    group.append(list, all);
    return group;
  }

  /** @param {State} state */
  showControls(state) {
    const words = this.describe(state);
    const summary = byId('selection').firstElementChild;
    if (summary) summary.textContent = words ? `Only ${words}` : 'Filter';
    byId('selection').classList.toggle('active', words !== '');
    for (const [axis, group] of this.groups) {
      const keys = this.keysOf(axis, state);
      for (const box of group.querySelectorAll('input')) box.checked = keys.has(box.value);
      /** @type {HTMLButtonElement} */ (group.lastElementChild).disabled = keys.size === 0;
    }
  }
}

/** @param {(metric: Metric, measure: Measure) => number} sum @returns {Amounts} */
function totalsBy(sum) {
  const of = (/** @type {Metric} */ metric) => ({
    bytes: sum(metric, 'bytes'),
    allocations: sum(metric, 'allocations'),
  });
  return { peak: of('peak'), leaked: of('leaked'), total: of('total'), temporary: of('temporary') };
}

/**
 * The sums over the cells that a filter lets through.
 * @param {Cells} cells @param {Filter} filter
 */
function cellTotals(cells, filter) {
  const kept = keptCells(cells, filter);
  return totalsBy((metric, measure) =>
    cells[`${metric}_${measure}`].reduce((sum, value, cell) => (kept === null || kept[cell] ? sum + value : sum), 0),
  );
}
