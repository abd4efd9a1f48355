'use strict';
// The tab with the sizes of allocations: how many there were of each, in powers of two.

class SizesTab {
  constructor(page) {
    this.page = page;
  }

  apply() {
    const buckets = this.page.data.size_histogram;
    const total = buckets.reduce((sum, { allocations }) => sum + allocations, 0);
    const most = largest(buckets.map(({ allocations }) => allocations));
    const table = makeElement('table', undefined, 'size-table');
    table.append(makeElement('caption', 'How many bytes allocations asked for, over the whole run'));
    const head = makeElement('tr');
    for (const [text, className] of [['Size', 'number'], ['Allocations', 'number'], ['%', 'number'], ['Up to this size', 'number'], ['', '']]) {
      const cell = makeElement('th', text, className);
      cell.scope = 'col';
      head.append(cell);
    }
    const header = makeElement('thead');
    header.append(head);
    const body = makeElement('tbody');
    let sum = 0;
    for (const { min_bytes: from, max_bytes: to, allocations } of buckets) {
      sum += allocations;
      const row = makeElement('tr');
      const bar = makeElement('td', undefined, 'wide-bar');
      bar.append(makeBar(most > 0 ? allocations / most : 0));
      row.append(
        makeElement('td', sizeRange(from, to), 'number'),
        makeElement('td', formatCount(allocations), 'number'),
        makeElement('td', formatPercent(allocations, total), 'number faint'),
        makeElement('td', formatPercent(sum, total), 'number faint'),
        bar,
      );
      row.title = `${formatCount(from)} to ${plural(to, 'byte')}`;
      body.append(row);
    }
    table.append(header, body);
    byId('panel-sizes').replaceChildren(buckets.length ? table : makeElement('p', emptyTableMessage(this.page), 'empty'));
    showFooterText(`${plural(total, 'allocation')} of all processes, threads and times, whatever else the page is limited to.`);
  }

  get exports() {
    return { csv: 'CSV of the sizes', json: 'JSON of the sizes' };
  }

  exportAs(format) {
    saveRows(this.page, 'sizes', format, this.page.data.size_histogram);
  }
}

/** "0 B", "1 B", "2 to 3 B", "1 to 2 KiB": the upper end of large ranges is left out of them. */
function sizeRange(from, to) {
  if (from === to) return formatBytes(from);
  if (to < 1024) return `${from} to ${to} B`;
  const [low, high] = [formatBytes(from), formatBytes(to + 1)].map((text) => text.replace('.0 ', ' '));
  const unit = high.split(' ')[1];
  return low.endsWith(` ${unit}`) ? `${low.split(' ')[0]} to ${high}` : `${low} to ${high}`;
}
