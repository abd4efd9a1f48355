// The course of a value over the run, as small as a line of text.

import { prepareCanvas } from '../common/dom.js';
import { largest } from '../common/format.js';

export const SPARKLINE_WIDTH = 96;
const HEIGHT = 18;

/**
 * Draws the values of equal parts of the run, the largest as high as there is room.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number> & Iterable<number>} series
 * @param {{ area: string, edge: string }} colours
 */
export function drawSparkline(canvas, series, { area, edge }) {
  const width = SPARKLINE_WIDTH;
  const most = largest(series);
  const pen = prepareCanvas(canvas, width, HEIGHT);
  if (!(most > 0)) return;
  // The largest value of each pixel, so that no peak is lost.
  const tops = new Float64Array(width);
  for (let bin = 0; bin < series.length; bin++) {
    const [from, to] = [bin, bin + 1].map((side) => Math.floor((side / series.length) * width));
    for (let x = from; x < Math.max(to, from + 1); x++) tops[x] = Math.max(tops[x], series[bin]);
  }
  tops.forEach((value, x) => {
    if (!(value > 0)) return;
    const drawn = Math.max(1, (value / most) * (HEIGHT - 1));
    pen.fillStyle = area;
    pen.fillRect(x, HEIGHT - drawn, 1, drawn);
    pen.fillStyle = edge;
    pen.fillRect(x, HEIGHT - drawn, 1, 1);
  });
}
