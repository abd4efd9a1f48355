// Drives a flame graph page in Chromium and checks what a reader would see.
//
//   memprof flamegraph capture.bin -o page.html
//   MEMPROF_PAGE=page.html npm test
//
// The page must come from a capture with allocations and a call stack at least two frames deep.
// MEMPROF_CHROMIUM names the browser (default /usr/bin/chromium).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fragmentOf, hashOf, launch, watch } from './browser.mjs';
import { readReport } from './page_data.mjs';

const file = process.env.MEMPROF_PAGE;
const options = { skip: file ? false : 'MEMPROF_PAGE is not set' };
const url = file ? pathToFileURL(resolve(file)).href : '';
const ROW_HEIGHT = 20;

let browser;
let page;
let problems;
let requests;
let report;

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}

/** Own values of all stacks that contain a frame for which `matches` is true, each stack once. */
function unionOf(matches, column) {
  const { parent, frame } = report.nodes;
  const covered = [];
  let total = 0;
  for (let i = 0; i < parent.length; i++) {
    covered[i] = i > 0 && (covered[parent[i]] || matches(frame[i]));
    if (covered[i]) total += report.nodes[column][i];
  }
  return total;
}

async function open(fragment = '') {
  await page.goto('about:blank');
  await page.goto(url + fragment);
  await page.waitForSelector('html[data-ready=yes]');
}

const fragment = () => fragmentOf(page);
const text = (selector) => page.locator(selector).textContent();
const crumbs = () => page.locator('#breadcrumb li').count();
const checkedMetric = () => page.locator('[data-choice=metric]:checked').getAttribute('value');

/** Clicks into a row of the graph, near its left edge, where the largest frame is. */
async function clickRow(row) {
  const box = await page.locator('#canvas').boundingBox();
  await page.mouse.click(box.x + 3, box.y + row * ROW_HEIGHT + ROW_HEIGHT / 2);
}

before(async () => {
  if (!file) return;
  report = readReport(file);
  browser = await launch();
});

after(() => browser?.close());

beforeEach(async (context) => {
  if (!file) return;
  const browserContext = await browser.newContext({ viewport: { width: 1200, height: 800 }, acceptDownloads: true });
  page = await browserContext.newPage();
  problems = [];
  requests = [];
  watch(page, problems);
  page.on('request', (request) => {
    if (request.url() !== url.split('#')[0] && !request.url().startsWith('about:')) requests.push(request.url());
  });
  context.after(async () => {
    await browserContext.close();
    assert.deepEqual(problems, [], 'errors or warnings on the console');
  });
});

test('opens from a file without any request or error', options, async () => {
  await open();
  await page.waitForTimeout(500);
  assert.deepEqual(requests.filter((address) => !address.startsWith(url) && !address.startsWith('data:,')), []);
  assert.equal(await text('#command'), report.header.command_line);
  assert.match(await text('#facts'), new RegExp(`pid ${report.header.pid}`));
});

test('the numbers inside add up, and the page says so', options, async () => {
  await open();
  for (const metric of ['peak', 'leaked', 'total', 'temporary']) {
    assert.equal(sum(report.nodes[`${metric}_bytes`]), report.totals[metric].bytes, metric);
    assert.equal(sum(report.nodes[`${metric}_allocations`]), report.totals[metric].allocations, metric);
    for (const view of ['top-down', 'inverted']) {
      await open(`#metric=${metric}&view=${view}`);
      assert.match(await text('#sum'), /Sum drawn [\d.]+ \w+ = total\.$/, `${metric} ${view}`);
    }
  }
});

test('something is painted', options, async () => {
  await open();
  const colours = await page.evaluate(() => {
    const canvas = document.getElementById('canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 400) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    return seen.size;
  });
  assert.ok(colours > 2, `${colours} colours`);
});

test('a click zooms, the back button and Escape return', options, async () => {
  await open();
  assert.equal(await crumbs(), 1);
  await clickRow(1);
  assert.equal(await crumbs(), 2);
  const zoom = (await fragment()).get('zoom');
  assert.ok(zoom);
  assert.match(await text('#sum'), /= the zoomed frame/);
  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll('#breadcrumb li').length === 1);
  assert.equal((await fragment()).get('zoom'), null);
  await page.goForward();
  await page.waitForFunction(() => document.querySelectorAll('#breadcrumb li').length === 2);
  await page.keyboard.press('Escape');
  assert.equal(await crumbs(), 1);
  // The address alone brings the view back.
  await open(`#zoom=${zoom}`);
  assert.equal(await crumbs(), 2);
});

test('the keyboard walks over the frames and they are announced', options, async () => {
  await open();
  await page.locator('#graph').focus();
  await page.keyboard.press('ArrowDown');
  assert.match(await text('#live'), /^all, .*100 % of total bytes, level 1/);
  await page.keyboard.press('ArrowDown');
  const announced = await text('#live');
  assert.match(announced, /level 2/);
  const item = page.locator(`#${await page.locator('#graph').getAttribute('aria-activedescendant')}`);
  assert.equal(await item.textContent(), announced);
  assert.equal(await item.getAttribute('aria-level'), '2');
  assert.equal(await item.getAttribute('role'), 'treeitem');
  await page.keyboard.press('Enter');
  assert.equal(await crumbs(), 2);
  await page.keyboard.press('0');
  assert.equal(await crumbs(), 1);
  await page.keyboard.press('?');
  assert.equal(await page.locator('#help').evaluate((dialog) => dialog.open), true);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#help').evaluate((dialog) => dialog.open), false);
});

test('the frames in sight are mirrored as a tree for screen readers', options, async () => {
  await open('#metric=total');
  await page.waitForSelector('#mirror [role=treeitem]', { state: 'attached' });
  assert.equal(await page.locator('#graph').getAttribute('role'), 'tree');
  const items = await page.locator('#mirror [role=treeitem]').evaluateAll((all) =>
    all.map((item) => ({ level: Number(item.getAttribute('aria-level')), expanded: item.getAttribute('aria-expanded'), label: item.textContent })),
  );
  const frames = Number(/Drawn: ([\d,]+) frame/.exec(await text('#sum'))[1].replaceAll(',', ''));
  assert.ok(items.length > 2 && items.length <= 201 && items.length >= Math.min(100, frames / 2), `${items.length} of ${frames}`);
  assert.equal(items[0].level, 1);
  assert.match(items[0].label, /^all, /);
  items.forEach(({ level, label }, i) => {
    // A walk down each branch goes down one level at a time.
    if (i > 0 && items.length < 200) assert.ok(level <= items[i - 1].level + 1, label);
    const next = items[i + 1];
    if (next && next.level > level) assert.equal(items[i].expanded, 'true', label);
  });
});

test('a sandwich shows the callers and callees of a function', options, async () => {
  await open();
  await page.locator('#graph').focus();
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'w']) await page.keyboard.press(key);
  assert.equal((await fragment()).get('view'), 'sandwich');
  const name = await text('#breadcrumb [aria-current]');
  assert.ok(!['all', ''].includes(name));
  assert.match(await text('#sum'), /Callees ([\d.]+ \w+), callers \1 = the function, [<>\d.]+ % of all\.$/);
  // Up to its caller, which then is the one in the middle; the way back is there.
  await page.locator('#graph').focus();
  await page.keyboard.press('ArrowUp');
  const caller = await text('#live');
  assert.match(caller, /caller 1 above/);
  await page.keyboard.press('Enter');
  const second = await text('#breadcrumb [aria-current]');
  assert.ok(caller.startsWith(second), `${caller} ${second}`);
  await page.goBack();
  await page.waitForFunction((first) => document.querySelector('#breadcrumb [aria-current]').textContent === first, name);
  await open(`#${await fragment()}`);
  assert.equal(await text('#breadcrumb [aria-current]'), name);
  await page.keyboard.press('Escape');
  assert.equal((await fragment()).get('view'), null);
  // Without a word of which, it is the function that allocated most by itself.
  await open('#view=sandwich');
  assert.match(await text('#sum'), /= the function/);
  await open('#view=sandwich&focus=zzzzzz');
  assert.match(await text('#sum'), /= the function/);
});

test('search counts each stack once and walks over the matches', options, async () => {
  await open();
  // The name of the visible frame with the most own bytes: there is at least one.
  const { nodes, frames, strings } = report;
  const bit = report.header.native_stacks ? { hybrid: report.show_runtime ? 2 : 1, python: 4, native: 8 }[report.view] : 1;
  // Import machinery is hidden: of views with Python's frames, such bits are four further up.
  const hidden = (frame) => !(frames.shown[frame] & (bit === 8 || report.show_imports ? bit : bit << 4));
  const own = nodes.peak_bytes.map((bytes, node) => (hidden(nodes.frame[node]) ? 0 : bytes));
  const largest = own.indexOf(own.reduce((a, b) => Math.max(a, b), 0));
  const name = strings[frames.function[nodes.frame[largest]]];
  const pattern = `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} `;
  const flags = /[A-Z]/.test(pattern) ? '' : 'i';
  const matches = (frame) => !hidden(frame) && new RegExp(pattern, flags).test(`${strings[frames.function[frame]]} `);
  const expected = unionOf(matches, 'peak_allocations');
  await page.keyboard.press('/');
  await page.keyboard.type(pattern);
  // The page searches by itself when nothing has been typed for a moment, which may be before all of it is.
  await page.waitForFunction(
    (whole) => new URLSearchParams(location.hash.slice(1)).get('search') === whole
      && document.getElementById('matches').textContent.includes('%'),
    pattern,
  );
  const found = await text('#matches');
  assert.ok(found.includes(`${expected.toLocaleString('en-US')} allocation`), `${found} should say ${expected}`);
  await page.keyboard.press('Enter');
  assert.match(await text('#matches'), /1 of \d/);
  assert.ok((await text('#live')).startsWith(name), await text('#live'));
  await page.keyboard.press('n');
  await page.keyboard.press('p');
  // A broken pattern is explained, not thrown.
  await page.keyboard.press('/');
  await page.keyboard.type('(');
  await page.waitForSelector('#search[aria-invalid=true]');
  assert.notEqual(await text('#matches'), '');
  await page.keyboard.press('Escape');
  assert.equal((await fragment()).get('search'), null);
});

test('metric, measure and view change the graph and the address', options, async () => {
  await open('#metric=peak');
  await page.locator('label:has([value=total])').click();
  assert.equal(await checkedMetric(), 'total');
  assert.match(await hashOf(page), report.metric === 'total' ? /^$/ : /metric=total/);
  await page.locator('label:has([value=allocations])').click();
  assert.ok((await text('#sum')).includes(`${report.totals.total.allocations.toLocaleString('en-US')} allocations = total`));
  await page.locator('[data-choice=view]').selectOption('inverted');
  assert.equal((await fragment()).get('view'), 'inverted');
  await open(await hashOf(page));
  assert.equal(await checkedMetric(), 'total');
  assert.equal(await page.locator('[data-choice=view]').inputValue(), 'inverted');
  assert.match(await text('#sum'), /= total\.$/);
});

test('unknown values in the address do no harm', options, async () => {
  await open('#metric=nonsense&zoom=zz.~5-1.!!&view=&draw=flame&what=ever');
  assert.equal(await checkedMetric(), report.metric);
  assert.equal(await page.locator('[data-choice=draw]').inputValue(), 'flame');
});

test('exports are complete', options, async () => {
  await open('#imports=shown');
  const save = async (format) => {
    await page.locator('#export summary').click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator(`[data-export=${format}]`).click()]);
    return readFileSync(await download.path(), 'utf8');
  };
  const collapsed = (await save('collapsed')).trimEnd().split('\n');
  assert.equal(sum(collapsed.map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)))), report.totals[report.metric].bytes);
  const svg = await save('svg');
  assert.ok(svg.startsWith('<svg ') && svg.trimEnd().endsWith('</svg>'));
  const parsed = await page.evaluate((source) => new DOMParser().parseFromString(source, 'image/svg+xml').querySelector('parsererror') === null, svg);
  assert.ok(parsed, 'the SVG is well formed');
  assert.match((await save('csv')).split('\n')[0], /^depth,function,file,line,bytes/);
});

for (const colorScheme of ['light', 'dark']) {
  test(`${colorScheme} theme follows the system, and the button changes it`, options, async () => {
    await page.emulateMedia({ colorScheme });
    await open();
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await ground();
    await page.locator('#theme').click();
    assert.notEqual(await ground(), before);
  });
}

test('works 500 pixels wide', options, async () => {
  await page.setViewportSize({ width: 500, height: 900 });
  await open();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling');
  assert.ok((await page.locator('#canvas').boundingBox()).width > 450);
});
