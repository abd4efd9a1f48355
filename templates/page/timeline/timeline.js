// The strip above the graph: heap and RSS over the run, with axes, and where the peak was.

import { cssColour, prepareCanvas } from '../common/dom.js';
import { formatBytes, formatSeconds, largest } from '../common/format.js';

/** @import { PageData, Series } from '../data/container.js' */

export const TIMELINE_MARGIN = { left: 66, right: 14, top: 18, bottom: 20 };

/**
 * A step of 1, 2 or 5 times a power of ten that cuts `span` into about `parts` parts.
 * @param {number} span @param {number} parts
 */
function decimalStep(span, parts) {
  const rough = span / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

/**
 * Sizes are counted in powers of two, so round steps are powers of two as well.
 * @param {number} span @param {number} parts
 */
function binaryStep(span, parts) {
  return 2 ** Math.max(0, Math.ceil(Math.log2(span / parts)));
}

/** @param {number} bytes */
function formatTick(bytes) {
  return bytes === 0 ? '0' : formatBytes(bytes).replace('.0 ', ' ');
}

/**
 * Index of the last sample at or before `time`, or -1.
 * @param {ArrayLike<number>} times @param {number} time
 */
function sampleAt(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class Timeline {
  /** @param {HTMLCanvasElement} canvas @param {HTMLElement} readout @param {PageData} data */
  constructor(canvas, readout, data) {
    this.canvas = canvas;
    this.readout = readout;
    this.heap = data.timeline.heap;
    this.rss = data.timeline.rss;
    this.peak = data.totals.peak;
    const last = (/** @type {Series} */ series) => (series.t.length ? series.t[series.t.length - 1] : 0);
    this.duration = Math.max(data.header.duration_s, last(this.heap), last(this.rss), 1e-6);
    this.top = Math.max(largest(this.heap.bytes), largest(this.rss.bytes), this.peak.bytes, 1) * 1.04;
    /** @type {number | null} */
    this.cursor = null;
    /**
     * What is chosen of the run, in seconds; null for all of it.
     * @type {{ from_s: number, to_s: number, peak: { bytes: number, at_s: number } } | null}
     */
    this.selection = null;
    this.plotWidth = 0;
    this.plotHeight = 0;
    canvas.addEventListener('pointermove', (event) => this.moveCursor(event.offsetX));
    canvas.addEventListener('pointerleave', () => this.moveCursor(null));
    canvas.setAttribute('aria-label', this.describe());
  }

  /** False where there is nothing to draw. */
  get exists() {
    return this.heap.t.length > 0 || this.rss.t.length > 0;
  }

  describe() {
    const rss = this.rss.t.length ? `, largest resident set ${formatBytes(largest(this.rss.bytes))}` : '';
    const peak = `heap peak ${formatBytes(this.peak.bytes)} at ${formatSeconds(this.peak.at_s || 0)}`;
    return `Heap and resident memory over ${formatSeconds(this.duration)}: ${peak}${rss}`;
  }

  /** @param {number} time */
  x(time) {
    return TIMELINE_MARGIN.left + (time / this.duration) * this.plotWidth;
  }

  /**
   * The moment at a place of the canvas, also beside the plot.
   * @param {number} x
   */
  timeAt(x) {
    const share = (x - TIMELINE_MARGIN.left) / this.plotWidth;
    return Math.max(0, Math.min(1, share)) * this.duration;
  }

  /** @param {number} bytes */
  y(bytes) {
    return TIMELINE_MARGIN.top + (1 - bytes / this.top) * this.plotHeight;
  }

  draw() {
    if (!this.exists) return;
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement ?? this.canvas;
    this.plotWidth = width - TIMELINE_MARGIN.left - TIMELINE_MARGIN.right;
    this.plotHeight = height - TIMELINE_MARGIN.top - TIMELINE_MARGIN.bottom;
    if (this.plotWidth < 40 || this.plotHeight < 10) return;
    const pen = prepareCanvas(this.canvas, width, height);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui, sans-serif';
    this.drawAxes(pen);
    this.drawHeap(pen);
    this.drawRss(pen);
    this.drawPeak(pen);
    this.drawSelection(pen);
    this.drawCursor(pen);
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawAxes(pen) {
    pen.strokeStyle = cssColour('--rule');
    pen.fillStyle = cssColour('--muted');
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    const step = binaryStep(this.top, Math.max(1, Math.floor(this.plotHeight / 15)));
    pen.beginPath();
    for (let bytes = 0; bytes <= this.top; bytes += step) {
      const y = Math.round(this.y(bytes)) + 0.5;
      pen.moveTo(TIMELINE_MARGIN.left, y);
      pen.lineTo(TIMELINE_MARGIN.left + this.plotWidth, y);
      pen.fillText(formatTick(bytes), TIMELINE_MARGIN.left - 6, y);
    }
    pen.stroke();
    pen.textAlign = 'center';
    pen.textBaseline = 'top';
    const seconds = decimalStep(this.duration, Math.max(2, Math.floor(this.plotWidth / 90)));
    const digits = Math.max(0, -Math.floor(Math.log10(seconds)));
    const floor = TIMELINE_MARGIN.top + this.plotHeight;
    for (let time = 0; time <= this.duration * 1.0001; time += seconds) {
      pen.fillText(
        `${time.toFixed(digits)} s`,
        Math.min(this.x(time), TIMELINE_MARGIN.left + this.plotWidth - 8),
        floor + 5,
      );
    }
  }

  /**
   * Calls `visit(x, first, low, high, last)` once per pixel that has samples, so that long runs cost no more than short
   * ones.
   * @param {Series} series @param {(x: number, first: number, low: number, high: number, last: number) => void} visit
   */
  eachPixel(series, visit) {
    let pixel = -1;
    let first = 0;
    let low = 0;
    let high = 0;
    let last = 0;
    for (let i = 0; i < series.t.length; i++) {
      const at = Math.round(this.x(series.t[i]));
      const bytes = series.bytes[i];
      if (at !== pixel) {
        if (pixel >= 0) visit(pixel, first, low, high, last);
        pixel = at;
        first = low = high = bytes;
      }
      if (bytes < low) low = bytes;
      if (bytes > high) high = bytes;
      last = bytes;
    }
    if (pixel >= 0) visit(pixel, first, low, high, last);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Series} series */
  tracePath(pen, series) {
    let started = false;
    this.eachPixel(series, (x, first, low, high, last) => {
      // From where it begins: a level that lasted until here must not look like a slope.
      if (started) pen.lineTo(x, this.y(first));
      else pen.moveTo(x, this.y(first));
      started = true;
      if (high > low) {
        pen.lineTo(x, this.y(low));
        pen.lineTo(x, this.y(high));
      }
      pen.lineTo(x, this.y(last));
    });
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawHeap(pen) {
    const { t } = this.heap;
    if (!t.length) return;
    pen.beginPath();
    this.tracePath(pen, this.heap);
    pen.strokeStyle = cssColour('--heap');
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.lineTo(this.x(t[t.length - 1]), this.y(0));
    pen.lineTo(this.x(t[0]), this.y(0));
    pen.closePath();
    pen.globalAlpha = 0.25;
    pen.fillStyle = cssColour('--heap');
    pen.fill();
    pen.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawRss(pen) {
    if (!this.rss.t.length) return;
    pen.beginPath();
    this.tracePath(pen, this.rss);
    pen.strokeStyle = cssColour('--rss');
    pen.lineWidth = 1.5;
    pen.setLineDash([6, 3]);
    pen.stroke();
    pen.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawPeak(pen) {
    const at = this.peak.at_s;
    if (!(this.peak.bytes > 0) || at === undefined || at === null) return;
    const x = this.x(at);
    const y = this.y(this.peak.bytes);
    pen.strokeStyle = pen.fillStyle = cssColour('--text');
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(Math.round(x) + 0.5, TIMELINE_MARGIN.top - 4);
    pen.lineTo(Math.round(x) + 0.5, TIMELINE_MARGIN.top + this.plotHeight);
    pen.stroke();
    pen.beginPath();
    pen.arc(x, y, 3.5, 0, 2 * Math.PI);
    pen.fill();
    const label = `heap peak ${formatBytes(this.peak.bytes)} at ${formatSeconds(at)}`;
    const half = pen.measureText(label).width / 2 + 2;
    const right = TIMELINE_MARGIN.left + this.plotWidth;
    pen.textAlign = 'center';
    pen.textBaseline = 'bottom';
    pen.fillText(label, Math.max(TIMELINE_MARGIN.left + half, Math.min(x, right - half)), TIMELINE_MARGIN.top - 4);
  }

  /**
   * What is not chosen fades; the peak of what is has a ring.
   * @param {CanvasRenderingContext2D} pen
   */
  drawSelection(pen) {
    if (!this.selection) return;
    const { from_s: from, to_s: to, peak } = this.selection;
    const right = TIMELINE_MARGIN.left + this.plotWidth;
    const [begin, end] = [this.x(from), Math.min(this.x(to), right)];
    pen.globalAlpha = 0.72;
    pen.fillStyle = cssColour('--ground');
    pen.fillRect(TIMELINE_MARGIN.left, TIMELINE_MARGIN.top, begin - TIMELINE_MARGIN.left, this.plotHeight);
    pen.fillRect(end, TIMELINE_MARGIN.top, right - end, this.plotHeight);
    pen.globalAlpha = 1;
    pen.strokeStyle = cssColour('--accent');
    pen.lineWidth = 1;
    pen.strokeRect(
      Math.round(begin) + 0.5,
      TIMELINE_MARGIN.top + 0.5,
      Math.max(1, Math.round(end - begin)),
      this.plotHeight - 1,
    );
    if (!(peak.bytes > 0)) return;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(this.x(peak.at_s), this.y(peak.bytes), 4, 0, 2 * Math.PI);
    pen.stroke();
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawCursor(pen) {
    if (this.cursor === null) return;
    pen.strokeStyle = cssColour('--muted');
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(Math.round(this.cursor) + 0.5, TIMELINE_MARGIN.top);
    pen.lineTo(Math.round(this.cursor) + 0.5, TIMELINE_MARGIN.top + this.plotHeight);
    pen.stroke();
  }

  /** @param {number | null} x */
  moveCursor(x) {
    const right = TIMELINE_MARGIN.left + this.plotWidth;
    this.cursor = x === null || x < TIMELINE_MARGIN.left || x > right ? null : x;
    if (this.cursor === null) {
      this.readout.textContent = '';
    } else {
      const time = ((this.cursor - TIMELINE_MARGIN.left) / this.plotWidth) * this.duration;
      const value = (/** @type {Series} */ series) => {
        const index = sampleAt(series.t, time);
        return index < 0 ? 'no sample' : formatBytes(series.bytes[index]);
      };
      this.readout.textContent = `at ${formatSeconds(time)}: heap ${value(this.heap)}, RSS ${value(this.rss)}`;
    }
    this.draw();
  }
}
