// The data inside a page, read without the page's own code.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

function unpacked(file) {
  const base64 = /<script[^>]*id="memprof-data"[^>]*>([^<]*)</.exec(readFileSync(file, 'utf8'))[1];
  return gunzipSync(Buffer.from(base64, 'base64'));
}

/**
 * The data of a flame graph page: the head, and each column `table.name` as an array `name` of the object `table`. The
 * table `nodes` has two columns that are not in the file: `parent` (the parent's index) and, for each column of amounts
 * of `cells`, the sums by node.
 */
export function readReport(file) {
  const bytes = unpacked(file);
  let at = 4 + bytes.readUInt32LE(0);
  const { head, columns } = JSON.parse(bytes.subarray(4, at).toString('utf8'));
  const leb128 = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  for (const { name, encoding, count, length } of columns) {
    const end = at + length;
    let values = Array.from({ length: count }, leb128);
    if (encoding === 'signed') values = values.map((value) => (value & 1n ? -((value + 1n) >> 1n) : value >> 1n));
    values = values.map(Number);
    if (encoding === 'ascending') values.forEach((value, i) => i && (values[i] += values[i - 1]));
    if (encoding === 'text') {
      const text = bytes.subarray(at, end).toString('utf8');
      let from = 0;
      values = values.map((size) => text.slice(from, (from += size)));
    }
    at = end;
    const [table, column] = name.split('.');
    if (column) (head[table] ??= {})[column] = values;
    else head[table] = values;
  }
  return withNodeColumns(head);
}

function withNodeColumns(report) {
  const { nodes, cells } = report;
  const path = [];
  nodes.parent = [];
  for (const [i, up] of nodes.up.entries()) {
    if (i > 0) path.length -= up;
    nodes.parent.push(path.at(-1) ?? 0);
    path.push(i);
  }
  for (const [name, values] of Object.entries(cells)) {
    if (!/_(bytes|allocations)$/.test(name)) continue;
    nodes[name] = nodes.parent.map(() => 0);
    values.forEach((value, c) => (nodes[name][cells.node[c]] += value));
  }
  return report;
}
