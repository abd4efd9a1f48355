// The tab with the overview: the facts of the run, and who has most of each metric.

import { byId, makeElement } from '../common/dom.js';
import { saveJson } from '../common/downloads.js';
import { formatBytes, formatCount, formatMeasure, formatPercent, formatSeconds, plural } from '../common/format.js';
import { describeGroup } from '../data/row_places.js';
import { showFooterText } from '../footer.js';
import { processFact } from '../header.js';
import { makeBar } from '../tables/virtual_table.js';

/** @import { Amount } from '../data/container.js' */
/** @import { Measure, Metric } from '../data/metrics.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @typedef {{ title: string, hint: string, metric: Metric, measure: Measure }} TopList */

/** How many functions a list names. */
const TOP_COUNT = 10;

/**
 * The lists: a column of own values, how its values read, and the total that they add up to.
 * @type {TopList[]}
 */
const TOP_LISTS = [
  { title: 'Peak', hint: 'in memory when the heap was largest', metric: 'peak', measure: 'bytes' },
  { title: 'Leaked', hint: 'not freed by the end', metric: 'leaked', measure: 'bytes' },
  { title: 'Total allocated', hint: 'freed or not', metric: 'total', measure: 'bytes' },
  { title: 'Allocations', hint: 'how often', metric: 'total', measure: 'allocations' },
  { title: 'Temporary', hint: 'freed almost at once', metric: 'temporary', measure: 'allocations' },
];

/** @type {TabEntry} */
export const overviewEntry = {
  name: 'overview',
  label: 'Overview',
  title: 'Overview',
  controls: ['frames', 'filter', 'places', 'imports', 'runtime'],
  focusable: true,
  make: (page) => new OverviewTab(page),
};

class OverviewTab {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    this.panel = byId('panel-overview');
    this.panel.addEventListener('click', (event) => {
      const row = rowOf(event);
      if (row) this.open(row);
    });
    this.panel.addEventListener('keydown', (event) => {
      const row = rowOf(event);
      if (row && event.key === 'Enter') {
        event.preventDefault();
        this.open(row);
      }
    });
  }

  apply() {
    const cards = [this.factsCard(), ...TOP_LISTS.map((list) => this.listCard(list))];
    this.panel.replaceChildren(...cards);
    const { peak, leaked, total } = this.page.totals;
    showFooterText(
      `Peak ${formatBytes(peak.bytes)}, leaked ${formatBytes(leaked.bytes)}, ` +
        `allocated ${formatBytes(total.bytes)} in ${plural(total.allocations, 'allocation')}.`,
    );
  }

  factsCard() {
    const card = makeCard('This run', '');
    const list = makeElement('dl', undefined, 'facts');
    for (const [name, value, title] of runFacts(this.page)) {
      const term = makeElement('dt', name);
      const text = makeElement('dd', value);
      if (title) text.title = title;
      list.append(term, text);
    }
    card.append(list);
    return card;
  }

  /**
   * The functions with most, then what all others have together, then the total.
   * @param {TopList} list
   */
  listCard({ title, hint, metric, measure }) {
    const { page } = this;
    const total = page.totals[metric][measure];
    const card = makeCard(title, hint);
    const groups = page.sums.groupsBy('function');
    const own = page.sums.own('function', `${metric}_${measure}`);
    const top = largestGroups(own, TOP_COUNT);
    const table = makeElement('table', undefined, 'top-list');
    const body = makeElement('tbody');
    const most = top.length ? own[top[0]] : 0;
    let listed = 0;
    let others = 0;
    for (let group = 0; group < own.length; group++) if (own[group] > 0) others++;
    for (const group of top) {
      listed += own[group];
      const { shortName, name, file, place } = describeGroup(page.data, groups, 'function', group);
      const row = makeElement('tr');
      row.dataset.group = String(group);
      row.dataset.metric = metric;
      row.dataset.measure = measure;
      row.tabIndex = 0;
      row.title = `${name}${file ? `\n${file}` : ''}\nShow its stacks`;
      const value = makeElement('td', formatMeasure(own[group], measure), 'number');
      value.append(makeBar(own[group] / most));
      const where = makeElement('td', undefined, 'code');
      where.append(makeElement('span', shortName), makeElement('span', place, 'faint'));
      row.append(value, makeElement('td', formatPercent(own[group], total), 'number faint'), where);
      body.append(row);
    }
    table.append(body);
    const foot = makeElement('tfoot');
    const line = (/** @type {number} */ value, /** @type {string} */ text) => {
      const row = makeElement('tr');
      row.append(
        makeElement('td', formatMeasure(value, measure), 'number'),
        makeElement('td', formatPercent(value, total), 'number faint'),
        makeElement('td', text),
      );
      foot.append(row);
    };
    if (others > top.length)
      line(own.reduce((a, b) => a + b, 0) - listed, plural(others - top.length, 'other function'));
    if (total > 0) line(total, 'total');
    table.append(foot);
    card.append(
      total > 0 ? table : makeElement('p', metric === 'leaked' ? 'Nothing: all was freed.' : 'None.', 'none'),
    );
    return card;
  }

  /** @param {HTMLElement} row */
  open(row) {
    const { metric = '', measure = '' } = row.dataset;
    const groups = this.page.sums.groupsBy('function');
    this.page.showStacks(groups.first[Number(row.dataset.group)], 'function', { metric, measure });
  }

  get exports() {
    return { json: 'JSON of these lists' };
  }

  exportAs() {
    const { page } = this;
    const groups = page.sums.groupsBy('function');
    const lists = TOP_LISTS.map(({ metric, measure }) => {
      const own = page.sums.own('function', `${metric}_${measure}`);
      const rows = largestGroups(own, TOP_COUNT).map((group) => {
        const { name, file } = describeGroup(page.data, groups, 'function', group);
        return { name, file, [measure]: own[group] };
      });
      return { metric, measure, total: page.totals[metric][measure], rows };
    });
    saveJson(page, 'overview', lists);
  }
}

/**
 * The row of a list that something happened in.
 * @param {Event} event
 */
function rowOf(event) {
  const row = /** @type {Element} */ (event.target).closest('[data-group]');
  return row instanceof HTMLElement ? row : null;
}

/**
 * A titled box of the overview.
 * @param {string} title @param {string} hint
 */
function makeCard(title, hint) {
  const card = makeElement('section', undefined, 'card');
  const heading = makeElement('h2', title);
  if (hint) heading.append(makeElement('small', hint));
  card.append(heading);
  return card;
}

/**
 * The groups with the largest values, largest first; none that has nothing.
 * @param {Float64Array} values @param {number} count
 */
function largestGroups(values, count) {
  /** @type {number[]} */
  const found = [];
  for (let group = 0; group < values.length; group++) {
    const value = values[group];
    if (!(value > 0) || (found.length === count && value <= values[found[count - 1]])) continue;
    let at = found.length;
    while (at > 0 && values[found[at - 1]] < value) at--;
    found.splice(at, 0, group);
    if (found.length > count) found.pop();
  }
  return found;
}

/**
 * What there is to know about the run: [name, value, title].
 * @param {ReportPage} page @returns {[name: string, value: string, title?: string][]}
 */
function runFacts(page) {
  const { header, totals, run } = page.data;
  const perSecond = header.duration_s > 0 ? totals.total.allocations / header.duration_s : 0;
  const temporary = totals.temporary.allocations;
  const amount = (/** @type {Amount} */ { bytes, allocations }) =>
    `${formatBytes(bytes)} in ${plural(allocations, 'allocation')}`;
  /** @type {[name: string, value: string, title?: string][]} */
  const facts = [
    ['Command', header.command_line, header.command_line],
    ['Started', header.start_time.replace('T', ' ').replace(/\.\d+Z$|Z$/, ' UTC')],
    ['Duration', formatSeconds(header.duration_s)],
    processFact(header),
    ['Python', [header.python_version || 'none', header.python_allocator].filter(Boolean).join(', ')],
    [
      'Recorded',
      [
        header.python_allocators_traced ? 'every Python object' : 'Python’s arenas, not its objects',
        header.native_stacks ? 'native stacks' : 'no native stacks',
      ].join('; '),
    ],
    ['Peak', `${amount(totals.peak)}, after ${formatSeconds(totals.peak.at_s)}`],
    ['Leaked', amount(totals.leaked)],
    ['Allocations', `${formatCount(totals.total.allocations)} (${formatCount(Math.round(perSecond))} per second)`],
  ];
  facts.push(['Temporary', `${formatCount(temporary)} (${formatPercent(temporary, totals.total.allocations)})`]);
  if (run) {
    facts.push(['Peak RSS', run.peak_rss_bytes === null ? 'not measured' : formatBytes(run.peak_rss_bytes)]);
    if (run.channel_waits)
      facts.push([
        'Waits',
        `${plural(run.channel_waits, 'time')}, for the recorder`,
        'How often a thread had to wait because the recorder was behind',
      ]);
  }
  facts.push(['memprof', header.memprof_version]);
  return facts;
}
