// The embedded data: base64 text -> gzip -> a head and binary columns (reporter/src/pages/page/columns.rs).

import { byId } from '../common/dom.js';
import { defineLazily, unpackNumbers, unpackTexts } from './columns.js';

/** @import { AmountName, Metric } from './metrics.js' */

/**
 * A column of numbers, unpacked or of plain JSON.
 * @typedef {object} NumberList
 * @property {number} length
 * @property {(value: number) => number} indexOf
 * @property {(value: number) => boolean} includes
 * @property {(visit: (value: number, index: number) => void) => void} forEach
 * @property {(found: (value: number, index: number) => boolean) => number} findIndex
 * @property {(add: (sum: number, value: number, index: number) => number, first: number) => number} reduce
 */
/** @typedef {NumberList & ArrayLike<number> & Iterable<number>} Numbers */
/** @typedef {{ bytes: number, allocations: number }} Amount */
/** @typedef {Record<Metric, Amount> & { peak: { at_s: number } }} Totals */

/**
 * Frames, by number; texts are numbers of `strings`, or -1.
 * @typedef {object} Frames
 * @property {Numbers} function
 * @property {Numbers} file
 * @property {Numbers} line 0 where nobody knows
 * @property {Numbers} kind see KINDS in views.js
 * @property {Numbers} shown bits, see SHOWN_IN in views.js
 * @property {Numbers} module
 * @property {Numbers} source the text of the line
 * @property {Numbers} [origin] see row_places.js; not in first views
 * @property {Numbers} [passes_on]
 * @property {Numbers} [enters_allocator]
 */
/** @typedef {{ up: Numbers, frame: Numbers }} Nodes how many levels each node is above the one before it */
/** @typedef {{ node: Numbers } & Record<AmountName, Numbers>} CellAmounts */
/**
 * @typedef {CellAmounts & { thread: Numbers, allocator: Numbers }} Cells what a thread allocated at a node with an
 *   allocator
 */
/** @typedef {CellAmounts & { totals: Totals }} Before the amounts of the earlier of two captures */
/** @typedef {{ t: Numbers, bytes: Numbers }} Series seconds, and bytes from then on */
/** @typedef {{ min_bytes: number, max_bytes: number, allocations: number, bytes: number }} SizeBucket */
/**
 * @typedef {{ width_s: number, highest: Numbers, highest_at_s: (number | null)[] } & Record<BinColumn, Numbers>}
 *   BinColumns
 */
/**
 * @typedef {'allocated_rows' | 'allocated_step' | 'allocated_head' | 'allocated_bytes' | 'released_rows' |
 *   'released_step'
 *   | 'released_head' | 'released_bytes' | 'released_allocations' | `${'ended' | 'changed'}_${'rows' | 'step'}`
 *   | `${'ended' | 'changed'}_${'bytes' | 'allocations'}` | `mixed_${'released' | 'temporary'}_${'bytes' |
 * 'allocations'}` } BinColumn
 */

/**
 * The facts about the run (reporter/src/pages/page/header.rs).
 * @typedef {object} Header
 * @property {string} command_line
 * @property {string} start_time
 * @property {number} duration_s
 * @property {number} pid
 * @property {string | null} python_version
 * @property {string | null} python_allocator
 * @property {boolean} python_allocators_traced
 * @property {boolean} native_stacks
 * @property {string} memprof_version
 * @property {boolean} complete
 * @property {string[]} notes
 * @property {string | null} hint
 * @property {{ pid: number, label: string, command_line: string, started_s: number }[]} processes
 * @property {number} processes_recorded
 * @property {boolean} aggregated whether the capture has no events that ranges of time could be made of
 */

/**
 * All that the page knows (reporter/src/pages/flamegraph/html.rs).
 * @typedef {object} PageData
 * @property {Header} header
 * @property {string} opens_on
 * @property {string} metric
 * @property {string} view
 * @property {boolean} show_runtime
 * @property {boolean} show_imports
 * @property {string} places_of
 * @property {boolean} inverted
 * @property {Totals} totals
 * @property {{ peak_rss_bytes: number | null, channel_waits: number }} [run] not in the page of two captures
 * @property {SizeBucket[]} [size_histogram] not in the page of two captures
 * @property {{ heap: Series, rss: Series }} timeline
 * @property {{ id: number | null, label: string, process: number }[]} threads
 * @property {string[]} allocators
 * @property {(Record<Metric, Amount> & { node: number | null, own_peak_bytes: number })[]} processes
 * @property {BinColumns | null} bins
 * @property {Before} [before] only in the page of two captures
 * @property {string[]} strings
 * @property {Frames} frames
 * @property {Nodes} nodes
 * @property {Cells} cells
 * @property {{ file: Numbers, absent: string[], text: string[] }} [sources] only where whole files are shown
 */

/**
 * Bytes of the base64 text inside the data element.
 * @param {string} text
 */
function decodeBase64(text) {
  const trimmed = text.trim();
  // Newer than the oldest browsers that the page is for.
  const { fromBase64 } = /** @type {{ fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }} */ (Uint8Array);
  if (fromBase64) return fromBase64.call(Uint8Array, trimmed);
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

/**
 * The compressed bytes of the data element, which goes: the page then holds the data once, not twice.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function takeEmbeddedBytes() {
  await pageIsRead();
  const element = byId('memprof-data');
  const bytes = decodeBase64(element.textContent);
  element.remove();
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function inflate(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')));
}

/** @param {string} found @param {string} expected */
function checkSchema(found, expected) {
  if (found !== expected) throw new Error(`this page reads ${expected}, the data says ${found}`);
}

/**
 * Reads data that is a head and columns; see `readContainer`.
 * @param {string} schema
 */
export async function loadEmbeddedColumns(schema) {
  return readContainer(new Uint8Array(await inflate(await takeEmbeddedBytes()).arrayBuffer()), schema);
}

/**
 * The head of a container, with a column `table.name` as the property `name` of the property `table`, and one without a
 * dot as a property of the head itself. A column is unpacked when somebody asks for it first.
 * @param {Uint8Array} bytes @param {string} schema @returns {PageData}
 */
export function readContainer(bytes, schema) {
  const headLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const { schema: found, head, columns } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headLength)));
  checkSchema(found, schema);
  let at = 4 + headLength;
  for (const column of columns) {
    const part = bytes.subarray(at, at + column.length);
    at += column.length;
    const [table, name] = column.name.includes('.') ? column.name.split('.') : ['', column.name];
    const owner = table ? (head[table] ??= {}) : head;
    defineLazily(owner, name, () =>
      column.encoding === 'text' ? unpackTexts(part, column.count) : unpackNumbers(part, column),
    );
  }
  if (at !== bytes.length) throw new Error(`the data has ${bytes.length} bytes, its columns ${at}`);
  return head;
}
