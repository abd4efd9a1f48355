// Columns of numbers and texts: packed as the page carries them, and as arrays.

/** @typedef {{ name: string, encoding: string, count: number, length: number, wide: boolean }} Column */

/**
 * The same numbers with room for as many again.
 * @template {Int32Array | Float64Array} T
 * @param {T} column @returns {T}
 */
export function twiceAsLong(column) {
  const Kind = /** @type {new (length: number) => T} */ (column.constructor);
  const grown = new Kind(column.length * 2);
  grown.set(column);
  return grown;
}

/**
 * A property whose value is made when it is first read.
 * @param {object} object @param {string} name @param {() => unknown} make
 */
export function defineLazily(object, name, make) {
  Object.defineProperty(object, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = make();
      Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
      return value;
    },
  });
}

/** @param {Uint8Array} bytes @param {Column} column */
export function unpackNumbers(bytes, { count, encoding, wide }) {
  const values = wide ? new Float64Array(count) : new Int32Array(count);
  const end = wide ? readWide(bytes, values) : readNarrow(bytes, values);
  if (end !== bytes.length) throw new Error(`a column of ${bytes.length} bytes has ${count} numbers in ${end}`);
  if (encoding === 'signed')
    for (let i = 0; i < count; i++) values[i] = values[i] % 2 ? -(values[i] + 1) / 2 : values[i] / 2;
  if (encoding === 'ascending') for (let i = 1; i < count; i++) values[i] += values[i - 1];
  return values;
}

/**
 * LEB128 of at most 31 bits into `values`; where the last one ends.
 * @param {Uint8Array} bytes @param {Int32Array | Float64Array} values
 */
function readNarrow(bytes, values) {
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let byte = bytes[at++];
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[at++];
      value |= (byte & 127) << shift;
    }
    values[i] = value;
  }
  return at;
}

/**
 * LEB128 of any size, as near as a double can be.
 * @param {Uint8Array} bytes @param {Int32Array | Float64Array} values
 */
function readWide(bytes, values) {
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let byte = bytes[at++];
    let value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = bytes[at++];
      value += (byte & 127) * scale;
    }
    values[i] = value;
  }
  return at;
}

/** @param {Uint8Array} bytes @param {number} count */
export function unpackTexts(bytes, count) {
  const lengths = new Int32Array(count);
  const all = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(readNarrow(bytes, lengths)));
  let at = 0;
  return Array.from(lengths, (length) => all.slice(at, (at += length)));
}
