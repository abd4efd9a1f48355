// Reads the data of the page and brings its parts to life.

import { byId } from './common/dom.js';
import { loadEmbeddedColumns } from './data/container.js';
import { drawFirstView, painted, readFirstView } from './first_view.js';
import { showFailure, showHeader } from './header.js';
import { ReportPage } from './report_page.js';
import { setUpTabs } from './tabs.js';
import { setUpTheme } from './theme.js';
import { RangeControl, showWithoutRanges } from './timeline/range_control.js';
import { Timeline } from './timeline/timeline.js';

const SCHEMA = 'memprof-page-1';

async function main() {
  let redraw = () => {};
  setUpTheme(byId('theme'), () => redraw());
  setUpTabs();
  const first = readFirstView();
  const head = first ?? (await loadEmbeddedColumns(SCHEMA));
  showHeader(head.header);
  const canvas = /** @type {HTMLCanvasElement} */ (byId('timeline'));
  const timeline = new Timeline(canvas, byId('timeline-readout'), head);
  if (head.processes.length > 1) {
    byId('heap-caption').textContent = 'Heap of all processes';
    byId('rss-caption').textContent = 'RSS, their sum';
  }
  byId('timeline-panel').hidden = !timeline.exists;
  if (first) {
    timeline.draw();
    drawFirstView(first);
    await painted();
  }
  const page = new ReportPage(first ? await loadEmbeddedColumns(SCHEMA) : head);
  if (timeline.exists && page.bins) page.rangeControl = new RangeControl(page, page.bins, timeline);
  else showWithoutRanges({ hasTimeline: timeline.exists, isAggregated: head.header.aggregated });
  page.start();
  timeline.draw();
  new ResizeObserver(() => timeline.draw()).observe(byId('timeline-box'));
  redraw = () => {
    page.tabs.themeChanged();
    timeline.draw();
  };
  // For tests and for anyone who measures the page, or examines it with the browser's tools.
  Object.assign(globalThis, { memprof: page });
  performance.mark('memprof-ready');
  document.documentElement.dataset.ready = 'yes';
}

main().catch((error) => {
  showFailure(error);
  throw error;
});
