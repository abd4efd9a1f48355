// Files made in the page, handed to the reader.

/** @import { ReportPage } from '../report_page.js' */

/**
 * Hands the reader a file made in the page; `parts` are strings.
 * @param {string} fileName @param {string} type @param {string[]} parts
 */
export function download(fileName, type, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: `${type};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  // Exports of native stacks can be hundreds of megabytes, which take their time.
  setTimeout(() => URL.revokeObjectURL(url), 120_000);
}

/** @param {unknown} value */
function csvField(value) {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Rows of plain objects as CSV or JSON; keys of the first row are the columns.
 * @param {ReportPage} page @param {string} kind @param {string} format @param {object[]} rows
 */
export function saveRows(page, kind, format, rows) {
  if (format === 'json') {
    saveJson(page, kind, rows);
    return;
  }
  const columns = Object.keys(rows[0] ?? {});
  const lines = [
    `${columns.join(',')}\n`,
    ...rows.map(
      (row) => `${columns.map((column) => csvField(/** @type {Record<string, unknown>} */ (row)[column])).join(',')}\n`,
    ),
  ];
  download(`memprof-${page.data.header.pid}-${kind}.csv`, 'text/csv', lines);
}

/** @param {ReportPage} page @param {string} kind @param {unknown} value */
export function saveJson(page, kind, value) {
  download(`memprof-${page.data.header.pid}-${kind}.json`, 'application/json', [JSON.stringify(value, null, 1), '\n']);
}
