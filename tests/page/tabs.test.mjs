// Drives the tabs of a report in Chromium.
//
//   memprof report capture.bin -o report.html
//   memprof stats --json capture.bin > stats.json
//   MEMPROF_REPORT=report.html MEMPROF_STATS=stats.json npm test
//
// MEMPROF_EMPTY_PAGE may name the report of a capture without allocations; `MEMPROF_PAGES=. cargo test -p
// memprof-reporter --test reports pages` writes one. The capture must be of a Python program whose script everybody may read.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { TABS } from '../../templates/page/tabs.js';
import { fragmentOf, launch, watch } from './browser.mjs';
import { readReport } from './page_data.mjs';

const file = process.env.MEMPROF_REPORT;
const options = { skip: file ? false : 'MEMPROF_REPORT is not set' };
const statsFile = process.env.MEMPROF_STATS;
const withStats = { skip: file && statsFile ? false : 'MEMPROF_REPORT or MEMPROF_STATS is not set' };
const emptyFile = process.env.MEMPROF_EMPTY_PAGE;
const url = file ? pathToFileURL(resolve(file)).href : '';
const NAMES = TABS.map(({ name }) => name);

let browser;
let page;
let problems;
let report;

const text = (selector) => page.locator(selector).textContent();
const fragment = () => fragmentOf(page);
const sum = (values) => values.reduce((a, b) => a + b, 0);
const count = (string) => Number(string.replaceAll(',', ''));
const openTab = () => page.locator('[role=tab][aria-selected=true]').getAttribute('data-tab');

async function open(address = '', of = url) {
  await page.goto('about:blank');
  await page.goto(of + address);
  await page.waitForSelector('html[data-ready=yes]');
}

async function save(format) {
  await page.locator('#export summary').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator(`[data-export=${format}]`).click()]);
  return readFileSync(await download.path(), 'utf8');
}

const saveRows = async () => JSON.parse(await save('json'));

before(async () => {
  if (file) report = readReport(file);
  browser = await launch();
});

after(() => browser.close());

beforeEach(async (context) => {
  const browserContext = await browser.newContext({ viewport: { width: 1400, height: 900 }, acceptDownloads: true });
  page = await browserContext.newPage();
  problems = [];
  watch(page, problems);
  page.on('request', (request) => {
    if (!/^(data:|blob:|about:)/.test(request.url()) && !request.isNavigationRequest()) problems.push(request.url());
  });
  context.after(async () => {
    await browserContext.close();
    assert.deepEqual(problems, [], 'requests, errors or warnings');
  });
});

test('a report opens on its overview; keys, clicks and arrows open the other tabs', options, async () => {
  await open();
  assert.equal(await openTab(), 'overview');
  for (const [index, name] of NAMES.entries()) {
    await page.keyboard.press(String(index + 1));
    assert.equal(await openTab(), name);
    assert.ok(await page.locator(`#panel-${name}`).isVisible());
    assert.equal(await page.locator('[role=tabpanel]:visible').count(), 1);
  }
  assert.equal((await fragment()).get('tab'), NAMES.at(-1));
  await page.goBack();
  await page.waitForFunction((name) => document.querySelector('[role=tab][aria-selected=true]').dataset.tab === name, NAMES.at(-2));
  await page.locator('#tab-lines').click();
  assert.equal(await openTab(), 'lines');
  await page.keyboard.press('ArrowRight');
  assert.equal(await openTab(), NAMES[NAMES.indexOf('lines') + 1]);
  await page.keyboard.press('End');
  assert.equal(await openTab(), NAMES.at(-1));
  await open('#tab=table');
  assert.equal(await openTab(), 'table');
});

test('the help lists the keys of the page and of every tab', options, async () => {
  await open();
  await page.keyboard.press('?');
  const rows = await page.locator('#help-keys tr').allInnerTexts();
  for (const { title, shortcuts = [] } of TABS) {
    assert.equal(rows.includes(title), shortcuts.length > 0, title);
    for (const { help, when } of shortcuts) assert.equal(rows.some((row) => row.includes(help)), !when, help);
  }
  const labels = TABS.map(({ label }) => label.toLowerCase()).join(', ');
  assert.deepEqual(rows[0].split(/\s*\t/), [NAMES.map((_, index) => index + 1).join(' '), labels]);
});

test('a tab has the controls that it heeds, and no others', options, async () => {
  for (const { name, controls } of TABS) {
    await open(`#tab=${name}`);
    const shown = await page.locator('[data-control]:visible').evaluateAll((all) => all.map((element) => element.dataset.control));
    // Some have nothing to choose in this page.
    for (const control of shown) assert.ok(controls.includes(control), `${name}: ${control}`);
    for (const control of ['metric', 'search', 'imports']) assert.equal(shown.includes(control), controls.includes(control), `${name}: ${control}`);
    assert.equal(await page.locator('.toolbar:visible').count(), [controls.length > 0, controls.includes('search')].filter(Boolean).length, name);
  }
});

test('each list of the overview adds up to its total', options, async () => {
  await open('#imports=shown');
  const lists = await saveRows();
  assert.deepEqual(lists.map(({ metric, measure }) => `${metric} ${measure}`), ['peak bytes', 'leaked bytes', 'total bytes', 'total allocations', 'temporary allocations']);
  const cards = page.locator('#panel-overview .card:has(.top-list)');
  assert.equal(await cards.count(), lists.filter(({ total }) => total > 0).length);
  for (const { metric, measure, total, rows } of lists) {
    assert.equal(total, report.totals[metric][measure], metric);
    assert.ok(sum(rows.map((row) => row[measure])) <= total);
  }
  // Counts are not rounded, so those that are listed and the others can be added up as they stand.
  const cells = await page.locator('.card', { hasText: 'Allocations' }).locator('.top-list tr td:first-child').allTextContents();
  const numbers = cells.map(count);
  assert.equal(sum(numbers.slice(0, -1)), numbers.at(-1));
  assert.equal(numbers.at(-1), report.totals.total.allocations);
});

test('lists and table have the places of memprof stats', withStats, async () => {
  const stats = JSON.parse(readFileSync(statsFile, 'utf8'));
  await open('#tab=table&by=line');
  const rows = await saveRows();
  assert.equal(sum(rows.map((row) => row.own_bytes)), stats.totals.peak_bytes);
  assert.ok(stats.top_by_peak_bytes.length > 1);
  for (const { function: name, file: path, line, bytes, allocations } of stats.top_by_peak_bytes) {
    const found = rows.find((row) => row.name === name && row.file === path && row.line === line);
    assert.deepEqual([found?.own_bytes, found?.own_allocations], [bytes, allocations], `${name} ${path}:${line}`);
  }
});

test('a row of the overview leads to its callers and callees, and back', options, async () => {
  await open();
  const row = page.locator('.top-list tbody tr', { hasText: '.py' }).first();
  const name = await row.locator('td:nth-child(3) span').first().textContent();
  await row.focus();
  await page.keyboard.press('Enter');
  assert.equal(await openTab(), 'flame');
  assert.equal((await fragment()).get('view'), 'sandwich');
  assert.equal(await page.locator('#breadcrumb [aria-current]').textContent(), name);
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('[role=tab][aria-selected=true]').dataset.tab === 'overview');
});

test('a row of the table leads to its stacks, whatever rows are by', options, async () => {
  for (const by of ['function', 'line', 'file', 'module']) {
    await open(`#tab=table&by=${by}`);
    await page.locator('#table .rows .row').first().click();
    assert.equal(await openTab(), 'flame', by);
    if (by === 'module') assert.match(await text('#matches'), /%$/);
    else assert.match(await text('#sum'), /=/);
  }
});

test('the table adds up in every grouping and for every metric', options, async () => {
  for (const metric of ['peak', 'leaked', 'total', 'temporary']) {
    for (const by of ['function', 'line', 'file', 'module']) {
      await open(`#tab=table&metric=${metric}&by=${by}`);
      const rows = await saveRows();
      assert.equal(sum(rows.map((row) => row.own_bytes)), report.totals[metric].bytes, `${metric} by ${by}`);
      assert.equal(sum(rows.map((row) => row.own_allocations)), report.totals[metric].allocations, `${metric} by ${by}`);
      assert.ok(rows.every((row) => row.bytes_with_callees >= row.own_bytes), `${metric} by ${by}`);
      assert.match(await text('#sum'), /= total\.$/);
    }
  }
});

test('values with callees count each stack once', options, async () => {
  await open('#tab=table&imports=shown&runtime=shown&frames=python');
  const rows = await saveRows();
  const { nodes, frames, strings } = report;
  // Made the plain way: for each node, the functions on its way to the root, each once.
  const sums = new Map();
  nodes.parent.forEach((_, node) => {
    const seen = new Set();
    for (let at = node; at > 0; at = nodes.parent[at]) {
      const frame = nodes.frame[at];
      if (frames.kind[frame] === 0) seen.add(`${strings[frames.function[frame]]} ${strings[frames.file[frame]]}`);
    }
    for (const name of seen) sums.set(name, (sums.get(name) ?? 0) + nodes.peak_bytes[node]);
  });
  const python = rows.filter((row) => row.file.endsWith('.py'));
  assert.ok(python.length > 1);
  for (const row of python) assert.equal(row.bytes_with_callees, sums.get(`${row.name} ${row.file}`), row.name);
});

test('the table sorts, and tells by which column', options, async () => {
  await open('#tab=table&metric=total');
  const cells = (column) => page.locator(`#table .rows .row > :nth-child(${column})`).allTextContents();
  await page.locator('#table').getByRole('button', { name: 'Allocations' }).click();
  const counts = (await cells(6)).map(count);
  assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
  assert.equal((await fragment()).get('sort'), 'allocations');
  assert.equal(await page.locator('#table [aria-sort=descending]').count(), 1);
  await page.locator('#table').getByRole('button', { name: 'Allocations' }).click();
  assert.equal((await fragment()).get('sort'), '-allocations');
  const reversed = (await cells(6)).map(count);
  assert.deepEqual(reversed, [...reversed].sort((a, b) => a - b));
  await page.locator('#table').getByRole('button', { name: 'Function' }).click();
  const names = await cells(8);
  assert.deepEqual(names, [...names].sort(new Intl.Collator('en', { numeric: true }).compare));
  await page.keyboard.press('g');
  assert.equal((await fragment()).get('by'), 'line');
});

test('the search keeps matching rows and adds them up', options, async () => {
  await open('#tab=table&metric=total');
  const all = await saveRows();
  const largest = all[0].name;
  await page.keyboard.press('/');
  await page.keyboard.type(`^${largest.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} `);
  await page.keyboard.press('Enter');
  const flags = /[A-Z]/.test(largest) ? '' : 'i';
  const expected = all.filter(({ name }) => (flags ? name.toLowerCase() === largest.toLowerCase() : name === largest));
  const rows = await saveRows();
  assert.deepEqual(rows, expected);
  const found = await text('#matches');
  assert.ok(found.startsWith(`${expected.length} of ${all.length.toLocaleString('en-US')} rows: `), found);
  assert.ok(found.includes(`${sum(expected.map((row) => row.own_allocations)).toLocaleString('en-US')} allocation`), found);
  await page.keyboard.press('/');
  await page.keyboard.type('(');
  await page.waitForSelector('#search[aria-invalid=true]');
  await page.keyboard.press('Escape');
  assert.equal((await fragment()).get('search'), null);
});

test('the keyboard moves to the last row, of which only those on the screen exist, and opens its stacks', options, async () => {
  await open('#tab=table&metric=total');
  const rows = await saveRows();
  await page.locator('#table').focus();
  await page.keyboard.press('End');
  await page.waitForSelector(`#table [aria-selected=true][aria-rowindex="${rows.length + 1}"]`);
  assert.ok((await page.locator('#table .rows .row').count()) <= 40);
  assert.equal(await page.locator('#table').getAttribute('aria-rowcount'), String(rows.length + 1));
  await page.keyboard.press('Home');
  await page.waitForSelector('#table [aria-selected=true][aria-rowindex="2"]');
  assert.ok((await text('#live')).startsWith(rows[0].name));
  await page.keyboard.press('Enter');
  assert.equal(await openTab(), 'flame');
});

test('the lines of a file are all there, with sums that are those of the file', options, async () => {
  await open('#tab=lines&metric=total&imports=shown');
  assert.match(await text('#sum'), /= total\.$/);
  const at = report.sources.absent.findIndex((reason) => reason === '');
  assert.ok(at >= 0, 'a file is shown');
  const path = report.strings[report.sources.file[at]];
  await open(`#tab=lines&metric=total&imports=shown&file=${encodeURIComponent(path)}`);
  const lines = report.sources.text[at].replace(/\n$/, '').split('\n');
  assert.equal(await page.locator('#lines').getAttribute('aria-rowcount'), String(lines.length + 1));
  const own = await saveRows();
  for (const row of own) assert.equal(row.source, lines[row.line - 1]);
  await page.keyboard.press('w');
  assert.equal((await fragment()).get('scope'), 'callees');
  const all = new Map((await saveRows()).map((row) => [row.line, row]));
  for (const row of own) assert.ok(all.get(row.line).total_bytes >= row.total_bytes, `line ${row.line}`);
  await open('#tab=table&by=line&metric=total&imports=shown');
  const ofFile = (await saveRows()).filter((row) => row.file === path);
  assert.equal(sum(own.map((row) => row.total_bytes)), sum(ofFile.map((row) => row.own_bytes)));
});

test('each line that had memory has its course over the run', options, async () => {
  await open('#tab=lines&metric=total');
  const painted = await page.locator('#lines canvas').evaluateAll((canvases) => canvases.map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)));
  assert.ok(painted.length > 0 && painted.some(Boolean));
  // In a range without allocations of a line, its values go; its course stays, as it is that of the run.
  await open('#tab=lines&metric=total&range=0-0.000001');
  assert.match(await text('#sum'), /= total\.$/);
});

test('choosing a file shows it, and its largest line is in sight', options, async () => {
  await open('#tab=lines&metric=total');
  const files = page.locator('#files .rows .row');
  assert.ok((await files.count()) > 1);
  await files.nth(1).click();
  const path = await files.nth(1).locator('.code').getAttribute('title');
  assert.equal((await fragment()).get('file'), path);
  assert.equal(await page.locator('.source-title b').getAttribute('title'), path);
  const own = await saveRows();
  const largest = own.reduce((a, b) => (b.total_bytes > a.total_bytes ? b : a));
  const shown = await page.locator('#lines .rows .row > :nth-last-child(2)').allTextContents();
  assert.ok(shown.includes(String(largest.line)), `${largest.line} in ${shown}`);
});

test('threads and allocators add up', options, async () => {
  await open('#tab=threads');
  const rows = await saveRows();
  for (const table of ['threads', 'allocators']) {
    const of = rows.filter((row) => row.table === table);
    assert.ok(of.length > 0, table);
    for (const metric of ['peak', 'leaked', 'total']) assert.equal(sum(of.map((row) => row[`${metric}_bytes`])), report.totals[metric].bytes, `${table} ${metric}`);
    for (const metric of ['total', 'temporary']) assert.equal(sum(of.map((row) => row[`${metric}_allocations`])), report.totals[metric].allocations, `${table} ${metric}`);
  }
  assert.match(await text('#sum'), /= total\.$/);
});

test('sizes add up to all allocations and bytes', options, async () => {
  await open('#tab=sizes');
  const counts = (await page.locator('.size-table tbody tr td:nth-child(2)').allTextContents()).map(count);
  assert.equal(sum(counts), report.totals.total.allocations);
  const rows = await saveRows();
  assert.equal(sum(rows.map(({ bytes }) => bytes)), report.totals.total.bytes);
  assert.match(await text('#sum'), /= total\.$/);
  assert.match(await save('csv'), /^min_bytes,max_bytes,allocations,bytes\n/);
});

test('a capture without allocations says so in every tab', { skip: emptyFile ? false : 'MEMPROF_EMPTY_PAGE is not set' }, async () => {
  for (const name of NAMES) {
    await open(`#tab=${name}`, pathToFileURL(resolve(emptyFile)).href);
    assert.match(await page.locator(`#panel-${name}`).innerText(), /No allocations|None\.|0 B/, name);
    assert.doesNotMatch(await text('#sum'), /≠|NaN|undefined/, name);
    for (const key of ['m', 'g', 'w', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
  }
});

test('the theme that was chosen is remembered', options, async () => {
  await open();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.keyboard.press('d');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.waitForSelector('html[data-ready=yes]');
  assert.equal(await ground(), dark);
});

for (const colorScheme of ['light', 'dark']) {
  test(`text is readable in the ${colorScheme} theme (WCAG AA, 4.5 to 1)`, options, async () => {
    await page.emulateMedia({ colorScheme });
    for (const name of NAMES) {
      await open(`#tab=${name}&metric=total`);
      const poor = await page.evaluate(() => {
        const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
        const luminance = ([r, g, b]) => {
          const linear = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        };
        const groundOf = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
            if (alpha > 0) return [r, g, b];
          }
          return [255, 255, 255];
        };
        const found = [];
        for (const element of document.querySelectorAll('body *')) {
          const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
          if (!own || !element.checkVisibility() || element.closest('script, style, :disabled, .visually-hidden')) continue;
          const bar = element.querySelector(':scope > .bar');
          const text = luminance(channels(getComputedStyle(element).color));
          for (const ground of [groundOf(element), ...(bar ? [channels(getComputedStyle(bar).backgroundColor)] : [])]) {
            const [high, low] = [text, luminance(ground)].sort((a, b) => b - a);
            if ((high + 0.05) / (low + 0.05) < 4.5) found.push(`${element.className || element.tagName}: ${element.textContent.trim().slice(0, 30)}`);
          }
        }
        return found;
      });
      assert.deepEqual(poor, [], name);
    }
  });
}

for (const width of [420, 900, 1400]) {
  test(`fits ${width} pixels`, options, async () => {
    await page.setViewportSize({ width, height: 900 });
    for (const name of NAMES) {
      await open(`#tab=${name}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: no sideways scrolling`);
      const cut = await page.evaluate(() => [...document.querySelectorAll('.number')].filter((cell) => cell.checkVisibility() && cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent));
      assert.deepEqual(cut, [], `${name}: numbers are whole`);
    }
    if (width === 1400) {
      const header = await page.locator('.page-header').boundingBox();
      assert.ok(header.height < 50, 'the header is one line');
    }
  });
}
