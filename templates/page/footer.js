// The foot of the page: what is shown, added up.

import { byId } from './common/dom.js';
import { formatBytes } from './common/format.js';

/**
 * What the footer says, where nothing has to add up.
 * @param {string} text
 */
export function showFooterText(text) {
  byId('sum').textContent = text;
  byId('sum').classList.remove('wrong');
  byId('legend').replaceChildren();
}

/**
 * A sum in the footer beside the total that it has to be; if it ever were not, the page says so instead of hiding it.
 * @param {string} text @param {number} sum @param {number} total @param {string} name
 */
export function showFooterSum(text, sum, total, name) {
  const agrees = sum === total;
  showFooterText(agrees ? `${text} = ${name}.` : `${text} ≠ ${name} (${formatBytes(total)}).`);
  byId('sum').classList.toggle('wrong', !agrees);
}
