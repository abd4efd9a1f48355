// Drives the page of two captures in Chromium.
//
//   memprof flamegraph --diff before.bin after.bin -o difference.html
//
// The tests know the captures of reporter/tests/reports/diff.rs: `MEMPROF_PAGES=. cargo test -p memprof-reporter --test reports diff` writes
// difference.html, and MEMPROF_DIFFERENCE_PAGE names it.

import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { hashOf, launch, watch } from './browser.mjs';

const file = process.env.MEMPROF_DIFFERENCE_PAGE;
const options = { skip: file ? false : 'MEMPROF_DIFFERENCE_PAGE is not set' };
const url = file ? pathToFileURL(resolve(file)).href : '';

let browser;
let page;
let problems;
let requests;

const text = (selector) => page.locator(selector).textContent();

async function open(fragment = '') {
  await page.goto('about:blank');
  await page.goto(url + fragment);
  await page.waitForSelector('html[data-ready=yes]');
}

/** What screen readers are told of the match of a search. */
async function found(name) {
  await page.locator('#search').fill(name);
  await page.keyboard.press('Enter');
  return text('#live');
}

before(async () => {
  if (file) browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  if (!file) return;
  await page?.close();
  page = await browser.newPage({ viewport: { width: 1300, height: 800 } });
  problems = [];
  requests = [];
  watch(page, problems);
  page.on('request', (request) => request.url().startsWith('file:') || request.url().startsWith('data:') || requests.push(request.url()));
});

test('nothing is asked of the network, and there are no errors', options, async () => {
  for (const fragment of ['', '#widths=before', '#view=inverted', '#view=sandwich', '#group=file', '#draw=flame&colour=heat']) {
    await open(fragment);
    assert.match(await text('#sum'), / = (total|the function)/);
    assert.deepEqual([problems, requests], [[], []], fragment);
  }
});

test('frames tell what they were and what they are', options, async () => {
  await open();
  assert.match(await found('^cells'), /shrunk, 8\.6 MiB before and 7\.6 MiB after/);
  assert.match(await found('^row.s'), /grown, 97\.7 KiB before and 117\.7 MiB after/);
  assert.match(await found('^cached'), /new, 0 B before and 8\.8 KiB after/);
  assert.match(await found('^uniform'), /unchanged, 6\.0 MiB before and 6\.0 MiB after/);
});

test('inverted and between callers and callees, too', options, async () => {
  await open('#view=inverted');
  assert.match(await found('^cells'), /shrunk, 8\.6 MiB before and 7\.6 MiB after/);
  await open('#view=sandwich');
  await page.locator('#graph').focus();
  await page.keyboard.press('ArrowDown');
  assert.match(await text('#live'), /descend|row.s/);
  await page.keyboard.press('ArrowUp');
  assert.match(await text('#live'), /caller 1 above/);
  assert.match(await text('#live'), /grown, 97\.7 KiB before and 117\.7 MiB after/);
});

test('what is gone has a frame where frames are as wide as before', options, async () => {
  await open();
  await page.locator('#search').fill('^first_try');
  await page.keyboard.press('Enter');
  assert.match(await text('#matches'), /0 places/);
  await page.locator('#widths-choice input[value=before]').check({ force: true });
  assert.match(await found('^first_try'), /gone, 68\.4 KiB before and 0 B after/);
  assert.match(await text('#sum'), / = total/);
  assert.equal((await hashOf(page)).includes('widths=before'), true);
  await page.locator('#graph').focus();
  await page.keyboard.press('x');
  assert.equal((await hashOf(page)).includes('widths'), false);
});

test('there is nothing but the graph, and the signs are explained', options, async () => {
  await open('#tab=overview');
  assert.equal(await page.locator('#tabs').isVisible(), false);
  assert.equal(await page.locator('#panel-flame').isVisible(), true);
  await page.keyboard.press('1');
  assert.equal(await page.locator('#panel-flame').isVisible(), true);
  assert.match(await text('#legend'), /× gone, ▼ shrunk.*= unchanged.*▲ grown, \+ new/);
  assert.match(await text('#hint'), /^Compared with .*Taken for the same: 1 moved file, 1 renamed file/);
});

test('the help has the key of the widths, and no tab but the graph', options, async () => {
  await open();
  await page.keyboard.press('?');
  const rows = await page.locator('#help-keys tr').allInnerTexts();
  assert.ok(rows.some((row) => row.startsWith('x') && row.includes('as wide as after or as before')), rows.join('\n'));
  assert.ok(rows.includes('Flame graph') && !rows.includes('Table'), rows.join('\n'));
});

test('the tooltip has both', options, async () => {
  await open();
  const box = await page.locator('#canvas').boundingBox();
  await page.mouse.move(box.x + 40, box.y + 10);
  const rows = await page.locator('#tooltip tr').allTextContents();
  assert.ok(rows.some((row) => row.startsWith('Before19.3 MiB')), rows.join('\n'));
  assert.ok(rows.some((row) => row.startsWith('After253.5 MiB')), rows.join('\n'));
  assert.ok(rows.some((row) => row.startsWith('Difference+234.3 MiB')), rows.join('\n'));
});
