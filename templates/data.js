'use strict';
// The embedded data: base64 text -> gzip -> JSON bytes -> an object whose number arrays are typed arrays.
//
// The JSON is read here instead of by JSON.parse because a report of a million nodes is mostly eight long number
// columns: reading them straight from the bytes into typed arrays skips the text decoding and the boxed arrays.

/** Bytes of the base64 text inside the data element. */
function decodeBase64(text) {
  const trimmed = text.trim();
  if (typeof Uint8Array.fromBase64 === 'function') return Uint8Array.fromBase64(trimmed);
  const binary = atob(trimmed);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Inflates gzip; the stream hands out small pieces, which are joined once at the end. */
async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const reader = stream.getReader();
  const pieces = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
  }
  const joined = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

const CHAR = { quote: 34, comma: 44, minus: 45, zero: 48, nine: 57, open: 91, backslash: 92, close: 93 };

/** Index of the quote that ends the string which starts at `start`. */
function endOfString(bytes, start) {
  let i = start + 1;
  while (bytes[i] !== CHAR.quote) i += bytes[i] === CHAR.backslash ? 2 : 1;
  return i;
}

/** A JSON reader over bytes. Arrays of numbers become Float64Array; all other values are what JSON.parse gives. */
class JsonBytes {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.decoder = new TextDecoder();
    this.scratch = new Float64Array(1 << 16);
  }

  skipSpace() {
    while (this.bytes[this.at] <= 32) this.at++;
  }

  /** Steps over `code` if it comes next. */
  accept(code) {
    this.skipSpace();
    if (this.bytes[this.at] !== code) return false;
    this.at++;
    return true;
  }

  expect(code) {
    if (!this.accept(code)) throw new SyntaxError(`unexpected byte at ${this.at} of the embedded data`);
  }

  parseSlice(start, end) {
    return JSON.parse(this.decoder.decode(this.bytes.subarray(start, end)));
  }

  value() {
    this.skipSpace();
    const code = this.bytes[this.at];
    if (code === 123 /* { */) return this.object();
    if (code === CHAR.open) return this.array();
    return this.scalar();
  }

  scalar() {
    const start = this.at;
    if (this.bytes[start] === CHAR.quote) {
      this.at = endOfString(this.bytes, start) + 1;
    } else {
      // A number, true, false or null runs up to the next separator.
      while (this.at < this.bytes.length && !isSeparator(this.bytes[this.at])) this.at++;
    }
    return this.parseSlice(start, this.at);
  }

  object() {
    const result = {};
    this.expect(123);
    if (this.accept(125)) return result;
    do {
      this.skipSpace();
      const key = this.scalar();
      this.expect(58);
      result[key] = this.value();
    } while (this.accept(CHAR.comma));
    this.expect(125);
    return result;
  }

  array() {
    const start = this.at++;
    this.skipSpace();
    const first = this.bytes[this.at];
    if (first === CHAR.minus || (first >= CHAR.zero && first <= CHAR.nine)) return this.numbers();
    if (first === CHAR.quote) return this.strings(start);
    const result = [];
    if (this.accept(CHAR.close)) return result;
    do result.push(this.value()); while (this.accept(CHAR.comma));
    this.expect(CHAR.close);
    return result;
  }

  /** An array of strings is handed to JSON.parse whole: one call is much faster than one for each string. */
  strings(start) {
    const bytes = this.bytes;
    let i = start + 1;
    while (bytes[i] !== CHAR.close) i = bytes[i] === CHAR.quote ? endOfString(bytes, i) + 1 : i + 1;
    this.at = i + 1;
    return this.parseSlice(start, this.at);
  }

  /** The hot loop of the page: literal character codes and no calls, except for the rare kinds of number. */
  numbers() {
    const bytes = this.bytes;
    let out = this.scratch;
    let count = 0;
    let i = this.at;
    for (;;) {
      while (bytes[i] <= 32) i++;
      const start = i;
      const negative = bytes[i] === 45;
      if (negative) i++;
      // Up to nine digits fit into a small integer, which is what most numbers of a report are.
      let number = 0;
      let digit = bytes[i] - 48;
      for (const stop = i + 9; digit >= 0 && digit <= 9 && i < stop; digit = bytes[++i] - 48) number = (number * 10 + digit) | 0;
      let next = bytes[i];
      if (next !== 44 && next !== 93) {
        while (!isSeparator(bytes[i])) i++;
        number = Math.abs(Number(this.decoder.decode(bytes.subarray(start, i))));
        while (bytes[i] <= 32) i++;
        next = bytes[i];
      }
      if (count === out.length) {
        const grown = new Float64Array(out.length * 2);
        grown.set(out);
        out = this.scratch = grown;
      }
      out[count++] = negative ? -number : number;
      i++;
      if (next === 93) break;
      if (next !== 44) throw new SyntaxError(`unexpected byte at ${i} of the embedded data`);
    }
    this.at = i;
    return out.slice(0, count);
  }
}

/** Comma, closing brackets, white space, or the end of the data (undefined). */
function isSeparator(code) {
  return !(code > 32) || code === CHAR.comma || code === CHAR.close || code === 125;
}

function parseJsonBytes(bytes) {
  return new JsonBytes(bytes).value();
}

/** Reads the data element of this page and checks that it is of the kind the page was made for. */
async function loadEmbeddedData(schema) {
  const element = document.getElementById('memprof-data');
  const data = parseJsonBytes(await gunzip(decodeBase64(element.textContent)));
  element.remove(); // The text is not needed again; without it the page holds the data once, not twice.
  if (data.schema !== schema) throw new Error(`this page reads ${schema}, the data says ${data.schema}`);
  return data;
}
