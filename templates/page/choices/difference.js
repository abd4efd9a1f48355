// The page of two captures: which side is shown, and what such a page has to choose.

import { byId, makeElement } from '../common/dom.js';
import { ownValues, withOwnValues } from '../data/model.js';
import { offerChoices } from './state.js';

/** @import { Before, Totals } from '../data/container.js' */
/** @import { Model } from '../data/model.js' */
/** @import { Selection } from './selection.js' */
/** @import { State } from './state.js' */

/** The side of a state that names none. */
const USUAL_SIDE = 'after';

/** What the page of two captures has to choose, and others do not: the lines of a function are one frame there. */
export function offerDifference() {
  offerChoices({
    widths: ['after', 'before'],
    colour: ['change', 'kind', 'heat'],
    group: ['function', 'file'],
    tab: ['flame'],
  });
  byId('widths-choice').hidden = false;
  byId('tabs').hidden = true;
  document.querySelector('[data-choice=group] [value=line]')?.remove();
  const option = makeElement('option', 'change');
  option.value = 'change';
  document.querySelector('[data-choice=colour]')?.prepend(option);
}

/** The amounts of both captures in the same tree. */
export class Sides {
  /** @param {Totals} totals @param {Before} before @param {Model} model */
  constructor(totals, before, model) {
    this.totals = { after: totals, before: before.totals };
    this.models = { after: model, before: withOwnValues(model, ownValues(model, {}, { cells: before })) };
    this.taken = '';
  }

  /**
   * Makes the side that the state names the one that is shown.
   * @param {Selection} selection @param {State} state
   */
  take(selection, { widths = USUAL_SIDE }) {
    if (widths === this.taken) return;
    this.taken = widths;
    selection.selectFrom(this.models[widths], this.totals[widths]);
  }

  /**
   * The model of the other side.
   * @param {State} state
   */
  other({ widths = USUAL_SIDE }) {
    return this.models[widths === 'after' ? 'before' : 'after'];
  }
}
