// Names of files and functions as text.

/**
 * The part of a path that distinguishes files: what follows site-packages, or else the last two components.
 * @param {string} path
 */
export function shortenPath(path) {
  const installed = /\/(?:site|dist)-packages\/(.+)$/.exec(path) || /\/lib\/python\d[\d.]*\/(.+)$/.exec(path);
  if (installed) return installed[1];
  if (path.startsWith('<')) return path;
  return path.split('/').slice(-2).join('/');
}

/** @param {string} path */
export function baseName(path) {
  return path.startsWith('<') ? path : path.slice(path.lastIndexOf('/') + 1);
}

/** The signs that may follow `operator` and are no brackets then, the longer ones first. */
const OPERATORS = ['()', '<<=', '>>=', '<=>', '->*', '<<', '>>', '<=', '>=', '->', '<', '>'];

/**
 * A native function's name with its template arguments and parameters left out: std::vector<…>::push_back(…). The text
 * reports do the same (reporter/src/text/native_names.rs, which has the examples).
 * @param {string} name
 */
export function withoutArguments(name) {
  /** @type {Record<string, string>} */
  const closing = { '<': '>', '(': ')' };
  /** @type {string[]} */
  const open = [];
  let out = '';
  let enclosing = 0;
  for (let at = 0; at < name.length;) {
    const rest = name.slice(at, at + 24);
    const operator =
      open.length === 0 && /(?:^|[^\p{L}\p{N}_])operator$/u.test(out)
        ? OPERATORS.find((signs) => rest.startsWith(signs))
        : undefined;
    const whole =
      operator ??
      (open.length === 0 && rest.startsWith('(anonymous namespace)')
        ? '(anonymous namespace)'
        : rest.startsWith('->')
          ? '->'
          : undefined);
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
