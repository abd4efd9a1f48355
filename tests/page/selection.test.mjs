// Drives the choice of processes, threads and allocators in Chromium, on the page of a capture of several processes.
//
//   MEMPROF_PAGES=. cargo test -p memprof-reporter --test reports pages
//   MEMPROF_FAMILY_PAGE=family.html npm test
//
// Any capture of several processes, each of which has a thread with allocations at the peak, will do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fragmentOf, launch, watch } from './browser.mjs';
import { readReport } from './page_data.mjs';

const flameFile = process.env.MEMPROF_FAMILY_PAGE;
const withFlame = { skip: flameFile ? false : 'MEMPROF_FAMILY_PAGE is not set' };

let browser;
let page;
const problems = [];

async function open(file, fragment = '') {
  await page.goto('about:blank');
  await page.goto(pathToFileURL(resolve(file)).href + fragment);
  await page.waitForSelector('html[data-ready=yes]');
}

const fragment = () => fragmentOf(page);
const text = (selector) => page.locator(selector).textContent();
const MIB = 1024 * 1024;
const formatted = (bytes) => (bytes < MIB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`);

/** Every stack with its bytes, as the page exports it. */
async function collapsed() {
  // The menu may lie over that of exports.
  await page.locator('#selection').evaluate((menu) => menu.removeAttribute('open'));
  await page.locator('#export summary').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('[data-export=collapsed]').click()]);
  const lines = readFileSync(await download.path(), 'utf8').trimEnd().split('\n').filter(Boolean);
  return lines.map((line) => ({ names: line.slice(0, line.lastIndexOf(' ')).split(';'), bytes: Number(line.slice(line.lastIndexOf(' ') + 1)) }));
}

const sumOf = (stacks) => stacks.reduce((sum, { bytes }) => sum + bytes, 0);

before(async () => {
  if (!flameFile && !tableFile) return;
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1200, height: 800 }, acceptDownloads: true })).newPage();
  watch(page, problems);
});

after(async () => {
  await browser?.close();
  assert.deepEqual(problems, [], 'errors or warnings on the console');
});

test('the header names the processes', withFlame, async () => {
  const { header } = readReport(flameFile);
  await open(flameFile);
  const facts = await text('#facts');
  assert.ok(facts.includes(`${header.processes.length} processes`), facts);
  for (const { pid } of header.processes.slice(0, 6)) assert.ok(facts.includes(String(pid)), facts);
  assert.match(await text('#heap-caption'), /^Heap of all processes$/);
});

test('each process has its own part of the graph, and what it has adds up', withFlame, async () => {
  const report = readReport(flameFile);
  for (const metric of ['peak', 'leaked', 'total', 'temporary']) {
    await open(flameFile, `#metric=${metric}`);
    const stacks = await collapsed();
    assert.equal(sumOf(stacks), report.totals[metric].bytes);
    report.header.processes.forEach(({ pid }, i) => {
      const own = stacks.filter(({ names }) => names[0].startsWith(`process ${pid}: `));
      assert.equal(sumOf(own), report.processes[i][metric].bytes, `${metric} of ${pid}`);
    });
  }
});

test('together, the same stacks of several processes are one', withFlame, async () => {
  const report = readReport(flameFile);
  await open(flameFile);
  const apart = await collapsed();
  await page.locator('#split-choice').click();
  assert.equal((await fragment()).get('split'), 'together');
  const together = await collapsed();
  assert.ok(together.every(({ names }) => !names[0].startsWith('process ')));
  assert.equal(sumOf(together), report.totals.peak.bytes);
  const byName = new Map();
  for (const { names, bytes } of apart) byName.set(names.slice(1).join(';'), (byName.get(names.slice(1).join(';')) || 0) + bytes);
  assert.deepEqual(new Map(together.map(({ names, bytes }) => [names.join(';'), bytes])), byName);
  assert.ok(together.length < apart.length, 'some stacks occur in two processes');
  await page.locator('#graph').focus();
  await page.keyboard.press('a');
  assert.equal((await fragment()).get('split'), null);
});

test('one process can be chosen, and some', withFlame, async () => {
  const report = readReport(flameFile);
  const [first, second] = report.header.processes.map(({ pid }) => pid);
  await open(flameFile);
  await page.locator('#selection summary').click();
  await page.locator(`#select-processes input[value="${first}"]`).click();
  assert.equal((await fragment()).get('processes'), String(first));
  assert.match(await text('#selection summary'), new RegExp(`${first} of ${report.header.processes.length}`));
  assert.match(await text('#sum'), /= total\.$/);
  assert.equal(sumOf(await collapsed()), report.processes[0].peak.bytes);
  const size = `${(report.processes[0].peak.bytes / MIB).toFixed(1)} MiB`;
  assert.equal(await text('#peak-size'), size);
  await page.locator('#selection summary').click();
  await page.locator(`#select-processes input[value="${second}"]`).click();
  assert.equal((await fragment()).get('processes'), `${first},${second}`);
  assert.equal(sumOf(await collapsed()), report.processes[0].peak.bytes + report.processes[1].peak.bytes);
  // Inverted and searched, it is still these two.
  await open(flameFile, `#processes=${first},${second}&view=inverted&search=.`);
  assert.match(await text('#sum'), /= total\.$/);
  assert.match(await text('#matches'), /100 %$/);
  await page.locator('#selection summary').click();
  await page.locator('#select-processes > button').click();
  assert.equal((await fragment()).get('processes'), null);
  assert.match(await text('#selection summary'), /^Filter$/);
  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll('#select-processes input:checked').length === 2);
});

test('threads and allocators can be chosen, together with processes', withFlame, async () => {
  const report = readReport(flameFile);
  const { cells, threads, allocators, header } = report;
  const bytes = (lets) => sumOf(cells.peak_bytes.map((value, c) => ({ bytes: lets(cells.thread[c], cells.allocator[c]) ? value : 0 })));
  const largest = (column) => {
    const sums = new Map();
    cells[column].forEach((key, c) => sums.set(key, (sums.get(key) ?? 0) + cells.peak_bytes[c]));
    return [...sums].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
  };
  const [thread, allocator] = [largest('thread'), largest('allocator')];
  await open(flameFile);
  await page.locator('#selection summary').click();
  await page.locator(`#select-threads input[value="${thread}"]`).click();
  assert.equal((await fragment()).get('threads'), String(thread));
  assert.equal(sumOf(await collapsed()), bytes((t) => t === thread));
  assert.ok((await text('#selection summary')).includes(threads[thread].label));
  await page.locator('#selection summary').click();
  await page.locator(`#select-allocators input[value="${allocators[allocator]}"]`).click();
  const both = bytes((t, a) => t === thread && a === allocator);
  assert.ok(both > 0 && both < report.totals.peak.bytes);
  assert.equal(sumOf(await collapsed()), both);
  assert.equal(await text('#peak-size'), formatted(both));
  assert.match(await text('#sum'), /= total\.$/);
  // The thread of another process has nothing in this one.
  const other = header.processes.findIndex((_, process) => process !== threads[thread].process);
  await open(flameFile, `#threads=${thread}&processes=${header.processes[other].pid}`);
  assert.equal(await text('#peak-size'), '0 B');
  assert.match(await text('#empty'), /\w/);
  // The table of threads chooses, too.
  await open(flameFile, '#tab=threads');
  await page.locator(`#panel-threads [data-key="${allocators[allocator]}"]`).click();
  assert.equal((await fragment()).get('allocators'), allocators[allocator]);
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('#selection summary').textContent === 'Filter');
});

test('pids that are not there are all of them', withFlame, async () => {
  const report = readReport(flameFile);
  for (const asked of ['1', 'nonsense', ',']) {
    await open(flameFile, `#processes=${asked}`);
    assert.equal(sumOf(await collapsed()), report.totals.peak.bytes, asked);
  }
});

test('a process chosen among the threads limits every tab', withFlame, async () => {
  const report = readReport(flameFile);
  const { pid } = report.header.processes[1];
  const { bytes } = report.processes[1].peak;
  await open(flameFile, '#tab=threads');
  await page.locator(`.sums-table [data-key="${pid}"]`).click();
  assert.equal((await fragment()).get('processes'), String(pid));
  assert.equal(await page.locator(`.sums-table [data-key="${pid}"]`).getAttribute('aria-pressed'), 'true');
  await page.keyboard.press('3');
  const [download] = await Promise.all([page.waitForEvent('download'), saveAs('json')]);
  const rows = JSON.parse(readFileSync(await download.path(), 'utf8'));
  assert.equal(rows.reduce((sum, row) => sum + row.own_bytes, 0), bytes);
});

async function saveAs(format) {
  await page.locator('#export summary').click();
  await page.locator(`[data-export=${format}]`).click();
}
