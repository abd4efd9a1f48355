// The run in bins, without touching the page: what every cell has in any range of them
// (reporter/src/pages/flamegraph/bin_columns.rs).
//
// What is allocated and leaked in a range are sums over the rows of its bins; what is live when a bin begins, over
// those of all bins before. The peak of a range is that of its highest bin, for which the differences from its
// beginning are kept.

import { GrowingRows, addReleased, addRows, emptyAmounts, fromSteps, startsOf, sumsByBin } from './bin_rows.js';
import { defineLazily } from './columns.js';
import { MEASURES, METRICS } from './metrics.js';
import { ownValues, withOwnValues } from './model.js';

/** @import { ReleasedRows, Rows, Sums } from './bin_rows.js' */
/** @import { BinColumns, Cells, Totals } from './container.js' */
/** @import { Metric } from './metrics.js' */
/** @import { Model } from './model.js' */

/** @typedef {{ from: number, to: number }} BinRange bins, the last one not included */
/** What became of an allocated row by the end of its bin. */
const FATE = { kept: 0, released: 1, temporary: 2, mixed: 3 };

export class TimeBins {
  /** @param {BinColumns} columns @param {Cells} cells */
  constructor(columns, cells) {
    this.columns = columns;
    this.cells = cells;
    this.width = columns.width_s;
    this.highest = columns.highest;
    this.highestAt = columns.highest_at_s;
    this.count = this.highest.length;
    /** @type {{ total: Rows, kept: Rows, temporary: Rows } | null} */
    this.allocatedRows = null;
    /** @type {ReleasedRows | null} */
    this.releasedRows = null;
    /** @type {Rows | null} */
    this.endedRows = null;
    /** @type {Rows | null} */
    this.changedRows = null;
    /** @type {Record<Metric, Sums> | null} */
    this.binSums = null;
  }

  // ---- rows, unpacked when they are first needed ----

  /** What was allocated in each bin; of it, what was left at the bin's end (`kept`), and what was temporary. */
  get allocated() {
    return (this.allocatedRows ??= this.unpackAllocated());
  }

  unpackAllocated() {
    const { allocated_rows: rows, allocated_step: steps, allocated_head: heads, allocated_bytes: bytes } = this.columns;
    const { mixed_released_bytes: releasedBytes, mixed_released_allocations: releasedCounts } = this.columns;
    const { mixed_temporary_bytes: temporaryBytes, mixed_temporary_allocations: temporaryCounts } = this.columns;
    const start = startsOf(rows);
    const cell = fromSteps(steps, start);
    const allocations = new Float64Array(heads.length);
    const parts = { kept: new GrowingRows(rows.length), temporary: new GrowingRows(rows.length) };
    let mixed = 0;
    for (let b = 0; b < rows.length; b++) {
      for (let i = start[b]; i < start[b + 1]; i++) {
        const fate = heads[i] % 4;
        const count = (allocations[i] = (heads[i] - fate) / 4);
        if (fate === FATE.kept) parts.kept.push(cell[i], bytes[i], count);
        else if (fate === FATE.temporary) parts.temporary.push(cell[i], bytes[i], count);
        else if (fate === FATE.mixed) {
          parts.kept.push(cell[i], bytes[i] - releasedBytes[mixed], count - releasedCounts[mixed]);
          parts.temporary.push(cell[i], temporaryBytes[mixed], temporaryCounts[mixed]);
          mixed++;
        }
      }
      parts.kept.endBin(b);
      parts.temporary.endBin(b);
    }
    return { total: { start, cell, bytes, allocations }, kept: parts.kept.rows(), temporary: parts.temporary.rows() };
  }

  get released() {
    return (this.releasedRows ??= this.unpackReleased());
  }

  unpackReleased() {
    const {
      released_rows: rows,
      released_step: steps,
      released_head: heads,
      released_bytes: bytes,
      released_allocations: allocations,
    } = this.columns;
    const start = startsOf(rows);
    const since = new Int32Array(heads.length);
    const temporary = new Uint8Array(heads.length);
    for (let b = 0; b < rows.length; b++) {
      for (let i = start[b]; i < start[b + 1]; i++) {
        temporary[i] = heads[i] & 1;
        since[i] = b - (heads[i] >> 1);
      }
    }
    return { start, cell: fromSteps(steps, start), since, temporary, bytes, allocations };
  }

  get ended() {
    return (this.endedRows ??= this.unpackPlain('ended'));
  }

  get changed() {
    return (this.changedRows ??= this.unpackPlain('changed'));
  }

  /** @param {'ended' | 'changed'} name @returns {Rows} */
  unpackPlain(name) {
    const { columns } = this;
    const start = startsOf(columns[`${name}_rows`]);
    const cell = fromSteps(columns[`${name}_step`], start);
    return { start, cell, bytes: columns[`${name}_bytes`], allocations: columns[`${name}_allocations`] };
  }

  // ---- ranges ----

  /**
   * The bin whose highest total is the peak of the bins `from` up to (not with) `to`: the last one that came to it.
   * @param {number} from @param {number} to
   */
  topOf(from, to) {
    let top = from;
    for (let b = from + 1; b < to; b++) {
      // A bin that only began with the total of one before has the same memory.
      if (this.highest[b] > this.highest[top] || (this.highest[b] === this.highest[top] && this.highestAt[b] !== null))
        top = b;
    }
    return top;
  }

  /**
   * When the peak of a range was: its beginning, if the total only fell from there.
   * @param {number} from @param {number} to
   */
  peakMoment(from, to) {
    return Math.max(from * this.width, this.highestAt[this.topOf(from, to)] ?? 0);
  }

  /**
   * Columns like those of `data.cells` with what each cell has in a range; each is made when it is first asked for.
   * @param {number} from @param {number} to @returns {Cells}
   */
  cellsIn(from, to) {
    const cells = /** @type {Cells} */ ({});
    for (const name of /** @type {const} */ (['node', 'thread', 'allocator']))
      defineLazily(cells, name, () => this.cells[name]);
    for (const metric of METRICS) {
      /** @type {Sums | null} */
      let amounts = null;
      const sums = () => (amounts ??= this.sumByCell(metric, from, to));
      for (const measure of MEASURES) defineLazily(cells, `${metric}_${measure}`, () => sums()[measure]);
    }
    return cells;
  }

  /** @param {Metric} metric @param {number} from @param {number} to */
  sumByCell(metric, from, to) {
    const sums = emptyAmounts(this.cells.node.length);
    const { total, kept, temporary } = this.allocated;
    if (metric === 'total') {
      addRows(sums, total, from, to, 1);
    } else if (metric === 'leaked') {
      addRows(sums, kept, from, to, 1);
      addReleased(sums, this.released, from, to, -1, false);
    } else if (metric === 'temporary') {
      addRows(sums, temporary, from, to, 1);
      addReleased(sums, this.released, from, to, 1, true);
    } else {
      // All that came and went before the highest bin, and the changes within.
      const top = this.topOf(from, to);
      addRows(sums, kept, 0, top, 1);
      addRows(sums, this.released, 0, top, -1);
      addRows(sums, this.ended, 0, top, -1);
      addRows(sums, this.changed, top, top + 1, 1);
    }
    return sums;
  }

  /** By bin, the sums over all cells: by metric, and what was live at the bin's highest moment as `peak`. */
  get sums() {
    return (this.binSums ??= this.sumByBin());
  }

  /** @returns {Record<Metric, Sums>} */
  sumByBin() {
    const { total, kept, temporary } = this.allocated;
    const sums = {
      total: sumsByBin(total),
      leaked: sumsByBin(kept),
      temporary: sumsByBin(temporary),
      peak: sumsByBin(this.changed),
    };
    const [released, ended] = [sumsByBin(this.released), sumsByBin(this.ended)];
    for (const measure of MEASURES) {
      let live = 0;
      for (let b = 0; b < this.count; b++) {
        sums.peak[measure][b] += live;
        live += sums.leaked[measure][b] - released[measure][b] - ended[measure][b];
      }
    }
    return sums;
  }

  /**
   * The sums over all cells of a range, by metric, as the head of the page has them for the whole run.
   * @param {number} from @param {number} to @returns {Totals}
   */
  totalsIn(from, to) {
    const sumOf = (/** @type {Metric} */ metric) => {
      const sum = emptyAmounts(1);
      addRows(sum, { ...this.sums[metric], start: [from, to], cell: new Uint8Array(this.count) }, 0, 1, 1);
      return sum;
    };
    const [total, leaked, temporary] = [sumOf('total'), sumOf('leaked'), sumOf('temporary')];
    const { released } = this;
    const ofAll = { ...released, cell: new Uint8Array(released.cell.length) };
    addReleased(leaked, ofAll, from, to, -1, false);
    addReleased(temporary, ofAll, from, to, 1, true);
    const top = this.topOf(from, to);
    const at = (/** @type {Sums} */ { bytes, allocations }, row = 0) => ({
      bytes: bytes[row],
      allocations: allocations[row],
    });
    const peak = { ...at(this.sums.peak, top), at_s: this.peakMoment(from, to) };
    return { total: at(total), leaked: at(leaked), temporary: at(temporary), peak };
  }

  /**
   * Live bytes of groups of cells over the run: for each group an array with a value for each bin, at the bin's highest
   * moment. `groupOf` has the group of each cell, or -1; all groups together take one pass over the rows.
   * @param {Int32Array} groupOf @param {number} groups
   */
  liveSeries(groupOf, groups) {
    const { released, ended, changed, count } = this;
    const { kept } = this.allocated;
    const series = Array.from({ length: groups }, () => new Float64Array(count));
    const live = new Float64Array(groups);
    const add = (/** @type {Rows} */ { start, cell, bytes }, /** @type {number} */ b, /** @type {number} */ sign) => {
      for (let i = start[b]; i < start[b + 1]; i++) {
        const group = groupOf[cell[i]];
        if (group >= 0) live[group] += sign * bytes[i];
      }
    };
    for (let b = 0; b < count; b++) {
      for (let g = 0; g < groups; g++) series[g][b] = live[g];
      for (let i = changed.start[b]; i < changed.start[b + 1]; i++) {
        const group = groupOf[changed.cell[i]];
        if (group >= 0) series[group][b] += changed.bytes[i];
      }
      add(kept, b, 1);
      add(released, b, -1);
      add(ended, b, -1);
    }
    return series;
  }

  // ---- ranges as texts, in seconds ----

  /**
   * The bins of a text like `1.25-2.5`: {from, to}, or null for the whole run and for what is no range.
   * @param {string} text @returns {BinRange | null}
   */
  parse(text) {
    const found = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text);
    if (!found) return null;
    const at = (/** @type {string} */ seconds) =>
      Math.max(0, Math.min(this.count, Math.round(Number(seconds) / this.width)));
    const from = Math.min(at(found[1]), this.count - 1);
    const to = Math.max(at(found[2]), from + 1);
    return from === 0 && to === this.count ? null : { from, to };
  }

  /**
   * The text of a range; empty for the whole run.
   * @param {BinRange | null} range
   */
  format(range) {
    if (!range || (range.from === 0 && range.to === this.count)) return '';
    // A tenth of a bin distinguishes bins.
    const digits = Math.max(0, 1 - Math.floor(Math.log10(this.width)));
    const text = (/** @type {number} */ bin) => String(Number((bin * this.width).toFixed(Math.min(digits, 12))));
    return `${text(range.from)}-${text(range.to)}`;
  }
}

/**
 * The same tree with what was there in a range of bins.
 * @param {Model} model @param {TimeBins} bins @param {BinRange} range
 */
export function modelInRange(model, bins, { from, to }) {
  const cells = bins.cellsIn(from, to);
  // Everything else of the data stays as it is, unpacked or not.
  const ranged = { ...model, data: Object.create(model.data, { cells: { value: cells } }) };
  return withOwnValues(ranged, ownValues(ranged));
}
