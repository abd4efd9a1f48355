'use strict';
// What both pages share: numbers as text, file names as text, small DOM helpers, the theme, the header, downloads.

const THEME_KEY = 'memprof-theme';
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** What the values of a metric are. */
const METRIC_LABELS = { peak: 'Peak', leaked: 'Leaked', total: 'Total', temporary: 'Temporary' };
const METRIC_NAMES = { peak: 'In memory at the peak', leaked: 'Leaked', total: 'Allocated in total', temporary: 'Temporary' };

function byId(id) {
  return document.getElementById(id);
}

/** An element with text; text is never parsed as HTML, so names from the profiled program cannot do harm. */
function makeElement(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  // 1023.96 KiB would read "1024.0 KiB": go to the next unit instead.
  if (unit > 0 && unit < UNITS.length - 1 && Math.abs(value) >= 1023.95) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

function formatCount(count) {
  return count.toLocaleString('en-US');
}

function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** One decimal; a share that is there but rounds to nothing (or to everything) says so. */
function formatPercent(part, whole) {
  if (!(whole > 0)) return '0 %';
  const percent = (100 * part) / whole;
  if (percent === 0) return '0 %';
  if (percent < 0.05) return '<0.1 %';
  if (percent === 100) return '100 %';
  if (percent > 99.9) return '>99.9 %';
  return `${percent.toFixed(1)} %`;
}

function formatSeconds(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

function formatMeasure(value, measure) {
  return measure === 'bytes' ? formatBytes(value) : formatCount(value);
}

/** The part of a path that tells files apart: what follows site-packages, or else the last two components. */
function shortenPath(path) {
  const installed = /\/(?:site|dist)-packages\/(.+)$/.exec(path) || /\/lib\/python\d[\d.]*\/(.+)$/.exec(path);
  if (installed) return installed[1];
  if (path.startsWith('<')) return path;
  return path.split('/').slice(-2).join('/');
}

function baseName(path) {
  return path.startsWith('<') ? path : path.slice(path.lastIndexOf('/') + 1);
}

/** The signs that may follow `operator` and are no brackets then, the longer ones first. */
const OPERATORS = ['()', '<<=', '>>=', '<=>', '->*', '<<', '>>', '<=', '>=', '->', '<', '>'];

/**
 * A native function's name with its template arguments and parameters left out: std::vector<…>::push_back(…). The text
 * reports do the same (reporter/src/text/native_names.rs, which has the examples).
 */
function withoutArguments(name) {
  const closing = { '<': '>', '(': ')' };
  const open = [];
  let out = '';
  let enclosing = 0;
  for (let at = 0; at < name.length; ) {
    const rest = name.slice(at, at + 24);
    const operator = open.length === 0 && /(?:^|[^\p{L}\p{N}_])operator$/u.test(out) ? OPERATORS.find((signs) => rest.startsWith(signs)) : undefined;
    const whole = operator ?? (open.length === 0 && rest.startsWith('(anonymous namespace)') ? '(anonymous namespace)' : rest.startsWith('->') ? '->' : undefined);
    const c = name[at];
    if (whole) {
      if (open.length === 0) out += whole;
    } else if (open.length === 0 && c === '<' && /^<*$/.test(out)) {
      enclosing++;
      out += c;
    } else if (closing[c]) {
      if (open.length === 0) out += rest[1] === closing[c] ? c : `${c}…`;
      open.push(closing[c]);
    } else if (open.at(-1) === c) {
      open.pop();
      if (open.length === 0) out += c;
    } else if (open.length === 0) {
      if (c === '>' && enclosing > 0) enclosing--;
      out += c;
    }
    at += whole ? whole.length : 1;
  }
  return open.length === 0 && enclosing === 0 ? out : name;
}

function prefersDark() {
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

function currentTheme() {
  return document.documentElement.dataset.theme || (prefersDark() ? 'dark' : 'light');
}

/** localStorage throws in some private and file:// settings; the theme then simply is not remembered. */
function rememberTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    /* not remembered */
  }
}

function recallTheme() {
  try {
    return localStorage.getItem(THEME_KEY);
  } catch {
    return null;
  }
}

/** Follows the system until the reader chooses; `onChange` runs whenever colours have to be read again. */
function setUpTheme(button, onChange) {
  const remembered = recallTheme();
  if (remembered === 'dark' || remembered === 'light') document.documentElement.dataset.theme = remembered;
  const showState = () => {
    const next = currentTheme() === 'dark' ? 'light' : 'dark';
    button.textContent = next === 'dark' ? 'Dark' : 'Light';
    button.setAttribute('aria-label', `Switch to the ${next} theme`);
  };
  button.addEventListener('click', () => {
    const next = currentTheme() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    rememberTheme(next);
    showState();
    onChange();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    showState();
    onChange();
  });
  showState();
}

/** A colour of the style sheet as it is in the current theme, so that canvas and page cannot drift apart. */
function cssColour(name) {
  const probe = makeElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** Sizes the bitmap of a canvas to its box and the screen's pixels, and returns its context in CSS pixels. */
function prepareCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const pixelWidth = Math.round(width * ratio);
  const pixelHeight = Math.round(height * ratio);
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Which processes the page is about, and whether the capture has more. */
function processFact({ pid, processes, processes_recorded: recorded }) {
  const others = recorded > processes.length ? ` (${formatCount(processes.length)} of ${formatCount(recorded)} that were recorded)` : '';
  if (processes.length < 2) return ['Process', `pid ${pid}${others}`];
  const named = processes.slice(0, 6).map((process) => process.pid || 'lost');
  const more = processes.length > named.length ? ` and ${formatCount(processes.length - named.length)} more` : '';
  return [`${formatCount(processes.length)} processes`, `pid ${named.join(', ')}${more}${others}`];
}

/** The command, and in short what ran for how long. */
function showHeader(header) {
  byId('command').textContent = header.command_line;
  byId('command').title = header.command_line;
  const list = byId('facts');
  const facts = [['Duration', formatSeconds(header.duration_s)], processFact(header), ...(header.python_version ? [['Python', header.python_version]] : [])];
  for (const [name, value] of facts) {
    const item = makeElement('div');
    item.append(makeElement('dt', name), makeElement('dd', value));
    list.append(item);
  }
  byId('hint').textContent = header.hint || '';
  byId('hint').hidden = !header.hint;
  showBanner(header);
}

/** What the reader has to know before believing the numbers. */
function showBanner(header) {
  const messages = [...(header.notes || [])];
  if (!header.complete) {
    messages.unshift('This capture is incomplete: it ends before the program did. Everything recorded up to that moment is shown.');
  }
  const banner = byId('banner');
  banner.hidden = messages.length === 0;
  for (const message of messages) banner.append(makeElement('p', message));
}

/** Instead of a blank page: why nothing can be shown. */
function showFailure(error) {
  const banner = byId('banner');
  banner.hidden = false;
  banner.classList.add('failure');
  banner.append(makeElement('p', `The embedded data could not be read: ${error.message}`));
}

/** Hands the reader a file made in the page; `parts` are strings. */
function download(fileName, type, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: `${type};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  // Exports of native stacks can be hundreds of megabytes, which take their time.
  setTimeout(() => URL.revokeObjectURL(url), 120_000);
}

function csvField(value) {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** True where a key press means text, so shortcuts have to keep out of the way. */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches('input[type=search], input[type=text], select, textarea');
}

/** What the footer says, where nothing has to add up. */
function showFooterText(text) {
  byId('sum').textContent = text;
  byId('sum').classList.remove('wrong');
  byId('legend').replaceChildren();
}

/** A sum in the footer beside the total that it has to be; if it ever were not, the page says so instead of hiding it. */
function showFooterSum(text, sum, total, name) {
  const agrees = sum === total;
  showFooterText(agrees ? `${text} = ${name}.` : `${text} ≠ ${name} (${formatBytes(total)}).`);
  byId('sum').classList.toggle('wrong', !agrees);
}

/** Rows of plain objects as CSV or JSON; keys of the first row are the columns. */
function saveRows(page, kind, format, rows) {
  if (format === 'json') {
    saveJson(page, kind, rows);
    return;
  }
  const columns = Object.keys(rows[0] ?? {});
  const lines = [`${columns.join(',')}\n`, ...rows.map((row) => `${columns.map((column) => csvField(row[column])).join(',')}\n`)];
  download(`memprof-${page.data.header.pid}-${kind}.csv`, 'text/csv', lines);
}

function saveJson(page, kind, value) {
  download(`memprof-${page.data.header.pid}-${kind}.json`, 'application/json', [JSON.stringify(value, null, 1), '\n']);
}
