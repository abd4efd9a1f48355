// Choosing a range of time on the timeline: by dragging, by its two handles, and by the keyboard.

import { byId } from '../common/dom.js';
import { formatBytes, largest, plural } from '../common/format.js';
import { TIMELINE_MARGIN } from './timeline.js';

/** @import { Amount, Totals } from '../data/container.js' */
/** @import { BinRange, TimeBins } from '../data/time_bins.js' */
/** @import { Shortcut } from '../help.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Timeline } from './timeline.js' */

/** @typedef {'from' | 'to'} End of a range */

/** @type {Shortcut<unknown>[]} */
export const RANGE_KEYS = [
  {
    shown: ['drag'],
    help: 'show a part of the run; drag the part to move it, its handles to resize it; click beside it for all of it',
  },
  { shown: ['←', '→', 'Shift'], help: 'move the part, or with Shift its end' },
  { shown: ['Home', 'End', 'Esc'], help: 'the part at an end of the run; the whole run' },
];

/** @type {End[]} */
const ENDS = ['from', 'to'];

/** A pointer that moved by less has clicked. */
const CLICK_DISTANCE = 4;

/** When the page takes longer than this to show a range, it waits for the end of the drag. */
const FLUID_MS = 60;

export class RangeControl {
  /** @param {ReportPage} page @param {TimeBins} bins @param {Timeline} timeline */
  constructor(page, bins, timeline) {
    this.page = page;
    this.bins = bins;
    this.timeline = timeline;
    this.box = byId('timeline-box');
    this.handles = { from: byId('range-from'), to: byId('range-to') };
    /** How many milliseconds the page took to show the last range. */
    this.cost = 0;
    /**
     * The range while it is being dragged.
     * @type {BinRange | null}
     */
    this.dragged = null;
    this.scheduled = 0;
    this.box.classList.add('selects');
    this.box.tabIndex = 0;
    this.box.setAttribute('role', 'group');
    this.box.setAttribute(
      'aria-label',
      'Range of time. Arrow keys move it, with Shift its end; Home and End go to the ends of the run; ' +
        'Escape shows the whole run.',
    );
    this.setUpHandles();
    this.listen();
  }

  /**
   * The bins that are shown, the whole run too.
   * @returns {BinRange}
   */
  get range() {
    return this.dragged ?? this.page.range ?? { from: 0, to: this.bins.count };
  }

  get isWhole() {
    return this.range.from === 0 && this.range.to === this.bins.count;
  }

  /**
   * The end of a bin or the run, in seconds: the last bin may extend past the run.
   * @param {number} bin
   */
  seconds(bin) {
    return Math.min(bin * this.bins.width, this.timeline.duration);
  }

  // ---- what is shown ----

  setUpHandles() {
    const labels = { from: 'Beginning of the range', to: 'End of the range' };
    for (const end of ENDS) {
      const handle = this.handles[end];
      handle.hidden = false;
      handle.tabIndex = 0;
      handle.setAttribute('role', 'slider');
      handle.setAttribute('aria-label', labels[end]);
    }
    byId('range-rss').hidden = !this.timeline.rss.t.length;
  }

  /** Shows what the page shows. */
  show() {
    const { bins, timeline, range } = this;
    const totals = this.isWhole ? null : bins.totalsIn(range.from, range.to);
    timeline.selection = totals && {
      from_s: this.seconds(range.from),
      to_s: this.seconds(range.to),
      peak: { bytes: bins.highest[bins.topOf(range.from, range.to)], at_s: totals.peak.at_s },
    };
    timeline.draw();
    for (const end of ENDS) {
      const handle = this.handles[end];
      handle.setAttribute('aria-valuemin', '0');
      handle.setAttribute('aria-valuemax', String(this.seconds(bins.count)));
      handle.setAttribute('aria-valuenow', String(this.seconds(range[end])));
      handle.setAttribute('aria-valuetext', formatMoment(this.seconds(range[end]), bins.width));
    }
    this.place();
    /** @type {HTMLButtonElement} */ (byId('range-whole')).disabled = this.isWhole;
    const readout = byId('range-readout');
    const step = formatStep(bins.width);
    readout.title = totals
      ? this.describe(totals)
      : `Drag over the timeline to see a part of the run, in steps of ${step}.`;
    readout.textContent = readout.title;
  }

  /** @param {Totals} totals */
  describe(totals) {
    const { range, bins } = this;
    const amount = (/** @type {Amount} */ { bytes, allocations }) =>
      `${formatBytes(bytes)} in ${plural(allocations, 'allocation')}`;
    const moment = (/** @type {number} */ seconds) => formatMoment(seconds, bins.width);
    const top = bins.highest[bins.topOf(range.from, range.to)];
    return [
      `${moment(this.seconds(range.from))} to ${moment(this.seconds(range.to))}: peak ${formatBytes(top)}`,
      ` at ${moment(totals.peak.at_s)}, allocated ${amount(totals.total)}`,
      `, not freed by its end ${amount(totals.leaked)}`,
    ].join('');
  }

  /** Puts the handles where the ends of the range are. */
  place() {
    const { timeline } = this;
    for (const end of ENDS) {
      const handle = this.handles[end];
      handle.style.left = `${timeline.x(this.seconds(this.range[end]))}px`;
      handle.style.top = `${TIMELINE_MARGIN.top}px`;
      handle.style.height = `${timeline.plotHeight}px`;
    }
  }

  // ---- choosing ----

  /**
   * Makes these bins the range, as far as there are such.
   * @param {BinRange} range @param {{ push?: boolean }} [options]
   */
  choose({ from, to }, options) {
    this.page.choose({ range: this.bins.format({ from, to }) }, options);
  }

  /**
   * A range while it is being dragged: the page follows if it can do so fluidly.
   * @param {BinRange} range
   */
  drag(range) {
    this.dragged = range;
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      if (!this.dragged) return;
      if (this.cost > FLUID_MS) {
        this.show();
        return;
      }
      const start = performance.now();
      this.page.preview({ range: this.bins.format(this.dragged) });
      this.cost = performance.now() - start;
    });
  }

  drop() {
    const range = this.dragged;
    this.dragged = null;
    this.cost = 0;
    if (range) this.choose(range);
  }

  /**
   * The bin at a place of the canvas, and the end of a bin that is nearest.
   * @param {number} x
   */
  binAt(x) {
    return Math.min(this.bins.count - 1, Math.floor(this.timeline.timeAt(x) / this.bins.width));
  }

  /** @param {number} x */
  edgeAt(x) {
    return Math.min(this.bins.count, Math.round(this.timeline.timeAt(x) / this.bins.width));
  }

  /**
   * All bins between two places, and those in which they are.
   * @param {number} x @param {number} other
   */
  between(x, other) {
    const [a, b] = [this.binAt(Math.min(x, other)), this.binAt(Math.max(x, other))];
    return { from: a, to: b + 1 };
  }

  /**
   * Moved by `by` bins, as far as the run goes.
   * @param {BinRange} range @param {number} by
   */
  moved({ from, to }, by) {
    const step = Math.max(-from, Math.min(this.bins.count - to, by));
    return { from: from + step, to: to + step };
  }

  /**
   * With one end elsewhere; one bin stays at least.
   * @param {BinRange} range @param {End} end @param {number} bin
   */
  resized({ from, to }, end, bin) {
    if (end === 'from') return { from: Math.max(0, Math.min(bin, to - 1)), to };
    return { from, to: Math.min(this.bins.count, Math.max(bin, from + 1)) };
  }

  /** @param {number} x */
  isInside(x) {
    const { timeline, range } = this;
    return !this.isWhole && x >= timeline.x(this.seconds(range.from)) && x <= timeline.x(this.seconds(range.to));
  }

  /**
   * The bin at a moment alone.
   * @param {number} seconds
   */
  goTo(seconds) {
    const from = Math.min(this.bins.count - 1, Math.floor(seconds / this.bins.width));
    this.choose({ from, to: from + 1 });
  }

  // ---- events ----

  listen() {
    const { canvas } = this.timeline;
    this.followPointer(canvas, (x) => {
      const begun = this.range;
      if (!this.isInside(x)) return (to) => this.between(x, to);
      return (to) => this.moved(begun, this.edgeAt(to) - this.edgeAt(x));
    });
    for (const end of ENDS) {
      const handle = this.handles[end];
      this.followPointer(handle, () => {
        const begun = this.range;
        return (to) => this.resized(begun, end, this.edgeAt(to));
      });
      handle.addEventListener('keydown', (event) => this.handleKey(event, end));
    }
    canvas.addEventListener('pointermove', (event) => canvas.classList.toggle('inside', this.isInside(event.offsetX)));
    this.box.addEventListener('keydown', (event) => this.boxKey(event));
    byId('range-whole').addEventListener('click', () => this.choose({ from: 0, to: this.bins.count }));
    byId('range-heap').addEventListener('click', () => {
      const top = this.bins.topOf(0, this.bins.count);
      this.choose({ from: top, to: top + 1 });
    });
    byId('range-rss').addEventListener('click', () => {
      const { t, bytes } = this.timeline.rss;
      this.goTo(t[bytes.indexOf(largest(bytes))]);
    });
    new ResizeObserver(() => this.place()).observe(this.box);
  }

  /**
   * `begin(x)` answers what a drag from there to another place chooses.
   * @param {HTMLElement} element @param {(x: number) => (to: number) => BinRange} begin
   */
  followPointer(element, begin) {
    const placeOf = (/** @type {PointerEvent} */ event) => event.clientX - this.box.getBoundingClientRect().left;
    /** @type {{ x: number, choose: (to: number) => BinRange, moved: boolean } | null} */
    let drag = null;
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      drag = { x: placeOf(event), choose: begin(placeOf(event)), moved: false };
    });
    element.addEventListener('pointermove', (event) => {
      if (!drag) return;
      const x = placeOf(event);
      drag.moved ||= Math.abs(x - drag.x) >= CLICK_DISTANCE;
      if (drag.moved) this.drag(drag.choose(x));
    });
    element.addEventListener('pointerup', (event) => {
      if (drag?.moved) {
        this.dragged = drag.choose(placeOf(event));
        this.drop();
      } else if (drag && element === this.timeline.canvas && !this.isInside(drag.x)) {
        this.choose({ from: 0, to: this.bins.count });
      }
      drag = null;
    });
    // The browser takes the pointer for scrolling, say: as if nothing had been.
    element.addEventListener('pointercancel', () => {
      drag = null;
      if (this.dragged) {
        this.dragged = null;
        this.page.apply();
      }
    });
  }

  /**
   * A hundredth of the run, or the tenfold.
   * @param {KeyboardEvent} event
   */
  stepOf(event) {
    const step = Math.max(1, Math.round(this.bins.count / 100));
    /** @type {Record<string, number | undefined>} */
    const steps = {
      ArrowLeft: -step,
      ArrowRight: step,
      ArrowDown: -step,
      ArrowUp: step,
      PageDown: -10 * step,
      PageUp: 10 * step,
    };
    return steps[event.key];
  }

  /** @param {KeyboardEvent} event @param {End} end */
  handleKey(event, end) {
    const by = this.stepOf(event);
    if (event.key === 'Home') this.take(event, this.resized(this.range, end, 0));
    else if (event.key === 'End') this.take(event, this.resized(this.range, end, this.bins.count));
    else if (by !== undefined) this.take(event, this.resized(this.range, end, this.range[end] + by));
  }

  /** @param {KeyboardEvent} event */
  boxKey(event) {
    if (event.target !== this.box && event.key !== 'Escape') return;
    const { count } = this.bins;
    const { range } = this;
    const by = this.stepOf(event);
    const length = this.isWhole ? Math.ceil(count / 10) : range.to - range.from;
    if (event.key === 'Escape') {
      if (!this.isWhole) this.take(event, { from: 0, to: count });
    } else if (event.key === 'Home' || (this.isWhole && by !== undefined && by > 0))
      this.take(event, { from: 0, to: length });
    else if (event.key === 'End' || (this.isWhole && by !== undefined && by < 0))
      this.take(event, { from: count - length, to: count });
    else if (by !== undefined)
      this.take(event, event.shiftKey ? this.resized(range, 'to', range.to + by) : this.moved(range, by));
  }

  /**
   * What a key chooses. It means nothing else.
   * @param {KeyboardEvent} event @param {BinRange} range
   */
  take(event, range) {
    event.preventDefault();
    event.stopPropagation();
    this.choose(range, { push: false });
  }
}

/**
 * A moment with as many digits as distinguish bins of this width.
 * @param {number} seconds @param {number} width
 */
function formatMoment(seconds, width) {
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(width))));
  return `${seconds.toFixed(digits)} s`;
}

/**
 * The length of a bin, which may be far below a millisecond.
 * @param {number} seconds
 */
function formatStep(seconds) {
  const units = [
    { unit: 's', factor: 1 },
    { unit: 'ms', factor: 1e3 },
    { unit: 'µs', factor: 1e6 },
  ];
  const { unit, factor } = units.find((each) => seconds * each.factor >= 1) ?? { unit: 'ns', factor: 1e9 };
  return `${Number((seconds * factor).toPrecision(3))} ${unit}`;
}

/**
 * Instead of the controls, in a page without bins: how to get them.
 * @param {{hasTimeline: boolean, isAggregated: boolean}} page
 */
export function showWithoutRanges({ hasTimeline, isAggregated }) {
  for (const button of byId('range-controls').querySelectorAll('button')) button.hidden = true;
  byId('range-controls').hidden = !hasTimeline;
  byId('range-readout').textContent = isAggregated
    ? 'The capture is aggregated: it has the sums of the whole run, and no ranges of time.'
    : 'To choose ranges of time, make this page with --temporal and without --from and --to, or use “memprof report”.';
}
