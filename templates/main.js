'use strict';
// Reads the data of the flame graph page and brings its parts to life.

async function main() {
  let redraw = () => {};
  setUpTheme(byId('theme'), () => redraw());
  const first = readFirstView();
  const head = first ?? (await loadEmbeddedColumns('memprof-page-1'));
  showHeader(head.header);
  const timeline = new Timeline(byId('timeline'), byId('timeline-readout'), head);
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
  const page = new ReportPage(first ? await loadEmbeddedColumns('memprof-page-1') : head);
  if (timeline.exists && page.bins) page.rangeControl = new RangeControl(page, timeline);
  else showWithoutRanges(timeline.exists);
  page.start();
  timeline.draw();
  new ResizeObserver(() => timeline.draw()).observe(byId('timeline').parentElement);
  redraw = () => {
    page.tabs.themeChanged();
    timeline.draw();
  };
  // For tests and for anyone who measures the page.
  performance.mark('memprof-ready');
  document.documentElement.dataset.ready = 'yes';
}

main().catch((error) => {
  showFailure(error);
  throw error;
});
