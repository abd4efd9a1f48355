// Pointing at the flame graph: what is under the pointer has an outline and a tooltip, and a click zooms to it.

import { Painter } from './draw.js';
import { rectangleAt } from './layout.js';

/** @import { FlameGraph } from './flame_graph.js' */

/** @param {FlameGraph} flame */
export function listenToPointer(flame) {
  const { graph, stage, tooltip } = flame;
  stage.addEventListener('pointermove', (event) => {
    const found = rectangleUnder(flame, event);
    if (found?.node !== flame.hover?.node) {
      flame.hover = found;
      stage.classList.toggle('over', found !== null);
      flame.scheduleDraw();
    }
    if (found) tooltip.show(flame.scene(), found.node, event.clientX, event.clientY);
    else tooltip.hide();
  });
  stage.addEventListener('pointerleave', () => {
    flame.hover = null;
    tooltip.hide();
    flame.scheduleDraw();
  });
  stage.addEventListener('click', (event) => {
    const found = rectangleUnder(flame, event);
    if (found) flame.activate(found);
  });
  graph.addEventListener('scroll', () => {
    tooltip.hide();
    flame.scheduleDraw();
  });
  graph.addEventListener('blur', () => tooltip.hide());
}

/** @param {FlameGraph} flame @param {MouseEvent} event */
function rectangleUnder(flame, event) {
  const { graph, layout } = flame;
  const box = graph.getBoundingClientRect();
  const row = Painter.rowAt(flame.scene(), event.clientY - box.top - graph.clientTop);
  return rectangleAt(layout, row, event.clientX - box.left - graph.clientLeft);
}
