// The tab with the sizes of allocations: how many there were of each and how much that was, in powers of two.

import { byId, makeElement } from '../common/dom.js';
import { saveRows } from '../common/downloads.js';
import { formatBytes, formatCount, formatMeasure, formatPercent, largest, plural } from '../common/format.js';
import { showFooterSum } from '../footer.js';
import { emptyTableMessage, makeBar } from '../tables/virtual_table.js';

/** @import { SizeBucket } from '../data/container.js' */
/** @import { Measure } from '../data/metrics.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { TabEntry } from '../tabs.js' */

/** @type {TabEntry} */
export const sizesEntry = {
  name: 'sizes',
  label: 'Sizes',
  title: 'Sizes of allocations',
  controls: [],
  focusable: true,
  make: (page) => new SizesTab(page),
};

class SizesTab {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
  }

  apply() {
    const { size_histogram: buckets = [] } = this.page.data;
    const { allocations, bytes } = this.page.data.totals.total;
    byId('panel-sizes').replaceChildren(
      buckets.length
        ? makeSizeTable(buckets, { allocations, bytes })
        : makeElement('p', emptyTableMessage(this.page), 'empty'),
    );
    const sum = (/** @type {Measure} */ measure) => buckets.reduce((total, bucket) => total + bucket[measure], 0);
    showFooterSum(
      'Of the whole recording, whatever the page is limited to: ' +
        `all sizes together ${formatBytes(sum('bytes'))} in ${plural(sum('allocations'), 'allocation')}`,
      sum('bytes'),
      bytes,
      'total',
    );
  }

  get exports() {
    return { csv: 'CSV of the sizes', json: 'JSON of the sizes' };
  }

  /** @param {string} format */
  exportAs(format) {
    saveRows(this.page, 'sizes', format, this.page.data.size_histogram ?? []);
  }
}

/**
 * For each measure the value, its share, that of all sizes up to this one, and a bar.
 * @param {SizeBucket[]} buckets @param {Record<Measure, number>} totals
 */
function makeSizeTable(buckets, totals) {
  const table = makeElement('table', undefined, 'size-table');
  table.append(makeElement('caption', 'How many bytes allocations asked for, over the whole run'));
  const head = makeElement('tr');
  const addHead = (/** @type {string} */ text, /** @type {string} */ className, hint = '') => {
    const cell = makeElement('th', text, className);
    cell.scope = 'col';
    cell.title = hint;
    head.append(cell);
  };
  addHead('Size', 'number');
  for (const label of ['Allocations', 'Bytes']) {
    addHead(label, 'number');
    addHead('%', 'number share');
    addHead('Sum %', 'number share sum', 'Of allocations of this size and all smaller ones');
  }
  const header = makeElement('thead');
  header.append(head);
  const body = makeElement('tbody');
  /** @type {Measure[]} */
  const measures = ['allocations', 'bytes'];
  const most = {
    allocations: largest(buckets.map(({ allocations }) => allocations)),
    bytes: largest(buckets.map(({ bytes }) => bytes)),
  };
  const sums = { allocations: 0, bytes: 0 };
  for (const bucket of buckets) {
    const row = makeElement('tr');
    row.title = `${formatCount(bucket.min_bytes)} to ${plural(bucket.max_bytes, 'byte')}`;
    row.append(makeElement('td', sizeRange(bucket.min_bytes, bucket.max_bytes), 'number'));
    for (const measure of measures) {
      sums[measure] += bucket[measure];
      const value = makeElement('td', formatMeasure(bucket[measure], measure), 'number');
      if (bucket[measure] > 0) value.append(makeBar(bucket[measure] / most[measure]));
      row.append(
        value,
        makeElement('td', formatPercent(bucket[measure], totals[measure]), 'number share faint'),
        makeElement('td', formatPercent(sums[measure], totals[measure]), 'number share sum faint'),
      );
    }
    body.append(row);
  }
  const foot = makeElement('tfoot');
  const row = makeElement('tr');
  row.append(makeElement('td', 'total', 'number'));
  for (const measure of measures)
    row.append(
      makeElement('td', formatMeasure(sums[measure], measure), 'number'),
      makeElement('td', '', 'share'),
      makeElement('td', '', 'share sum'),
    );
  foot.append(row);
  table.append(header, body, foot);
  return table;
}

/**
 * "0 B", "1 B", "2 to 3 B", "1 to 2 KiB": the upper end of large ranges is left out of them.
 * @param {number} from @param {number} to
 */
function sizeRange(from, to) {
  if (from === to) return formatBytes(from);
  if (to < 1024) return `${from} to ${to} B`;
  const [low, high] = [formatBytes(from), formatBytes(to + 1)].map((text) => text.replace('.0 ', ' '));
  const unit = high.split(' ')[1];
  return low.endsWith(` ${unit}`) ? `${low.split(' ')[0]} to ${high}` : `${low} to ${high}`;
}
