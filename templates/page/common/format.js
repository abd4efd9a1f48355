// Numbers as text.

/** @import { Measure } from '../data/metrics.js' */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** @param {number} bytes */
export function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  // 1023.96 KiB would read "1024.0 KiB": go to the next unit instead.
  if (unit > 0 && unit < UNITS.length - 1 && Math.abs(value) >= 1023.95) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** @param {number} count */
export function formatCount(count) {
  return count.toLocaleString('en-US');
}

/** @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * One decimal; a share that is there but rounds to nothing (or to everything) says so.
 * @param {number} part @param {number} whole
 */
export function formatPercent(part, whole) {
  if (!(whole > 0)) return '0 %';
  const percent = (100 * part) / whole;
  if (percent === 0) return '0 %';
  if (percent < 0.05) return '<0.1 %';
  if (percent === 100) return '100 %';
  if (percent > 99.9) return '>99.9 %';
  return `${percent.toFixed(1)} %`;
}

/** @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/** @param {number} value @param {Measure} measure */
export function formatMeasure(value, measure) {
  return measure === 'bytes' ? formatBytes(value) : formatCount(value);
}

/** @param {Iterable<number>} values */
export function largest(values) {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}
