// The flame graph: turns the state of the page into tree, layout and drawing, and clicks into changes of the state.

import { byId, cssColour } from '../common/dom.js';
import { formatMeasure } from '../common/format.js';
import { currentTheme } from '../theme.js';
import { Colours } from './colour.js';
import { Painter, ROW_HEIGHT, growsUpward } from './draw.js';
import { FrameMirror } from './frame_mirror.js';
import { findRectangle, layoutTree } from './layout.js';
import { Matches, treeNodeOf } from './matches.js';
import { neighbour } from './moves.js';
import { Tooltip, describeView, emptyMessage, showBreadcrumb, showLegend, showSum } from './panels.js';
import { listenToPointer } from './pointer.js';
import { Sandwich, focusFrame, layoutSandwich } from './sandwich.js';
import { Tree } from './tree.js';

/** @import { Changes } from '../choices/state.js' */
/** @import { ReportPage } from '../report_page.js' */
/** @import { Scene } from './draw.js' */
/** @import { Layout, Rectangle } from './layout.js' */
/** @import { Direction } from './moves.js' */
/** @import { AnyTree } from './sandwich.js' */
/** @import { NodePlace, TreeNode, TreeSpec } from './tree.js' */

/** Trees kept for going back and forth between views; each may hold several columns of a large report. */
const KEPT_TREES = 4;

export class FlameGraph {
  /** @param {ReportPage} page */
  constructor(page) {
    this.page = page;
    /** @type {Map<string, AnyTree>} */
    this.trees = new Map();
    this.graph = byId('graph');
    this.stage = byId('stage');
    this.painter = new Painter(/** @type {HTMLCanvasElement} */ (byId('canvas')));
    this.tooltip = new Tooltip(byId('tooltip'));
    this.mirror = new FrameMirror(this.graph, byId('mirror'));
    this.matches = new Matches(this);
    /** @type {Rectangle | null} */
    this.focus = null;
    /** @type {Rectangle | null} */
    this.hover = null;
    this.width = 1;
    this.height = 0;
    this.tree = this.currentTree();
    /** @type {Layout} */
    this.layout = this.layoutOf(this.tree.root);
    /**
     * What the elements for screen readers show.
     * @type {{ layout: Layout, scrollTop: number } | null}
     */
    this.mirrored = null;
    this.scheduled = 0;
    this.colours = new Colours(this.data, currentTheme());
    this.background = this.accent = this.text = '';
    this.readColours();
    this.listen();
  }

  get data() {
    return this.page.data;
  }

  get state() {
    return this.page.state;
  }

  get model() {
    return this.page.model;
  }

  get hidden() {
    return this.page.hidden;
  }

  // ---- from state to screen ----

  /** @returns {AnyTree} */
  currentTree() {
    const { metric, measure, view, group, focus } = this.state;
    const name = [metric, measure, view, group, view === 'sandwich' ? focus : '', this.page.modelName].join(' ');
    let tree = this.trees.get(name);
    if (!tree) {
      tree = this.makeTree();
      for (const oldest of this.trees.keys()) {
        if (this.trees.size < KEPT_TREES) break;
        this.trees.delete(oldest);
      }
    }
    // Last used goes last, so that the first one is the one to give up.
    this.trees.delete(name);
    this.trees.set(name, tree);
    return tree;
  }

  makeTree() {
    const { model, hidden } = this;
    const { metric, measure, view, group } = this.state;
    /** @type {TreeSpec} */
    const spec = { metric, measure, inverted: view === 'inverted', group };
    if (view === 'sandwich') spec.focus = focusFrame({ model, hidden, spec }, this.state);
    const Kind = view === 'sandwich' ? Sandwich : Tree;
    const tree = new Kind(model, spec, hidden);
    if (this.page.sides) tree.other = new Kind(this.page.sides.other(this.state), spec, hidden);
    return tree;
  }

  /**
   * Everything again from the state. After changes of the view the root comes into sight.
   * @param {Changes | null} changes
   */
  apply(changes) {
    const focused = this.focus?.node ?? null;
    this.tree = this.currentTree();
    this.matches.update();
    const root = this.tree.nodeAt(this.state.zoom);
    this.state.zoom = this.tree.pathOf(root);
    this.layOut(root);
    this.focus = findRectangle(this.layout, focused);
    if (!changes || ['zoom', 'view', 'group', 'draw', 'focus'].some((name) => name in changes)) this.scrollToRoot();
    this.showControls();
    this.draw();
  }

  /** @param {TreeNode} root */
  layOut(root) {
    this.width = Math.max(1, this.stage.clientWidth);
    this.layout = this.layoutOf(root);
    this.hover = null;
    this.tooltip.hide();
    this.fitStage();
  }

  /** @param {TreeNode} root @returns {Layout} */
  layoutOf(root) {
    const { tree, width } = this;
    return tree instanceof Sandwich ? layoutSandwich(tree, width) : layoutTree(tree, root, width);
  }

  fitStage() {
    this.height = this.graph.clientHeight;
    this.stage.style.height = `${Math.max(this.height, this.layout.rows.length * ROW_HEIGHT)}px`;
  }

  /** @returns {Scene} */
  scene() {
    return {
      layout: this.layout,
      tree: this.tree,
      model: this.model,
      state: this.state,
      colours: this.colours,
      totals: this.page.totals,
      limits: this.page.selection.describe(this.state),
      matches: this.matches.found,
      width: this.width,
      height: this.height,
      scrollTop: this.graph.scrollTop,
      focus: this.focus,
      hover: this.hover,
      background: this.background,
      accent: this.accent,
      text: this.text,
    };
  }

  draw() {
    if (this.tree.root.value > 0) this.painter.draw(this.scene());
    // After hovering there is nothing new to announce.
    const { layout } = this;
    const { scrollTop } = this.graph;
    if (this.mirrored?.layout === layout && this.mirrored.scrollTop === scrollTop) return;
    this.mirrored = { layout, scrollTop };
    this.mirror.schedule(() => this.scene());
  }

  /** Many events in one frame (scrolling, hovering) cost one drawing. */
  scheduleDraw() {
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      this.draw();
    });
  }

  readColours() {
    this.colours = new Colours(this.data, currentTheme());
    this.background = cssColour('--ground');
    this.accent = cssColour('--accent');
    this.text = cssColour('--text');
  }

  scrollToRoot() {
    // A function with many callers above it is in the middle.
    const middle = Math.max(0, (this.layout.above + 0.5) * ROW_HEIGHT - this.height / 2);
    this.graph.scrollTop = growsUpward(this.state) ? this.graph.scrollHeight : middle;
  }

  showControls() {
    const scene = this.scene();
    const message = emptyMessage(scene);
    byId('empty').textContent = message;
    byId('empty').hidden = message === '';
    this.stage.hidden = message !== '';
    /** @type {HTMLButtonElement} */ (byId('reset')).disabled =
      !this.layout.root.parent && this.state.view !== 'sandwich';
    showBreadcrumb(byId('breadcrumb'), scene, (node) => this.zoomTo(node));
    showSum(byId('sum'), scene);
    showLegend(byId('legend'), scene);
    this.matches.show();
    this.graph.setAttribute(
      'aria-label',
      `Call tree, ${describeView(scene)}, ${formatMeasure(this.tree.root.value, this.state.measure)}`,
    );
  }

  // ---- changes of the state ----

  /**
   * The state has changed. Another tree keeps the zoom as far as it exists there.
   * @param {Changes} changes
   */
  stateChanged(changes) {
    const turned = 'view' in changes || 'group' in changes;
    // Turned to a sandwich without a word of which: of the present frame.
    if (changes.view === 'sandwich' && !('focus' in changes) && this.presentFrame() > 0)
      this.state.focus = this.presentFrame().toString(36);
    if (turned && !('zoom' in changes)) this.state.zoom = '';
    const zoomed = 'frames' in changes || 'runtime' in changes ? this.zoomedModelNode() : -1;
    if (zoomed >= 0) this.state.zoom = this.pathInView(zoomed);
    this.matches.index = -1;
  }

  /** The largest recorded node that the zoomed one represents; -1 where there is none. */
  zoomedModelNode() {
    const { tree } = this;
    const { root } = this.layout;
    if (!root.parent || root.block || !(tree instanceof Tree) || tree.spec.inverted) return -1;
    return root.members.reduce((largest, node) => (tree.bytes[node] > tree.bytes[largest] ? node : largest));
  }

  /**
   * Where another view has a recorded node, or its innermost caller there. Inverted views have no one place for it.
   * @param {number} modelNode
   */
  pathInView(modelNode) {
    const tree = this.currentTree();
    return tree.spec.inverted || !(tree instanceof Tree) ? '' : tree.pathOf(treeNodeOf(tree, modelNode));
  }

  /** The frame that has the focus of the keyboard or the pointer, or is zoomed to; -1 where there is none. */
  presentFrame() {
    const node = [this.focus?.node, this.hover?.node, this.layout.root].find(
      (candidate) => candidate && candidate.key >= 0,
    );
    return node ? node.frame : -1;
  }

  /** The function of that frame between its callers and callees. */
  openSandwich() {
    if (this.presentFrame() <= 0) return;
    this.page.openSandwich(this.presentFrame());
    this.focusRoot();
  }

  /** @param {NodePlace} node */
  zoomTo(node) {
    const { tree } = this;
    if (tree instanceof Sandwich) this.sandwichTo(node);
    else {
      this.page.choose({ zoom: tree.pathOf(node) });
      this.focusRoot();
    }
  }

  /**
   * In a sandwich a click makes another function the one in the middle; the way to `all` leads out of it.
   * @param {NodePlace} node
   */
  sandwichTo(node) {
    if (node.block) return;
    if (node.key < 0) this.page.choose({ view: 'top-down', focus: '' });
    else this.page.choose({ focus: node.frame.toString(36) });
    this.focusRoot();
  }

  /** All frames, or out of a sandwich. */
  resetZoom() {
    if (this.state.view === 'sandwich') this.page.choose({ view: 'top-down', focus: '' });
    else if (!this.layout.root.parent) return;
    else this.page.choose({ zoom: '' });
    this.focusRoot();
  }

  zoomOut() {
    const { parent } = this.layout.root;
    if (this.state.view === 'sandwich') this.resetZoom();
    else if (parent) this.zoomTo(parent);
  }

  /**
   * Zooms in; on the zoomed node itself, one step back out.
   * @param {Rectangle} rectangle
   */
  activate(rectangle) {
    const onRoot = rectangle.row === this.layout.above;
    if (onRoot && this.state.view === 'sandwich') return;
    if (onRoot) this.zoomOut();
    else this.zoomTo(rectangle.node);
  }

  // ---- keyboard focus ----

  /** @param {Rectangle | null} rectangle */
  setFocus(rectangle) {
    this.focus = rectangle;
    if (rectangle) {
      this.scrollToRow(rectangle.row);
      byId('live').textContent = this.mirror.focus(this.scene(), rectangle);
    }
    this.scheduleDraw();
  }

  focusRoot() {
    this.setFocus({ row: this.layout.above, index: 0, node: this.layout.root });
  }

  /** @param {Direction} direction */
  moveFocus(direction) {
    const target = neighbour(this.layout, this.focus, direction);
    if (!target) return;
    this.setFocus(target);
    this.showTooltip(target);
  }

  zoomToFocus() {
    if (this.focus) this.activate(this.focus);
  }

  /** @param {number} row */
  scrollToRow(row) {
    const top = Painter.rowTop(this.scene(), row);
    if (top < 0) this.graph.scrollTop += top - ROW_HEIGHT;
    else if (top + ROW_HEIGHT > this.height) this.graph.scrollTop += top + 2 * ROW_HEIGHT - this.height;
  }

  themeChanged() {
    this.readColours();
    this.apply({});
  }

  /** @param {Rectangle} rectangle */
  showTooltip({ row, index, node }) {
    const box = this.graph.getBoundingClientRect();
    const scene = this.scene();
    const y = box.top + Painter.rowTop(scene, row) + ROW_HEIGHT / 2;
    this.tooltip.show(scene, node, box.left + this.layout.rows[row].x[index], y);
  }

  // ---- events ----

  listen() {
    byId('reset').addEventListener('click', () => this.resetZoom());
    byId('next').addEventListener('click', () => this.matches.go(1));
    byId('previous').addEventListener('click', () => this.matches.go(-1));
    listenToPointer(this);
    new ResizeObserver(() => this.resized()).observe(this.graph);
  }

  resized() {
    if (!this.page.tabs.isOpen('flame')) return;
    // A flame grows from the bottom, so that is the edge which has to stay in place.
    const fromBottom = this.stage.offsetHeight - this.height - this.graph.scrollTop;
    if (this.stage.clientWidth !== this.width) this.apply({});
    this.fitStage();
    if (this.state.draw === 'flame') this.graph.scrollTop = this.stage.offsetHeight - this.height - fromBottom;
    this.draw();
  }
}
