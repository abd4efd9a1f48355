// Ranges of time: what the page computes for a range must be what the terminal says of it.
//
//   memprof flamegraph capture.bin -o page.html
//   MEMPROF=memprof MEMPROF_CAPTURE=capture.bin MEMPROF_PAGE=page.html npm test
//
// The page must have been made with bins, as those of short recordings are.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fragmentOf, launch, watch } from './browser.mjs';
import { readReport } from './page_data.mjs';

const { MEMPROF: memprof, MEMPROF_CAPTURE: capture, MEMPROF_PAGE: file } = process.env;
const options = { skip: file && memprof && capture ? false : 'MEMPROF, MEMPROF_CAPTURE or MEMPROF_PAGE is not set' };
const url = file ? pathToFileURL(resolve(file)).href : '';
const METRICS = ['peak', 'leaked', 'total', 'temporary'];
/** The last unit of the clock before a moment: less than two of its units, more than half of one. */
const JUST_BEFORE_S = 9e-9;

let browser;
let page;
let problems;
let bins;
let duration;

before(async () => {
  if (options.skip) return;
  const report = readReport(file);
  bins = report.bins;
  duration = report.header.duration_s;
  browser = await launch();
});

after(() => browser?.close());

beforeEach(async (context) => {
  if (options.skip) return;
  const browserContext = await browser.newContext({ viewport: { width: 1300, height: 800 }, acceptDownloads: true });
  page = await browserContext.newPage();
  problems = [];
  watch(page, problems);
  page.on('request', (request) => {
    if (!/^(data:|blob:|about:)/.test(request.url()) && request.url().split('#')[0] !== url) problems.push(request.url());
  });
  context.after(async () => {
    await browserContext.close();
    assert.deepEqual(problems, [], 'requests, errors or warnings');
  });
});

async function open(address = '') {
  await page.goto('about:blank');
  await page.goto(url + address);
  await page.waitForSelector('html[data-ready=yes]');
}

const rangeOf = async () => (await fragmentOf(page)).get('range');
const text = (selector) => page.locator(selector).textContent();

/** The first bin of the present range and the one behind its last. */
async function shownBins() {
  const range = await rangeOf();
  if (!range) return [0, bins.highest.length];
  return range.split('-').map((seconds) => Math.round(Number(seconds) / bins.width_s));
}

/** What the terminal says of these bins. */
function stats(from, to) {
  const exact = (seconds) => Math.max(0, seconds).toFixed(9);
  const args = ['stats', '--json', '--from', exact(from * bins.width_s), '--to', exact(to * bins.width_s - JUST_BEFORE_S), capture];
  const { totals } = JSON.parse(execFileSync(memprof, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  return {
    peak: [totals.peak_bytes, totals.peak_allocations],
    leaked: [totals.leaked_bytes, totals.leaked_allocations],
    total: [totals.bytes_allocated, totals.allocations],
    temporary: [totals.temporary_bytes, totals.temporary_allocations],
  };
}

/** The figures on the page: exact bytes from the stacks as exported, allocations as shown. */
async function figures() {
  const found = {};
  for (const metric of METRICS) {
    await page.locator(`[data-choice=metric][value=${metric}]`).check({ force: true });
    await page.locator('#export summary').click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('[data-export=collapsed]').click()]);
    const lines = readFileSync(await download.path(), 'utf8').trimEnd().split('\n').filter(Boolean);
    const bytes = lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    found[metric] = [bytes, Number((await text(`#${metric}-count`)).replace(/\D/g, ''))];
  }
  return found;
}

/** Where a moment is on the screen. */
async function placeOf(seconds) {
  const box = await page.locator('#timeline').boundingBox();
  const [left, right] = [66, 14];
  return { x: box.x + left + (seconds / duration) * (box.width - left - right), y: box.y + 50 };
}

async function drag(from, to) {
  const [a, b] = [await placeOf(from), await placeOf(to)];
  await page.mouse.move(a.x, a.y);
  await page.mouse.down();
  await page.mouse.move((a.x + b.x) / 2, a.y, { steps: 3 });
  await page.mouse.move(b.x, b.y, { steps: 3 });
  await page.mouse.up();
}

test('a range that is dragged has the figures that the terminal says', options, async () => {
  await open();
  const whole = await figures();
  assert.deepEqual(whole, stats(0, bins.highest.length));
  await drag(duration * 0.3, duration * 0.62);
  const [from, to] = await shownBins();
  assert.ok(Math.abs(from * bins.width_s - duration * 0.3) < duration * 0.01 && Math.abs(to * bins.width_s - duration * 0.62) < duration * 0.01, await rangeOf());
  assert.deepEqual(await figures(), stats(from, to));
  assert.notDeepEqual(await figures(), whole);
  const readout = await text('#range-readout');
  for (const part of ['peak ', 'allocated ', 'not freed by its end ']) assert.ok(readout.includes(part), readout);
  // Dragging to the left is as good; a click beside it shows everything.
  await drag(duration * 0.9, duration * 0.7);
  assert.deepEqual(await figures(), stats(...(await shownBins())));
  const beside = await placeOf(duration * 0.2);
  await page.mouse.click(beside.x, beside.y);
  assert.equal(await rangeOf(), null);
  assert.deepEqual(await figures(), whole);
});

test('links lead to any range', options, async () => {
  const count = bins.highest.length;
  for (const [from, to] of [[0, 1], [0, Math.ceil(count / 2)], [Math.floor(count / 3), Math.floor(count / 3) + 1], [Math.floor(count / 2), count], [count - 1, count]]) {
    await open(`#range=${from * bins.width_s}-${to * bins.width_s}`);
    assert.deepEqual(await shownBins(), [from, to]);
    assert.deepEqual(await figures(), stats(from, to), `bins ${from} to ${to} of ${count}`);
  }
  for (const nonsense of ['x', '3', '1e9-', `0-${count * bins.width_s}`]) {
    await open(`#range=${nonsense}`);
    assert.equal(await page.locator('#range-whole').isDisabled(), true, nonsense);
  }
});

test('a range is moved, and its handles too', options, async () => {
  await open();
  await drag(duration * 0.4, duration * 0.6);
  const [from, to] = await shownBins();
  await drag(duration * 0.5, duration * 0.6);
  const moved = await shownBins();
  assert.equal(moved[1] - moved[0], to - from, 'it keeps its length');
  assert.ok(moved[0] > from);
  await drag(moved[1] * bins.width_s, duration * 0.95);
  assert.equal((await shownBins())[0], moved[0]);
  assert.ok((await shownBins())[1] > moved[1]);
  await drag(moved[0] * bins.width_s, duration * 0.1);
  assert.ok((await shownBins())[0] < moved[0]);
  assert.deepEqual(await figures(), stats(...(await shownBins())));
});

test('the keyboard moves, resizes and clears it', options, async () => {
  await open();
  const count = bins.highest.length;
  const box = page.locator('#timeline-box');
  await box.focus();
  await page.keyboard.press('Home');
  const [begin, end] = await shownBins();
  assert.deepEqual([begin, end], [0, Math.ceil(count / 10)]);
  await page.keyboard.press('ArrowRight');
  const step = (await shownBins())[0];
  assert.ok(step > 0);
  assert.deepEqual(await shownBins(), [step, end + step]);
  await page.keyboard.press('Shift+ArrowRight');
  assert.deepEqual(await shownBins(), [step, end + 2 * step]);
  await page.keyboard.press('End');
  assert.deepEqual(await shownBins(), [count - end - step, count]);
  await page.keyboard.press('ArrowRight');
  assert.equal((await shownBins())[1], count, 'no further than the end');
  const handle = page.locator('#range-from');
  await handle.focus();
  await page.keyboard.press('ArrowLeft');
  assert.deepEqual(await shownBins(), [count - end - 2 * step, count]);
  assert.equal(await handle.getAttribute('role'), 'slider');
  const value = Number(await handle.getAttribute('aria-valuenow'));
  assert.ok(Math.abs(value - (await shownBins())[0] * bins.width_s) < 1e-9);
  assert.deepEqual(await figures(), stats(...(await shownBins())));
  await handle.focus();
  await page.keyboard.press('Escape');
  assert.equal(await rangeOf(), null);
});

test('buttons go to the peaks, and the back button back', options, async () => {
  await open();
  const before = await text('#peak-size');
  await page.locator('#range-heap').click();
  const [from, to] = await shownBins();
  assert.equal(to, from + 1);
  assert.equal(bins.highest[from], Math.max(...bins.highest));
  assert.equal(await text('#peak-size'), before, 'the peak of that moment is that of the run');
  assert.deepEqual(await figures(), stats(from, to));
  await page.locator('#range-rss').click();
  assert.equal((await shownBins())[1], (await shownBins())[0] + 1);
  await page.locator('#range-whole').click();
  assert.equal(await rangeOf(), null);
  await page.goBack();
  assert.ok(await rangeOf());
  assert.equal(await page.locator('#range-whole').isDisabled(), false);
});

test('other tabs show the range as well', options, async () => {
  await open('#tab=threads');
  const whole = await text('#sum');
  await drag(duration * 0.3, duration * 0.4);
  const [peak] = stats(...(await shownBins())).peak;
  const sum = await text('#sum');
  assert.notEqual(sum, whole);
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let [value, unit] = [peak, 0];
  while (value >= 1023.95 && unit < 3) [value, unit] = [value / 1024, unit + 1];
  assert.ok(sum.includes(`${unit ? value.toFixed(1) : value} ${units[unit]}`), `${sum} of ${peak}`);
});
