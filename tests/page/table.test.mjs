// Drives a table page in Chromium.
//
//   memprof table --html capture.bin -o table.html
//   MEMPROF_TABLE_PAGE=table.html npm test

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { launch, watch } from './browser.mjs';
import { readJson } from './page_data.mjs';

const file = process.env.MEMPROF_TABLE_PAGE;
const options = { skip: file ? false : 'MEMPROF_TABLE_PAGE is not set' };

let browser;
let page;
let report;
const problems = [];

const text = (selector) => page.locator(selector).textContent();
const firstCells = (column) => page.locator(`#rows .row > :nth-child(${column})`).allTextContents();

before(async () => {
  if (!file) return;
  report = readJson(file);
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
  const address = pathToFileURL(resolve(file)).href;
  watch(page, problems);
  page.on('request', (request) => !/^(data:|file:)/.test(request.url()) && problems.push(request.url()));
  await page.goto(address);
  await page.waitForSelector('html[data-ready=yes]');
});

after(async () => {
  await browser?.close();
  assert.deepEqual(problems, []);
});

test('shows all rows and a sum equal to the total', options, async () => {
  const count = report.rows.bytes.length.toLocaleString('en-US');
  assert.ok((await text('#shown')).startsWith(`${count} of ${count} row`));
  assert.match(await text('#sum'), /= total\.$/);
  assert.ok((await page.locator('#rows .row').count()) <= 40, 'only rows on the screen exist');
});

test('sorts by a click on the head of a column', options, async () => {
  await page.getByRole('columnheader', { name: 'Allocs' }).getByRole('button').click();
  const counts = (await firstCells(3)).map((cell) => Number(cell.replaceAll(',', '')));
  assert.equal(counts[0], report.rows.allocations.reduce((a, b) => Math.max(a, b), 0));
  assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
  assert.match(page.url(), /sort=allocations/);
  assert.equal(await page.locator('[aria-sort=descending]').count(), 1);
});

test('filters by a regular expression and explains a broken one', options, async () => {
  const name = report.strings[report.rows.function[0]];
  await page.keyboard.press('/');
  await page.keyboard.type(`^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} `);
  await page.keyboard.press('Enter');
  // Cells show names of native functions without their arguments; the hint has all.
  const shown = await page.locator('#rows .function').evaluateAll((cells) => cells.map((cell) => cell.title));
  assert.ok(shown.length > 0 && shown.every((cell) => cell.toLowerCase() === name.toLowerCase()), shown.join());
  await page.keyboard.press('/');
  await page.keyboard.type('(');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#search').getAttribute('aria-invalid'), 'true');
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
});

test('the keyboard moves over the rows to the very last', options, async () => {
  await page.locator('#table').focus();
  await page.keyboard.press('End');
  await page.waitForSelector('#rows [aria-selected=true]');
  const last = report.rows.bytes.length + 1;
  assert.equal(await page.locator('#rows [aria-selected=true]').getAttribute('aria-rowindex'), String(last));
  assert.match(await text('#detail'), / byte/);
  await page.keyboard.press('Home');
  await page.waitForSelector('#rows [aria-selected=true][aria-rowindex="2"]');
});
