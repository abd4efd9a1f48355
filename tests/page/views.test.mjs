// Drives the switch between hybrid, Python and native frames in Chromium.
//
//   memprof run -o capture.bin program.py     (a Python program; native stacks are recorded by default)
//   memprof flamegraph capture.bin -o page.html
//   MEMPROF_PAGE=page.html npm test
//
// The program should be a small one: whole exports are read.
//
// With a page of a capture without native stacks, the tests make sure that there is no switch.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fragmentOf, hashOf, launch, watch } from './browser.mjs';
import { readReport } from './page_data.mjs';

const file = process.env.MEMPROF_PAGE;
const url = file ? pathToFileURL(resolve(file)).href : '';
const report = file ? readReport(file) : null;
const skipUnless = (possible, reason) => ({ skip: !file ? 'MEMPROF_PAGE is not set' : possible ? false : reason });
const withNative = skipUnless(report?.header.native_stacks, 'the capture has no native stacks');
const withoutNative = skipUnless(report && !report.header.native_stacks, 'the capture has native stacks');
const KINDS = { python: [0], native: [1, 2, 4], runtime: [2] };
const BITS = { hybrid: 1, runtime: 2, python: 4, native: 8 };

let browser;
let page;
const problems = [];

async function open(fragment = '') {
  await page.goto('about:blank');
  await page.goto(url + fragment);
  await page.waitForSelector('html[data-ready=yes]');
}

const fragment = () => fragmentOf(page);
const text = (selector) => page.locator(selector).textContent();
const isShown = (selector) => page.locator(selector).isVisible();
const checked = () => page.locator('[data-choice=frames]:checked').getAttribute('value');

/** Every stack with its bytes, as the page exports it. */
async function collapsed() {
  await page.locator('#export summary').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('[data-export=collapsed]').click()]);
  const lines = readFileSync(await download.path(), 'utf8').trimEnd().split('\n');
  return lines.map((line) => ({ names: line.slice(0, line.lastIndexOf(' ')).split(';'), bytes: Number(line.slice(line.lastIndexOf(' ') + 1)) }));
}

/** A frame as the export names it. */
function nameOf(frame) {
  const { frames, strings } = report;
  const path = strings[frames.file[frame]];
  const place = path ? ` (${path}${frames.line[frame] > 0 ? `:${frames.line[frame]}` : ''})` : '';
  return (strings[frames.function[frame]] + place).replace(/;/g, ',').replace(/[\r\n]+/g, ' ');
}

/** A frame of these kinds that something at the peak was allocated below, the largest of them; its index. */
function largestOf(kinds) {
  const { parent, frame, peak_bytes: own } = report.nodes;
  const sums = [...own];
  for (let i = parent.length - 1; i > 0; i--) sums[parent[i]] += sums[i];
  let largest = -1;
  for (let i = 1; i < parent.length; i++) {
    if (kinds.includes(report.frames.kind[frame[i]]) && sums[i] > 0 && (largest < 0 || sums[i] > sums[largest])) largest = i;
  }
  return largest < 0 ? -1 : frame[largest];
}

/** A pattern that finds this function in the search box. */
const patternOf = (frame) => `^${report.strings[report.frames.function[frame]].replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} `;

before(async () => {
  if (!file) return;
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1200, height: 800 }, acceptDownloads: true })).newPage();
  watch(page, problems);
});

after(async () => {
  await browser?.close();
  assert.deepEqual(problems, [], 'errors or warnings on the console');
});

test('nothing disappears in any view', withNative, async () => {
  for (const frames of ['hybrid', 'python', 'native']) {
    for (const runtime of ['hidden', 'shown']) {
      for (const metric of ['peak', 'leaked', 'total', 'temporary']) {
        for (const view of ['top-down', 'inverted']) {
          await open(`#frames=${frames}&runtime=${runtime}&metric=${metric}&view=${view}`);
          if (report.totals[metric].bytes === 0) continue;
          assert.match(await text('#sum'), /Sum drawn [\d.]+ \w+ = total\.$/, `${frames} ${runtime} ${metric} ${view}`);
        }
      }
    }
  }
});

test('each view shows its frames and no others', withNative, async () => {
  for (const [name, bit] of Object.entries(BITS)) {
    const allowed = new Set(['all']);
    report.frames.shown.forEach((shown, frame) => shown & bit && allowed.add(nameOf(frame)));
    await open(`#metric=total&imports=shown&${name === 'runtime' ? 'runtime=shown&frames=hybrid' : `runtime=hidden&frames=${name}`}`);
    const stacks = await collapsed();
    assert.equal(stacks.reduce((sum, { bytes }) => sum + bytes, 0), report.totals.total.bytes, name);
    for (const { names } of stacks) for (const frame of names) assert.ok(allowed.has(frame), `${frame} in the view ${name}`);
    assert.ok(stacks.every(({ names }) => names[0] !== 'all'), `${name}: every stack has something to show`);
  }
});

test('the switch changes the graph and the address, and keys do', withNative, async () => {
  await open('#frames=hybrid');
  assert.ok(await isShown('#frames-choice'));
  const found = await text('#sum');
  await page.locator('#frames-choice label:has([value=native])').click();
  assert.equal(await checked(), 'native');
  assert.notEqual(await text('#sum'), found);
  const address = await hashOf(page);
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('[data-choice=frames]:checked').value === 'hybrid');
  await open(address);
  assert.equal(await checked(), 'native');
  await page.keyboard.press('v');
  assert.equal(await checked(), 'hybrid');
  await page.keyboard.press('v');
  assert.equal(await checked(), 'python');
  assert.equal((await fragment()).get('frames'), 'python');
});

test('the runtime is hidden with a count, and can be shown', withNative, async () => {
  const frame = largestOf(KINDS.runtime);
  assert.ok(frame >= 0, 'the capture has frames of the runtime');
  await open('#frames=hybrid&runtime=hidden');
  assert.match(await text('#runtime-count'), /^\([\d,]+ frames? hidden\)$/);
  await page.keyboard.press('/');
  await page.keyboard.type(patternOf(frame));
  await page.keyboard.press('Enter');
  assert.equal(await text('#matches'), 'no match');
  await page.locator('#runtime-choice').click();
  assert.equal((await fragment()).get('runtime'), report.show_runtime ? null : 'shown');
  assert.match(await text('#runtime-count'), /frames?\)$/);
  assert.match(await text('#matches'), /%$/);
  await page.locator('#graph').focus();
  await page.keyboard.press('r');
  assert.equal(await text('#matches'), 'no match');
  // The native view folds nothing, and the Python view has none of these frames.
  for (const frames of ['python', 'native']) {
    await open(`#frames=${frames}`);
    assert.ok(!(await isShown('#runtime-choice')), frames);
    assert.equal(await isShown('#imports-choice'), frames === 'python');
  }
});

test('searches find what the view has, each place once', withNative, async () => {
  for (const kind of ['python', 'native']) {
    const frame = largestOf(kind === 'native' ? [1] : [0]);
    if (frame < 0) continue;
    for (const frames of ['hybrid', 'python', 'native']) {
      await open(`#imports=shown&frames=${frames}&search=${encodeURIComponent(patternOf(frame))}`);
      const found = await text('#matches');
      if (frames === kind || frames === 'hybrid') assert.match(found, /%$/, `${kind} in ${frames}`);
      else assert.equal(found, 'no match', `${kind} in ${frames}`);
    }
  }
  await open('#frames=python&imports=shown&search=.');
  const places = Number(/([\d,]+) places?:/.exec(await text('#matches'))[1].replaceAll(',', ''));
  const first = new Set((await collapsed()).map(({ names }) => names[0]));
  assert.equal(places, first.size, 'the outermost frames of the view');
});

test('the zoom goes along into another view', withNative, async () => {
  const frame = largestOf([1]);
  await open(`#frames=hybrid&search=${encodeURIComponent(patternOf(frame))}`);
  await page.locator('#next').click();
  await page.locator('#graph').focus();
  await page.keyboard.press('Enter');
  const name = () => text('#breadcrumb [aria-current]');
  const inHybrid = await name();
  assert.notEqual(inHybrid, 'all');
  await page.keyboard.press('v');
  assert.equal(await checked(), 'python');
  await page.keyboard.press('v');
  assert.equal(await checked(), 'native');
  await page.goBack();
  await page.goBack();
  await page.waitForFunction((expected) => document.querySelector('#breadcrumb [aria-current]').textContent === expected, inHybrid);
  await open(await hashOf(page));
  assert.equal(await name(), inHybrid);
  await page.locator('#frames-choice label:has([value=native])').click();
  assert.equal(await name(), inHybrid, 'a native frame is in both');
});

test('the tooltip names the module', withNative, async () => {
  const { frames, strings } = report;
  const frame = frames.module.findIndex((module, i) => module >= 0 && module !== frames.file[i] && frames.kind[i] === 1);
  if (frame < 0) return;
  await open(`#frames=native&metric=total&search=${encodeURIComponent(patternOf(frame))}`);
  await page.locator('#next').click();
  const tooltip = await text('#tooltip');
  assert.ok(frames.module.some((module) => module >= 0 && tooltip.includes(`in ${strings[module]}`)), tooltip);
});

test('without native stacks there is no switch', withoutNative, async () => {
  await open('#frames=native&runtime=shown&imports=shown');
  assert.ok(!(await isShown('#frames-choice')) && !(await isShown('#runtime-choice')));
  assert.match(await text('#sum'), /= total\.$/);
  assert.ok(!(await collapsed()).some(({ names }) => names[0] === 'all'));
  await page.keyboard.press('v');
  await page.keyboard.press('r');
  assert.equal((await fragment()).get('frames') ?? 'native', 'native');
});
