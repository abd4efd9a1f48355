// The place of an allocation is the same in a page and in the terminal, in every view.
//
//   memprof report capture.bin -o report.html
//   MEMPROF=memprof MEMPROF_CAPTURE=capture.bin MEMPROF_REPORT=report.html npm test

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { defaultState } from '../../templates/page/choices/state.js';
import { buildModel } from '../../templates/page/data/model.js';
import { PlaceSums } from '../../templates/page/data/row_places.js';
import { hiddenFrames } from '../../templates/page/data/views.js';
import { readReport } from './page_data.mjs';

const { MEMPROF: memprof, MEMPROF_CAPTURE: capture, MEMPROF_REPORT: file } = process.env;
const options = { skip: file && memprof && capture ? false : 'MEMPROF, MEMPROF_CAPTURE or MEMPROF_REPORT is not set' };
const METRICS = { peak: '--peak', leaked: '--leaks', total: '--total', temporary: '--temporary' };

function terminal(...args) {
  const text = execFileSync(memprof, [...args, '--json', capture], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 30 });
  return JSON.parse(text);
}

/** By function, file and line: the sum over rows. */
function byPlace(rows, bytesOf) {
  const sums = new Map();
  for (const row of rows) {
    const name = `${row.function} ${row.file}:${row.line ?? ''}`;
    const bytes = bytesOf(row);
    if (bytes > 0) sums.set(name, (sums.get(name) ?? 0) + bytes);
  }
  return Object.fromEntries([...sums].sort());
}

/** What a page lists, of a column that `PlaceSums` has. */
function ofPage(report, by, sums) {
  const { frames, strings } = report;
  const { first } = new PlaceSums({ data: report }).groupsBy(by);
  const rows = Array.from(first, (f, group) => ({ function: strings[frames.function[f]], file: strings[frames.file[f]], line: by === 'line' ? frames.line[f] : undefined, bytes: sums[group] }));
  return byPlace(rows, ({ bytes }) => bytes);
}

function* views(report) {
  const kinds = report.header.native_stacks ? ['hybrid', 'python', 'native'] : ['hybrid'];
  for (const frames of kinds) {
    for (const imports of ['hidden', 'shown']) {
      for (const runtime of frames === 'hybrid' ? ['hidden', 'shown'] : ['hidden']) {
        const args = ['--view', frames, ...(imports === 'shown' ? ['--show-imports'] : []), ...(runtime === 'shown' ? ['--show-runtime'] : [])];
        yield { args, state: { ...defaultState(report), frames, imports, runtime, places: 'dependencies' } };
      }
    }
  }
}

test('places and their sums are those of the terminal in every view', options, () => {
  const report = readReport(file);
  const model = buildModel(report);
  const largest = new Set();
  for (const { args, state } of views(report)) {
    const sums = new PlaceSums({ data: report, model, hidden: hiddenFrames(report, state), state, modelName: args.join(' ') });
    for (const [metric, option] of Object.entries(METRICS)) {
      const own = ofPage(report, 'line', sums.own('line', `${metric}_bytes`));
      const { rows, show_imports: isShown } = terminal('table', option, ...args);
      assert.equal(isShown, state.imports === 'shown');
      assert.deepEqual(own, byPlace(rows, ({ bytes }) => bytes), `${args.join(' ')} ${option}`);
      if (metric === 'total') largest.add(JSON.stringify(own));
    }
    const { rows: functions } = terminal('summary', ...args);
    const all = ofPage(report, 'function', sums.withCallees('function', 'total_bytes'));
    // Summaries list what is only a mark, too; and a page has the root, which is none of its rows.
    const { strings, frames } = report;
    const marks = new Set(frames.kind.flatMap((kind, f) => (kind >= 3 ? [strings[frames.function[f]]] : [])));
    const isMark = ([name]) => marks.has(name.slice(0, name.lastIndexOf(' ')));
    const without = (sums) => Object.fromEntries(Object.entries(sums).filter((entry) => !isMark(entry)));
    assert.deepEqual(without(all), without(byPlace(functions, (row) => row.with_callees.total.bytes)), args.join(' '));
  }
  assert.ok(largest.size > 2, 'the capture tells the views apart');
});
