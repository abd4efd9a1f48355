// Checks the arithmetic of the page without a browser: random trees, laid out in every view, against sums made the
// plain way.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { withoutArguments } from '../../templates/page/common/names.js';
import { readContainer } from '../../templates/page/data/container.js';
import { METRICS } from '../../templates/page/data/metrics.js';
import { buildModel, inclusiveSums, ownValues, withOwnValues } from '../../templates/page/data/model.js';
import { PlaceSums, rowPlaces } from '../../templates/page/data/row_places.js';
import { searchModel } from '../../templates/page/data/search.js';
import { hiddenFrames, importFrames } from '../../templates/page/data/views.js';
import { Colours, luminance } from '../../templates/page/graph/colour.js';
import { findRectangle, layoutTree } from '../../templates/page/graph/layout.js';
import { placesOf, treeNodeOf } from '../../templates/page/graph/matches.js';
import { neighbour } from '../../templates/page/graph/moves.js';
import { Sandwich, layoutSandwich } from '../../templates/page/graph/sandwich.js';
import { Tree } from '../../templates/page/graph/tree.js';

/** A small generator of random numbers, so that a failure can be repeated. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomReport(seed, count, siblings) {
  const random = randomFrom(seed);
  const frameCount = Math.max(12, siblings);
  const strings = ['all', ''];
  const frames = { function: [0], file: [1], line: [0], source: [-1], kind: [3], shown: [127], module: [-1] };
  for (let i = 1; i < frameCount; i++) {
    strings.push(`f${i >> 1}`, `/srv/m${i % 4}.py`);
    frames.function.push(strings.length - 2);
    frames.file.push(strings.length - 1);
    frames.line.push(i);
    frames.source.push(-1);
    frames.kind.push(i % 5);
    // Of Python's frames, every other one is import machinery.
    frames.shown.push([i % 10 ? 119 : 7, 59, 42, 127, 8][i % 5]);
    frames.module.push(-1);
  }
  const parents = [0];
  // Every now and then a stack of its own.
  for (let i = 1; i < count; i++) parents.push(i % 50 === 0 ? 0 : Math.floor(siblings ? i * random() ** 6 : i * random() ** 0.5));
  const nodes = { ...preorder(parents), frame: [0] };
  for (let i = 1; i < count; i++) nodes.frame.push(siblings ? 1 + (i % (frameCount - 1)) : 1 + Math.floor(random() * (frameCount - 1)));
  // Up to three cells for each node but the root.
  const cells = { node: [], thread: [], allocator: [] };
  for (let i = 1; i < count; i++) {
    for (let c = 0; c < 3 && random() < 0.6; c++) {
      cells.node.push(i);
      cells.thread.push(c);
      cells.allocator.push(Math.floor(random() * 4));
    }
  }
  for (const metric of METRICS) {
    const bytes = (cells[`${metric}_bytes`] = cells.node.map(() => (random() < 0.8 ? Math.floor(2 ** (random() * 20)) : 0)));
    cells[`${metric}_allocations`] = bytes.map((value) => (value ? 1 + Math.floor(random() * 5) : 0));
    for (const column of [`${metric}_bytes`, `${metric}_allocations`]) {
      nodes[column] = parents.map(() => 0);
      cells.node.forEach((node, c) => (nodes[column][node] += cells[column][c]));
    }
  }
  return { strings, frames, nodes, cells };
}

/** The same tree with each node followed by all that is below it: the parents, and how many levels up each node goes. */
function preorder(parents) {
  const children = parents.map(() => []);
  parents.forEach((parent, i) => i && children[parent].push(i));
  const [parent, up, depths] = [[], [], []];
  const pending = [[0, 0, 0]];
  while (pending.length) {
    const [old, above, depth] = pending.pop();
    const number = parent.length;
    parent.push(above);
    up.push(number ? depths[number - 1] + 1 - depth : 0);
    depths.push(depth);
    for (const child of children[old].reverse()) pending.push([child, number, depth + 1]);
  }
  return { parent, up };
}

/** What every view hides, and one that hides nothing. */
function everyHiding(report) {
  const states = ['hybrid', 'python', 'native'].flatMap((frames) => ['hidden', 'shown'].map((runtime) => ({ frames, runtime, imports: runtime })));
  return [...states.map((state) => hiddenFrames(report, state)), new Uint8Array(report.frames.line.length)];
}

function everyTree(report) {
  const model = buildModel(report);
  const trees = [];
  for (const metric of METRICS) {
    for (const measure of ['bytes', 'allocations']) {
      for (const inverted of [false, true]) {
        for (const group of ['line', 'function', 'file']) {
          for (const hidden of everyHiding(report)) trees.push(new Tree(model, { metric, measure, inverted, group }, hidden));
        }
      }
    }
  }
  return trees;
}

function checkLayout(tree, root, width) {
  const layout = layoutTree(tree, root, width);
  assert.equal(layout.sum, root.value);
  for (const row of layout.rows) {
    for (let i = 0; i < row.x.length; i++) {
      const end = i + 1 < row.x.length ? row.x[i + 1] : width;
      assert.ok(row.x[i] + row.width[i] <= end + 1e-6, 'rectangles overlap');
      assert.ok(row.node[i].block || row.width[i] >= 1 || row.node[i] === root, 'a frame thinner than a pixel');
    }
  }
  return layout;
}

for (const [name, count, siblings] of [['deep', 600, 0], ['wide', 5000, 4000], ['single', 1, 0]]) {
  test(`every view of a ${name} tree adds up`, () => {
    const report = randomReport(7, count, siblings);
    for (const tree of everyTree(report)) {
      const column = report.nodes[`${tree.spec.metric}_${tree.spec.measure}`];
      assert.equal(tree.root.value, column.reduce((a, b) => a + b, 0));
      const layout = checkLayout(tree, tree.root, 1000);
      // Zoomed into anything, and by its address again.
      for (const row of layout.rows.slice(1, 4)) {
        for (const node of row.node.slice(0, 3).concat(row.node.slice(-1))) {
          checkLayout(tree, node, 777);
          const again = tree.nodeAt(tree.pathOf(node));
          assert.equal(again.value, node.value);
          assert.equal(tree.pathOf(again), tree.pathOf(node));
        }
      }
    }
  });
}

test('filters let through what the threads and allocators have', () => {
  const report = randomReport(13, 400, 0);
  const model = buildModel(report);
  const { cells } = report;
  for (const filter of [{ threads: [1, 0, 0] }, { allocators: [0, 1, 1, 0] }, { threads: [0, 1, 1], allocators: [1, 0, 0, 0] }, { threads: [0, 0, 0] }]) {
    const lets = (c) => (filter.threads?.[cells.thread[c]] ?? 1) && (filter.allocators?.[cells.allocator[c]] ?? 1);
    const filtered = withOwnValues(model, ownValues(model, filter));
    for (const column of ['peak_bytes', 'leaked_allocations', 'total_bytes']) {
      const expected = Array.from({ length: model.count }, () => 0);
      cells.node.forEach((node, c) => lets(c) && (expected[node] += cells[column][c]));
      assert.deepEqual(Array.from(filtered.own[column]), expected, column);
      assert.equal(inclusiveSums(filtered, column)[0], expected.reduce((a, b) => a + b, 0));
    }
  }
});

/** A container of one column of LEB128 numbers. */
function container(numbers, column, extra = []) {
  const bytes = [];
  for (let value of numbers) {
    for (; value >= 128n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
    bytes.push(Number(value));
  }
  bytes.push(...extra);
  const head = new TextEncoder().encode(JSON.stringify({ schema: 's', head: { a: 1 }, columns: [{ length: bytes.length, count: numbers.length, wide: false, ...column }] }));
  return Uint8Array.from([head.length, 0, 0, 0, ...head, ...bytes]);
}

test('columns are unpacked when they are read, and damage is told', () => {
  const read = (...parts) => readContainer(container(...parts), 's');
  assert.deepEqual(Array.from(read([0n, 127n, 128n, 2n ** 31n - 1n], { name: 't.x', encoding: 'unsigned' }).t.x), [0, 127, 128, 2 ** 31 - 1]);
  assert.deepEqual(Array.from(read([2n ** 31n, 2n ** 53n], { name: 't.x', encoding: 'unsigned', wide: true }).t.x), [2 ** 31, 2 ** 53]);
  assert.deepEqual(Array.from(read([1n, 0n, 200n, 3n], { name: 'x', encoding: 'signed' }).x), [-1, 0, 100, -2]);
  assert.deepEqual(Array.from(read([3n, 0n, 7n], { name: 'x', encoding: 'ascending' }).x), [3, 3, 10]);
  const text = new TextEncoder().encode('é𝄞x');
  assert.deepEqual(read([0n, 1n, 3n], { name: 'x', encoding: 'text', length: 3 + text.length }, text).x, ['', 'é', '𝄞x']);
  assert.equal(read([1n], { name: 'x', encoding: 'unsigned' }).a, 1);
  assert.throws(() => readContainer(container([1n], { name: 'x' }), 'other'), /this page reads other/);
  assert.throws(() => read([1n, 2n], { name: 'x', encoding: 'unsigned', length: 1 }), /the data has/);
  assert.throws(() => read([1n, 2n], { name: 'x', encoding: 'unsigned', count: 1 }).x, /1 numbers in 1/);
});

test('every member of a block can be reached by zooming', () => {
  const report = randomReport(3, 5000, 4000);
  const model = buildModel(report);
  const tree = new Tree(model, { metric: 'peak', measure: 'bytes', inverted: false, group: 'line' }, importFrames(report));
  const parent = treeNodeOf(tree, 0);
  const seen = new Set();
  const visit = (root) => {
    const below = layoutTree(tree, root, 400).rows[1];
    for (const node of below ? below.node : []) {
      if (node.block) visit(node);
      else seen.add(node);
    }
  };
  visit(parent);
  const children = tree.childrenOf(parent);
  const worth = children.value.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
  assert.equal(seen.size, worth);
});

test('inverted: the first row is what each frame allocated by itself', () => {
  const report = randomReport(11, 800, 0);
  const model = buildModel(report);
  const tree = new Tree(model, { metric: 'total', measure: 'bytes', inverted: true, group: 'line' }, new Uint8Array(report.frames.line.length));
  const expected = new Map();
  for (let i = 1; i < model.count; i++) {
    const bytes = report.nodes.total_bytes[i];
    if (bytes) expected.set(report.nodes.frame[i], (expected.get(report.nodes.frame[i]) || 0) + bytes);
  }
  const children = tree.childrenOf(tree.root);
  const found = new Map(Array.from(children.keys, (key, g) => [key, children.value[g]]));
  assert.deepEqual([...found].sort(), [...expected].sort());
});

test('a sandwich has what goes through a function once, by callers and by callees', () => {
  const report = randomReport(5, 700, 0);
  const model = buildModel(report);
  const hidden = importFrames(report);
  for (const group of ['line', 'function', 'file']) {
    for (const focus of [2, 4, 7]) {
      const sandwich = new Sandwich(model, { metric: 'total', measure: 'bytes', group, focus }, hidden);
      const isIn = (frame) => !hidden[frame] && sandwich.keys[frame] === sandwich.keys[focus];
      // By hand: stacks with the function in them, and what called its outermost frame there.
      let expected = 0;
      const byCaller = new Map();
      report.nodes.total_bytes.forEach((bytes, i) => {
        const stack = [];
        for (let at = i; at > 0; at = model.parent[at]) if (!hidden[model.frame[at]]) stack.unshift(model.frame[at]);
        const outermost = stack.findIndex(isIn);
        if (outermost < 0) return;
        expected += bytes;
        const caller = outermost > 0 ? sandwich.keys[stack[outermost - 1]] : -1;
        byCaller.set(caller, (byCaller.get(caller) ?? 0) + bytes);
      });
      assert.ok(expected > 0 && expected < sandwich.whole.value, `${group} ${focus}`);
      assert.equal(sandwich.root.value, expected);
      const layout = layoutSandwich(sandwich, 900);
      assert.equal(layout.sum, expected);
      assert.equal(layout.callerSum, expected);
      assert.equal(layout.rows[layout.above].node[0], sandwich.root);
      const callers = sandwich.callers.childrenOf(sandwich.callers.root);
      byCaller.delete(-1);
      for (const [caller, bytes] of byCaller) if (bytes === 0) byCaller.delete(caller);
      assert.deepEqual(new Map(Array.from(callers.keys, (key, g) => [key, callers.value[g]])), byCaller);
      // Every rectangle is found where it is, and leads back to the function row by row.
      layout.rows.forEach((row, r) =>
        row.node.forEach((node, index) => {
          assert.deepEqual(findRectangle(layout, node), { row: r, index, node });
          let at = { row: r, index, node };
          while (at.row !== layout.above) at = neighbour(layout, at, at.row < layout.above ? 'child' : 'parent');
          assert.equal(at.node, sandwich.root);
        }),
      );
    }
  }
});

test('search counts a stack once, whichever of its frames match', () => {
  const report = randomReport(5, 500, 0);
  const model = buildModel(report);
  const matches = (frame) => /^f[1-4] /.test(`${report.strings[report.frames.function[frame]]} `);
  let bytes = 0;
  let outermost = 0;
  for (let i = 1; i < model.count; i++) {
    const stack = [];
    for (let at = i; at > 0; at = model.parent[at]) stack.push(matches(report.nodes.frame[at]));
    if (stack.includes(true)) bytes += report.nodes.peak_bytes[i];
    if (stack.indexOf(true) === 0 && stack.lastIndexOf(true) === 0 && inclusiveSums(model, 'peak_bytes')[i] > 0) outermost++;
  }
  const found = searchModel(model, /^f[1-4] /, new Uint8Array(report.frames.line.length), 'peak', 'bytes');
  assert.ok(bytes > 0 && bytes < report.nodes.peak_bytes.reduce((a, b) => a + b, 0));
  assert.equal(found.bytes, bytes);
  assert.equal(found.outermost.length, outermost);
});

test('places of a search are the nodes that the view shows, each once', () => {
  const report = randomReport(5, 500, 0);
  const model = buildModel(report);
  for (const hidden of everyHiding(report)) {
    for (const group of ['line', 'function', 'file']) {
      const tree = new Tree(model, { metric: 'peak', measure: 'bytes', inverted: false, group }, hidden);
      const found = searchModel(model, /^f[1-4] /, hidden, 'peak', 'bytes');
      const places = placesOf(tree, found.outermost);
      assert.equal(new Set(places).size, places.length);
      assert.deepEqual(new Set(places), new Set(found.outermost.map((node) => treeNodeOf(tree, node))));
      // Grouped by line, a place is one frame, and so holds what matched and nothing else.
      if (group === 'line') assert.equal(places.reduce((sum, place) => sum + place.value, 0), found.bytes);
      for (const place of places) assert.ok(place.parent && !hidden[place.frame]);
    }
  }
});

test('arguments of native functions are left out', () => {
  // The examples of the text reports.
  const source = readFileSync(new URL('../../reporter/src/text/native_names.rs', import.meta.url), 'utf8');
  const examples = source.slice(source.indexOf('fn arguments_are_left_out')).matchAll(/^ +\("([^"]*)", "([^"]*)"\),$/gm);
  let count = 0;
  for (const [, name, short] of examples) {
    assert.equal(withoutArguments(name), short);
    count++;
  }
  assert.ok(count > 10, `${count} examples`);
});

test('labels are readable on every colour (WCAG AA, 4.5 to 1)', () => {
  const data = { frames: { function: [] } };
  for (const theme of ['light', 'dark']) {
    const colours = new Colours(data, theme);
    const paints = [...Object.values(colours.families).flat(), ...colours.heat, colours.match, colours.faded, colours.block];
    for (const { fill, text } of paints) {
      const [light, dark] = [luminance(fill), luminance(text)].sort((a, b) => b - a);
      assert.ok((light + 0.05) / (dark + 0.05) >= 4.5, `${text} on ${fill}`);
    }
  }
});

test('sums by place add up, and count stacks of functions that call themselves once', () => {
  const report = randomReport(17, 900, 0);
  const model = buildModel(report);
  const { frames, nodes } = report;
  const views = [['hybrid', 'hidden'], ['python', 'hidden'], ['native', 'shown']].map(([frames, runtime]) => ({ frames, runtime }));
  for (const state of views.flatMap((view) => ['shown', 'hidden'].map((imports) => ({ ...view, imports })))) {
    const hidden = hiddenFrames(report, state);
    const sums = new PlaceSums({ data: report, model, hidden, state, modelName: '' });
    for (const by of ['function', 'line', 'source', 'file', 'module']) {
      const groups = sums.groupsBy(by);
      const expected = new Float64Array(groups.count);
      let again = 0;
      for (let i = 1; i < model.count; i++) {
        const stack = [];
        for (let at = i; at > 0; at = model.parent[at]) if (!hidden[nodes.frame[at]]) stack.push(groups.of[nodes.frame[at]]);
        const each = new Set(stack);
        again += stack.length - each.size;
        // What is hidden, and the place for want of another, has what is listed there.
        const place = model.frame[sums.places()[i]];
        if (hidden[place]) each.add(groups.of[place]);
        for (const group of each) expected[group] += nodes.total_bytes[i];
      }
      assert.ok(again > 0, 'some stacks have a group twice');
      const own = sums.own(by, 'total_bytes');
      assert.equal(own.reduce((a, b) => a + b, 0), nodes.total_bytes.reduce((a, b) => a + b, 0));
      // The root, whose group is the first, stands for stacks of which nothing is shown.
      sums.withCallees(by, 'total_bytes').forEach((bytes, group) => group && assert.equal(bytes, expected[group], `${state.frames} by ${by}: ${group}`));
      for (let group = 1; group < groups.count; group++) assert.ok(own[group] <= expected[group]);
    }
    // Python's functions have what native ones allocate for them, unless only native ones are shown.
    const own = sums.own('line', 'total_bytes');
    const ofPython = frames.kind.reduce((sum, kind, f) => sum + (kind === 0 ? own[sums.groupsBy('line').of[f]] : 0), 0);
    assert.equal(ofPython > 0, state.frames !== 'native');
  }
});

test('hidden import machinery is the place of what has no other Python frame', () => {
  // An outermost frame comes first.
  const place = (stack, imports, frames = 'hybrid') => {
    const names = ['all', ...stack];
    const kind = names.map((name) => ({ all: 3, '<new thread>': 3, malloc: 1 })[name] ?? 0);
    const shown = names.map((name) => (name === 'malloc' ? 59 : name.startsWith('import') ? 7 : 119));
    const data = { frames: { function: names.map((_, i) => i), kind, shown }, strings: names };
    const model = { count: names.length, parent: names.map((_, i) => Math.max(0, i - 1)), frame: names.map((_, i) => i), data };
    const state = { frames, runtime: 'hidden', imports, places: 'all' };
    return names[rowPlaces(model, hiddenFrames(data, state), state).at(-1)];
  };
  for (const [stack, hidden, shown] of [
    [['run', 'import_1', 'import_2', 'malloc'], 'run', 'import_2'],
    [['import_1', 'run', 'import_2'], 'run', 'import_2'],
    [['import_1', 'import_2', 'malloc'], 'import_2', 'import_2'],
    [['run', 'import_1', '<new thread>', 'malloc'], 'malloc', 'malloc'],
    [['run', '<new thread>', 'import_1', 'malloc'], 'import_1', 'import_1'],
  ]) {
    assert.deepEqual(['hidden', 'shown'].map((imports) => place(stack, imports)), [hidden, shown], stack.join(' '));
  }
  assert.deepEqual(['hidden', 'shown'].map((imports) => place(['run', 'import_1', '<new thread>', 'import_2'], imports, 'python')), ['run', 'import_2']);
  assert.equal(place(['import_1', 'malloc'], 'hidden', 'native'), 'malloc');
});

test('the place of native memory is a function of the program, unless libraries are asked for', () => {
  // Origin, whether it passes on by name, whether an allocator begins: program, crate, std, std's allocation, allocator.
  const functions = { program: [1, 0, 0], crate: [2, 0, 0], std: [3, 0, 0], passes: [3, 1, 1], allocator: [2, 0, 1], unknown: [0, 0, 0] };
  const place = (stack, places) => {
    const claims = [[0, 0, 0], ...stack.map((name) => functions[name])];
    const column = (index) => claims.map((claim) => claim[index]);
    const frames = { function: column(0).map((_, i) => i), kind: claims.map((_, i) => (i ? 1 : 3)), origin: column(0), passes_on: column(1), enters_allocator: column(2) };
    const model = { count: claims.length, parent: claims.map((_, i) => Math.max(0, i - 1)), frame: claims.map((_, i) => i), data: { frames, strings: ['all', ...stack] } };
    return stack[rowPlaces(model, new Uint8Array(claims.length), { frames: 'hybrid', places }).at(-1) - 1];
  };
  for (const [stack, ...expected] of [
    [['program', 'std', 'passes'], 'program', 'program', 'std'],
    [['program', 'crate', 'std', 'passes'], 'program', 'crate', 'std'],
    [['program', 'crate', 'std', 'passes', 'allocator'], 'program', 'crate', 'allocator'],
    [['program', 'allocator', 'unknown'], 'program', 'program', 'unknown'],
    [['unknown', 'std', 'passes'], 'std', 'std', 'std'],
    [['program', 'unknown', 'std'], 'std', 'std', 'std'],
    [['std', 'program', 'std'], 'program', 'program', 'std'],
  ]) {
    assert.deepEqual(['program', 'dependencies', 'all'].map((places) => place(stack, places)), expected, stack.join(' '));
  }
});
