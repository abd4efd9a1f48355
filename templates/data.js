'use strict';
// The embedded data: base64 text -> gzip -> a head and binary columns (reporter/src/page/columns.rs).

/** Bytes of the base64 text inside the data element. */
function decodeBase64(text) {
  const trimmed = text.trim();
  if (typeof Uint8Array.fromBase64 === 'function') return Uint8Array.fromBase64(trimmed);
  const binary = atob(trimmed);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Resolves when the page has been read to its end, where the data is. */
function pageIsRead() {
  if (document.readyState !== 'loading') return Promise.resolve();
  return new Promise((resolve) => document.addEventListener('DOMContentLoaded', resolve, { once: true }));
}

/** The compressed bytes of the data element, which goes: the page then holds the data once, not twice. */
async function takeEmbeddedBytes() {
  await pageIsRead();
  const element = document.getElementById('memprof-data');
  const bytes = decodeBase64(element.textContent);
  element.remove();
  return bytes;
}

function inflate(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')));
}

function checkSchema(found, expected) {
  if (found !== expected) throw new Error(`this page reads ${expected}, the data says ${found}`);
}

/** Reads data that is a head and columns; see `readContainer`. */
async function loadEmbeddedColumns(schema) {
  return readContainer(new Uint8Array(await inflate(await takeEmbeddedBytes()).arrayBuffer()), schema);
}

/**
 * The head of a container, with a column `table.name` as the property `name` of the property `table`, and one without a
 * dot as a property of the head itself. A column is unpacked when somebody asks for it first.
 */
function readContainer(bytes, schema) {
  const headLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const { schema: found, head, columns } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headLength)));
  checkSchema(found, schema);
  let at = 4 + headLength;
  for (const column of columns) {
    const part = bytes.subarray(at, at + column.length);
    at += column.length;
    const [table, name] = column.name.includes('.') ? column.name.split('.') : ['', column.name];
    const owner = table ? (head[table] ??= {}) : head;
    defineLazily(owner, name, () => (column.encoding === 'text' ? unpackTexts(part, column.count) : unpackNumbers(part, column)));
  }
  if (at !== bytes.length) throw new Error(`the data has ${bytes.length} bytes, its columns ${at}`);
  return head;
}

/** A property whose value is made when it is first read. */
function defineLazily(object, name, make) {
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

function unpackNumbers(bytes, { count, encoding, wide }) {
  const values = wide ? new Float64Array(count) : new Int32Array(count);
  const end = wide ? readWide(bytes, values) : readNarrow(bytes, values);
  if (end !== bytes.length) throw new Error(`a column of ${bytes.length} bytes has ${count} numbers in ${end}`);
  if (encoding === 'signed') for (let i = 0; i < count; i++) values[i] = values[i] % 2 ? -(values[i] + 1) / 2 : values[i] / 2;
  if (encoding === 'ascending') for (let i = 1; i < count; i++) values[i] += values[i - 1];
  return values;
}

/** LEB128 of at most 31 bits into `values`; where the last one ends. */
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

/** LEB128 of any size, as near as a double can be. */
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

function unpackTexts(bytes, count) {
  const lengths = new Int32Array(count);
  const all = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(readNarrow(bytes, lengths)));
  let at = 0;
  return Array.from(lengths, (length) => all.slice(at, (at += length)));
}
