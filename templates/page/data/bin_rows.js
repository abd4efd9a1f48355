// Rows of bins: amounts of cells, those of the first bin first. Who sums up rows has what any range of bins has.

import { twiceAsLong } from './columns.js';

/** @import { Numbers } from './container.js' */

/** @typedef {{ bytes: Float64Array, allocations: Float64Array }} Sums */
/** @typedef {{ start: ArrayLike<number>, cell: ArrayLike<number>, bytes: Numbers, allocations: Numbers }} Rows */
/** @typedef {Rows & { since: Int32Array, temporary: Uint8Array }} ReleasedRows */

/**
 * Where the rows of each bin begin; one more number says where the last ones end.
 * @param {Numbers} rows
 */
export function startsOf(rows) {
  const start = new Int32Array(rows.length + 1);
  for (let b = 0; b < rows.length; b++) start[b + 1] = start[b] + rows[b];
  return start;
}

/**
 * Numbers that are stored as the difference to the one before in their bin.
 * @param {Numbers} steps @param {Int32Array} start
 */
export function fromSteps(steps, start) {
  const numbers = new Int32Array(steps.length);
  for (let b = 0; b + 1 < start.length; b++)
    for (let i = start[b], last = 0; i < start[b + 1]; i++) numbers[i] = last += steps[i];
  return numbers;
}

/**
 * Bytes and allocations of `count` things, all 0 at first.
 * @param {number} count
 */
export function emptyAmounts(count) {
  return { bytes: new Float64Array(count), allocations: new Float64Array(count) };
}

/**
 * Adds the rows of the bins `from` up to (not with) `to` to the amounts of their cells.
 * @param {Sums} sums @param {Rows} rows @param {number} from @param {number} to @param {number} sign
 */
export function addRows(sums, rows, from, to, sign) {
  const { start, cell } = rows;
  for (let i = start[from]; i < start[to]; i++) {
    sums.bytes[cell[i]] += sign * rows.bytes[i];
    sums.allocations[cell[i]] += sign * rows.allocations[i];
  }
}

/**
 * Likewise with rows of what was released, as far as it had been allocated in the same range.
 * @param {Sums} sums @param {ReleasedRows} rows @param {number} from @param {number} to @param {number} sign
 * @param {boolean} temporaryOnly
 */
export function addReleased(sums, rows, from, to, sign, temporaryOnly) {
  const { start, cell, since, temporary } = rows;
  for (let i = start[from]; i < start[to]; i++) {
    if (since[i] < from || (temporaryOnly && !temporary[i])) continue;
    sums.bytes[cell[i]] += sign * rows.bytes[i];
    sums.allocations[cell[i]] += sign * rows.allocations[i];
  }
}

/**
 * The sums of the rows of each bin.
 * @param {Rows} rows
 */
export function sumsByBin({ start, bytes, allocations }) {
  const sums = emptyAmounts(start.length - 1);
  for (let b = 0; b + 1 < start.length; b++) {
    for (let i = start[b]; i < start[b + 1]; i++) {
      sums.bytes[b] += bytes[i];
      sums.allocations[b] += allocations[i];
    }
  }
  return sums;
}

/** Rows of which nobody knows beforehand how many there are. */
export class GrowingRows {
  /** @param {number} bins */
  constructor(bins) {
    this.start = new Int32Array(bins + 1);
    this.count = 0;
    this.cell = new Int32Array(1024);
    this.bytes = new Float64Array(1024);
    this.allocations = new Float64Array(1024);
  }

  /** @param {number} cell @param {number} bytes @param {number} allocations */
  push(cell, bytes, allocations) {
    if (bytes === 0 && allocations === 0) return;
    if (this.count === this.cell.length) this.grow();
    this.cell[this.count] = cell;
    this.bytes[this.count] = bytes;
    this.allocations[this.count++] = allocations;
  }

  grow() {
    this.cell = twiceAsLong(this.cell);
    this.bytes = twiceAsLong(this.bytes);
    this.allocations = twiceAsLong(this.allocations);
  }

  /** @param {number} bin */
  endBin(bin) {
    this.start[bin + 1] = this.count;
  }

  /** @returns {Rows} */
  rows() {
    const { start, cell, bytes, allocations } = this;
    return { start, cell, bytes, allocations };
  }
}
