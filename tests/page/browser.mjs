// The browser that the pages are opened in.
import { chromium } from 'playwright-core';

/** Starts it. MEMPROF_CHROMIUM names it (default /usr/bin/chromium). */
export const launch = () => chromium.launch({
  executablePath: process.env.MEMPROF_CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Notes every error and warning of a page. */
export function watch(page, problems) {
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
}

/** What a page's address holds behind `#`, from the page itself: `page.url()` hears of a change a moment later. */
export const hashOf = (page) => page.evaluate(() => location.hash);

/** The same as names and values. */
export const fragmentOf = async (page) => new URLSearchParams((await hashOf(page)).slice(1));
