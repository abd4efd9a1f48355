'use strict';
// The tab with the flame graph: turns the state of the page into tree, layout and drawing.

/** Trees kept for going back and forth between views; each may hold several columns of a large report. */
const KEPT_TREES = 4;

class FlameTab {
  constructor(page) {
    this.page = page;
    this.trees = new Map();
    this.graph = byId('graph');
    this.stage = byId('stage');
    this.painter = new Painter(byId('canvas'));
    this.tooltip = new Tooltip(byId('tooltip'));
    this.mirror = new FrameMirror(this.graph, byId('mirror'));
    this.focus = null;
    this.hover = null;
    this.matches = null;
    this.matchIndex = -1;
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

  currentTree() {
    const { metric, measure, view, group, focus } = this.state;
    const name = [metric, measure, view, group, view === 'sandwich' ? focus : '', this.page.modelName].join(' ');
    let tree = this.trees.get(name);
    if (!tree) {
      tree = this.makeTree();
      if (this.trees.size >= KEPT_TREES) this.trees.delete(this.trees.keys().next().value);
    }
    // Last used goes last, so that the first one is the one to give up.
    this.trees.delete(name);
    this.trees.set(name, tree);
    return tree;
  }

  makeTree() {
    const { metric, measure, view, group } = this.state;
    const spec = { metric, measure, inverted: view === 'inverted', group };
    if (view === 'sandwich') spec.focus = focusFrame({ model: this.model, hidden: this.hidden, spec }, this.state);
    const Kind = view === 'sandwich' ? Sandwich : Tree;
    const tree = new Kind(this.model, spec, this.hidden);
    if (this.page.sides) tree.other = new Kind(this.page.sides.other(this.state), spec, this.hidden);
    return tree;
  }

  /** Everything again from the state. After changes of the view the root comes into sight. */
  apply(changes) {
    const focused = this.focus?.node;
    this.tree = this.currentTree();
    this.updateMatches();
    this.placeMatches();
    const root = this.tree.nodeAt(this.state.zoom);
    this.state.zoom = this.tree.pathOf(root);
    this.layOut(root);
    this.focus = findRectangle(this.layout, focused);
    if (!changes || ['zoom', 'view', 'group', 'draw', 'focus'].some((name) => name in changes)) this.scrollToRoot();
    this.showControls();
    this.draw();
  }

  layOut(root) {
    this.width = Math.max(1, this.stage.clientWidth);
    this.layout = this.tree instanceof Sandwich ? layoutSandwich(this.tree, this.width) : layoutTree(this.tree, root, this.width);
    this.hover = null;
    this.tooltip.hide();
    this.fitStage();
  }

  fitStage() {
    this.height = this.graph.clientHeight;
    this.stage.style.height = `${Math.max(this.height, this.layout.rows.length * ROW_HEIGHT)}px`;
  }

  scene() {
    return {
      layout: this.layout, tree: this.tree, model: this.model, totals: this.page.totals, limits: this.page.selection.describe(this.state), state: this.state, colours: this.colours, matches: this.matches,
      width: this.width, height: this.height, scrollTop: this.graph.scrollTop, focus: this.focus, hover: this.hover,
      background: this.background, accent: this.accent, text: this.text,
    };
  }

  draw() {
    if (this.tree.root.value > 0) this.painter.draw(this.scene());
    // After hovering there is nothing new to tell.
    if (this.mirrored === this.layout && this.mirroredAt === this.graph.scrollTop) return;
    [this.mirrored, this.mirroredAt] = [this.layout, this.graph.scrollTop];
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
    // A function with many callers above it stands in the middle.
    const middle = Math.max(0, (this.layout.above + 0.5) * ROW_HEIGHT - this.height / 2);
    this.graph.scrollTop = growsUpward(this.state) ? this.graph.scrollHeight : middle;
  }

  showControls() {
    const scene = this.scene();
    const message = emptyMessage(scene);
    byId('empty').textContent = message;
    byId('empty').hidden = message === '';
    this.stage.hidden = message !== '';
    byId('reset').disabled = !this.layout.root.parent && this.state.view !== 'sandwich';
    showBreadcrumb(byId('breadcrumb'), scene, (node) => this.zoomTo(node));
    showSum(byId('sum'), scene);
    showLegend(byId('legend'), scene);
    this.showMatches();
    this.graph.setAttribute('aria-label', `Call tree, ${describeView(scene)}, ${formatMeasure(this.tree.root.value, this.state.measure)}`);
  }

  // ---- changes of the state ----

  /** The state has changed. Looking at another tree keeps the zoom as far as it exists there. */
  stateChanged(changes) {
    const turned = 'view' in changes || 'group' in changes;
    // Turned to a sandwich without a word of which: of what is looked at.
    if (changes.view === 'sandwich' && !('focus' in changes) && this.presentFrame() > 0) this.state.focus = this.presentFrame().toString(36);
    if (turned && !('zoom' in changes)) this.state.zoom = '';
    const zoomed = 'frames' in changes || 'runtime' in changes ? this.zoomedModelNode() : -1;
    if (zoomed >= 0) this.state.zoom = this.pathInView(zoomed);
    this.matchIndex = -1;
  }

  /** The largest recorded node that the zoomed one stands for; -1 where there is none. */
  zoomedModelNode() {
    const { root } = this.layout;
    if (!root.parent || root.block || this.tree.spec.inverted) return -1;
    return root.members.reduce((largest, node) => (this.tree.bytes[node] > this.tree.bytes[largest] ? node : largest));
  }

  /** Where another view has a recorded node, or its innermost caller there. Inverted views have no one place for it. */
  pathInView(modelNode) {
    const tree = this.currentTree();
    return tree.spec.inverted ? '' : tree.pathOf(treeNodeOf(tree, modelNode));
  }

  /** The frame that has the focus of the keyboard or the pointer, or is zoomed to; -1 where there is none. */
  presentFrame() {
    const node = [this.focus?.node, this.hover?.node, this.layout?.root].find((candidate) => candidate && candidate.key >= 0);
    return node ? node.frame : -1;
  }

  /** The function of that frame between its callers and callees. */
  openSandwich() {
    if (this.presentFrame() <= 0) return;
    this.page.openSandwich(this.presentFrame());
    this.setFocus({ row: this.layout.above, index: 0, node: this.layout.root });
  }

  zoomTo(node) {
    if (this.state.view === 'sandwich') {
      this.sandwichTo(node);
      return;
    }
    this.page.choose({ zoom: this.tree.pathOf(node) });
    this.setFocus({ row: 0, index: 0, node: this.layout.root });
  }

  /** In a sandwich a click makes another function the one in the middle; the way to `all` leads out of it. */
  sandwichTo(node) {
    if (node.block) return;
    if (node.key < 0) this.page.choose({ view: 'top-down', focus: '' });
    else this.page.choose({ focus: node.frame.toString(36) });
    this.setFocus({ row: this.layout.above, index: 0, node: this.layout.root });
  }

  resetZoom() {
    if (this.state.view === 'sandwich') this.sandwichTo({ key: -1, block: null });
    else if (this.layout.root.parent) this.zoomTo(this.tree.root);
  }

  zoomOut() {
    if (this.state.view === 'sandwich') this.sandwichTo({ key: -1, block: null });
    else if (this.layout.root.parent) this.zoomTo(this.layout.root.parent);
  }

  /** Zooms in; on the zoomed node itself, one step back out. */
  activate(rectangle) {
    const onRoot = rectangle.row === this.layout.above;
    if (onRoot && this.state.view === 'sandwich') return;
    if (onRoot) this.zoomOut();
    else this.zoomTo(rectangle.node);
  }

  // ---- keyboard focus ----

  setFocus(rectangle) {
    this.focus = rectangle;
    if (rectangle) {
      this.scrollToRow(rectangle.row);
      byId('live').textContent = this.mirror.focus(this.scene(), rectangle);
    }
    this.scheduleDraw();
  }

  moveFocus(direction) {
    const target = neighbour(this.layout, this.focus, direction);
    if (!target) return;
    this.setFocus(target);
    this.showTooltipAtFocus();
  }

  zoomToFocus() {
    if (this.focus) this.activate(this.focus);
  }

  scrollToRow(row) {
    const top = Painter.rowTop(this.scene(), row);
    if (top < 0) this.graph.scrollTop += top - ROW_HEIGHT;
    else if (top + ROW_HEIGHT > this.height) this.graph.scrollTop += top + 2 * ROW_HEIGHT - this.height;
  }

  themeChanged() {
    this.readColours();
    this.apply({});
  }

  showTooltipAtFocus() {
    const box = this.graph.getBoundingClientRect();
    const line = this.layout.rows[this.focus.row];
    const scene = this.scene();
    const y = box.top + Painter.rowTop(scene, this.focus.row) + ROW_HEIGHT / 2;
    this.tooltip.show(scene, this.focus.node, box.left + line.x[this.focus.index], y);
  }

  // ---- search ----

  updateMatches() {
    const { search, metric, measure } = this.state;
    const name = JSON.stringify([search, metric, measure, this.page.modelName]);
    if (name === this.matchesName) return;
    this.matchesName = name;
    const { pattern, error } = compilePattern(search);
    this.patternError = error;
    this.matches = pattern ? searchModel(this.model, pattern, this.hidden, metric, measure) : null;
  }

  /** Where the matches are in the current tree. */
  placeMatches() {
    const found = this.matches;
    if (!found || found.tree === this.tree) return;
    found.tree = this.tree;
    found.byKey = matchedKeys(this.tree, found.frame);
    // Inverted, places are looked for when somebody goes to them.
    found.places = this.tree.spec.inverted || this.tree instanceof Sandwich ? found.outermost : placesOf(this.tree, found.outermost);
  }

  showMatches() {
    const output = byId('matches');
    const found = this.matches;
    byId('search').setAttribute('aria-invalid', String(Boolean(this.patternError)));
    output.classList.toggle('wrong', Boolean(this.patternError));
    byId('previous').disabled = byId('next').disabled = !found || found.places.length === 0;
    if (this.patternError) output.textContent = this.patternError;
    else if (!found) output.textContent = '';
    else if (found.frameCount === 0) output.textContent = 'no match';
    else {
      const where = this.matchIndex >= 0 ? `${formatCount(this.matchIndex + 1)} of ` : '';
      const share = formatPercent(found[this.state.measure], this.tree.whole.value);
      output.textContent = `${plural(found.frameCount, 'frame')}, ${where}${plural(found.places.length, 'place')}: ${formatBytes(found.bytes)}, ${plural(found.allocations, 'allocation')}, ${share}`;
    }
  }

  /** Goes to the next (1) or previous (-1) of the outermost matches, largest first. */
  goToMatch(step) {
    if (!this.matches) return;
    const { view } = this.state;
    const drawn = view === 'inverted' ? layoutTree(this.tree, this.tree.root, this.width) : view === 'sandwich' ? this.layout : null;
    const places = drawn ? outermostDrawn(drawn, this.matches) : this.matches.places;
    if (!places.length) return;
    this.matchIndex = (this.matchIndex + step + places.length + (this.matchIndex < 0 && step < 0 ? 1 : 0)) % places.length;
    this.reveal(places[this.matchIndex]);
    this.showMatches();
  }

  /** Focuses a node, zooming only if it is not drawn where we are, and then no further than needed. */
  reveal(node) {
    if (!findRectangle(this.layout, node)) {
      const { matchIndex } = this;
      const shows = (zoom) => findRectangle(layoutTree(this.tree, zoom, this.width), node) !== null;
      const zoom = [this.tree.root, node.parent, node].find(shows);
      this.page.choose({ zoom: this.tree.pathOf(zoom) });
      this.matchIndex = matchIndex;
    }
    this.setFocus(findRectangle(this.layout, node));
    this.showTooltipAtFocus();
  }

  searchEntered(step) {
    this.goToMatch(step);
    this.graph.focus();
  }

  searchLeft() {
    this.graph.focus();
  }

  // ---- exports ----

  get exports() {
    return { svg: 'SVG picture of this view', csv: 'CSV of the drawn frames', json: 'JSON of the drawn frames', collapsed: 'Collapsed stacks below the zoomed frame' };
  }

  exportAs(format) {
    exportView(this.page, this.scene(), format);
  }

  // ---- events ----

  /** What a key means here; false where it means nothing. */
  key(event) {
    return flameKey(this, event);
  }

  listen() {
    byId('reset').addEventListener('click', () => this.resetZoom());
    byId('next').addEventListener('click', () => this.goToMatch(1));
    byId('previous').addEventListener('click', () => this.goToMatch(-1));
    this.listenToPointer();
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

  rectangleUnder(event) {
    const box = this.graph.getBoundingClientRect();
    return rectangleAt(this.layout, Painter.rowAt(this.scene(), event.clientY - box.top - this.graph.clientTop), event.clientX - box.left - this.graph.clientLeft);
  }

  listenToPointer() {
    this.stage.addEventListener('pointermove', (event) => {
      const found = this.rectangleUnder(event);
      if (found?.node !== this.hover?.node) {
        this.hover = found;
        this.stage.classList.toggle('over', found !== null);
        this.scheduleDraw();
      }
      if (found) this.tooltip.show(this.scene(), found.node, event.clientX, event.clientY);
      else this.tooltip.hide();
    });
    this.stage.addEventListener('pointerleave', () => this.leave());
    this.stage.addEventListener('click', (event) => {
      const found = this.rectangleUnder(event);
      if (found) this.activate(found);
    });
    this.graph.addEventListener('scroll', () => {
      this.tooltip.hide();
      this.scheduleDraw();
    });
    this.graph.addEventListener('blur', () => this.tooltip.hide());
  }

  leave() {
    this.hover = null;
    this.tooltip.hide();
    this.scheduleDraw();
  }
}
