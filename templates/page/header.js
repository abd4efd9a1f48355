// The head of the page: the run in short, what to know before believing the numbers, and why nothing can be shown.

import { byId, makeElement } from './common/dom.js';
import { formatCount, formatSeconds } from './common/format.js';

/** @import { Header } from './data/container.js' */

/**
 * Which processes the page is about, and whether the capture has more.
 * @param {Header} header @returns {[string, string]}
 */
export function processFact({ pid, processes, processes_recorded: recorded }) {
  const others =
    recorded > processes.length
      ? ` (${formatCount(processes.length)} of ${formatCount(recorded)} that were recorded)`
      : '';
  if (processes.length < 2) return ['Process', `pid ${pid}${others}`];
  const named = processes.slice(0, 6).map((process) => process.pid || 'lost');
  const more = processes.length > named.length ? ` and ${formatCount(processes.length - named.length)} more` : '';
  return [`${formatCount(processes.length)} processes`, `pid ${named.join(', ')}${more}${others}`];
}

/**
 * The command, and in short what ran for how long.
 * @param {Header} header
 */
export function showHeader(header) {
  byId('command').textContent = header.command_line;
  byId('command').title = header.command_line;
  const list = byId('facts');
  const facts = [
    ['Duration', formatSeconds(header.duration_s)],
    processFact(header),
    ...(header.python_version ? [['Python', header.python_version]] : []),
  ];
  for (const [name, value] of facts) {
    const item = makeElement('div');
    item.append(makeElement('dt', name), makeElement('dd', value));
    list.append(item);
  }
  byId('hint').textContent = header.hint || '';
  byId('hint').hidden = !header.hint;
  showBanner(header);
}

/**
 * What the reader has to know before believing the numbers.
 * @param {Header} header
 */
function showBanner(header) {
  const messages = [...(header.notes || [])];
  if (!header.complete) {
    messages.unshift(
      'This capture is incomplete: it ends before the program did. Everything recorded up to that moment is shown.',
    );
  }
  const banner = byId('banner');
  banner.hidden = messages.length === 0;
  for (const message of messages) banner.append(makeElement('p', message));
}

/**
 * Instead of a blank page: why nothing can be shown.
 * @param {Error} error
 */
export function showFailure(error) {
  const banner = byId('banner');
  banner.hidden = false;
  banner.classList.add('failure');
  banner.append(makeElement('p', `The embedded data could not be read: ${error.message}`));
}
