// Checks the lists that the page is made of against its template, without a browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cycleChoice, defaultState, fragmentFromState, isPossible, stateFromFragment, valuesOf } from '../../templates/page/choices/state.js';
import { press } from '../../templates/page/help.js';
import { TABS } from '../../templates/page/tabs.js';

const template = readFileSync(new URL('../../templates/page.html', import.meta.url), 'utf8');
const valuesIn = (pattern) => [...template.matchAll(pattern)].map(([, value]) => value);

test('tabs heed controls that there are, and every control is heeded by one', () => {
  const controls = new Set(valuesIn(/ data-control="([^"]*)"/g));
  assert.ok(controls.size > 10);
  for (const tab of TABS) for (const control of tab.controls) assert.ok(controls.has(control), `${tab.name}: ${control}`);
  for (const control of controls) assert.ok(TABS.some((tab) => tab.controls.includes(control)), control);
});

test('tabs are told apart by their names and their choices', () => {
  assert.equal(new Set(TABS.map(({ name }) => name)).size, TABS.length);
  const choices = TABS.flatMap((tab) => Object.keys(tab.choices ?? {}));
  assert.equal(new Set(choices).size, choices.length);
});

test('what can be chosen in the page is possible', () => {
  const inputs = [...template.matchAll(/ value="([^"]*)" data-choice="([^"]*)"/g)];
  assert.ok(inputs.length > 10);
  // The widths are those of the page of two captures, which offers them itself.
  for (const [, value, choice] of inputs) assert.ok(choice === 'widths' || isPossible(choice, value), `${choice}: ${value}`);
  for (const [, choice, options] of template.matchAll(/<select data-choice="([^"]*)">([^]*?)<\/select>/g)) {
    for (const [, value] of options.matchAll(/<option value="([^"]*)"/g)) assert.ok(isPossible(choice, value), `${choice}: ${value}`);
  }
});

test('keys of a tab are told apart', () => {
  for (const { name, shortcuts = [] } of TABS) {
    const keys = shortcuts.flatMap(({ actions = {} }) => Object.keys(actions));
    assert.equal(new Set(keys).size, keys.length, name);
    for (const { shown, help } of shortcuts) assert.ok(shown.length > 0 && help.length > 0, name);
  }
});

test('a key does what it is listed with, where it may', () => {
  const pressed = [];
  const shortcuts = [
    { shown: ['a'], help: 'a', actions: { a: (target) => pressed.push(target) } },
    { shown: ['b'], help: 'b', actions: { b: (target) => pressed.push(target) }, when: (page) => page.hasB },
    { shown: ['c'], help: 'c' },
  ];
  assert.equal(press(shortcuts, 'a', 1, {}), true);
  assert.equal(press(shortcuts, 'b', 2, { hasB: false }), false);
  assert.equal(press(shortcuts, 'b', 3, { hasB: true }), true);
  for (const key of ['c', 'toString']) assert.equal(press(shortcuts, key, 4, {}), false);
  assert.deepEqual(pressed, [1, 3]);
});

test('a state goes through the address and back', () => {
  const defaults = defaultState({ metric: 'leaked', view: 'native', show_runtime: false, show_imports: true, places_of: 'all', opens_on: 'table', inverted: true, header: { native_stacks: true } });
  assert.deepEqual([defaults.metric, defaults.frames, defaults.imports, defaults.places, defaults.tab, defaults.view], ['leaked', 'native', 'shown', 'all', 'table', 'inverted']);
  assert.equal(fragmentFromState(defaults, defaults), '');
  const state = stateFromFragment('#metric=total&by=module&tab=lines&zoom=a.~1-2&view=nonsense&toString=x', defaults);
  assert.deepEqual({ ...defaults, metric: 'total', by: 'module', tab: 'lines', zoom: 'a.~1-2' }, state);
  assert.equal(fragmentFromState(state, defaults), 'metric=total&zoom=a.~1-2&by=module&tab=lines');
});

test('a choice goes round', () => {
  const page = { state: { metric: 'peak' }, choose: (changes) => Object.assign(valuesOf(page.state), changes) };
  const seen = [];
  for (let i = 0; i < 5; i++) {
    seen.push(page.state.metric);
    cycleChoice(page, 'metric');
  }
  assert.deepEqual(seen, ['peak', 'leaked', 'total', 'temporary', 'peak']);
});
