'use strict';
// From the model to a tree one can look at, without touching the page: one way to look at it (metric, top-down or inverted,
// grouping, what is hidden), made of nodes that are grouped only when somebody looks at them.

/**
 * A child smaller than this part of its parent can never be a pixel wide (canvases are narrower than that), so it never
 * needs to be put in order: with 30,000 equal siblings nothing is sorted at all.
 */
const NEVER_VISIBLE = 1 / 8192;

/** With more children than these, one is found by a map. */
const MANY_CHILDREN = 32;

/** The numbers by which frames are told apart, one per frame: its own index, or that of its function or file. */
function groupingKeys(model, group) {
  const { frames, strings } = model.data;
  const count = frames.function.length;
  const keys = new Int32Array(count);
  if (group === 'file') {
    // What has no file is told apart by its name.
    for (let i = 0; i < count; i++) keys[i] = strings[frames.file[i]] ? frames.file[i] : strings.length + frames.function[i];
    return { keys, limit: 2 * strings.length };
  }
  // A function is its name and its file. The key is the first frame of that function. Special frames are one by their
  // name as well when grouped by line: there may be one for each view.
  const seen = new Map();
  for (let i = 0; i < count; i++) {
    if (group === 'line' && frames.kind[i] !== KINDS.special) {
      keys[i] = i;
      continue;
    }
    const name = frames.function[i] * strings.length + frames.file[i];
    if (!seen.has(name)) seen.set(name, i);
    keys[i] = seen.get(name);
  }
  return { keys, limit: count };
}

/**
 * One way to look at the model. Nodes of it: {parent, key, frame, bytes, allocations, members, ...}; the root and blocks
 * have the key -1, unless the root is a function.
 */
class Tree {
  /**
   * spec: {metric, measure, inverted, group, focus}; hidden: one byte per frame. `focus` is a frame: the tree is then of
   * its function's callees, or inverted of its callers, whose depths are negative. A function that calls itself counts
   * once, where it is outermost.
   */
  constructor(model, spec, hidden) {
    this.model = model;
    this.spec = spec;
    this.hidden = hidden;
    this.ownBytes = model.own[`${spec.metric}_bytes`];
    this.ownAllocations = model.own[`${spec.metric}_allocations`];
    this.bytes = inclusiveSums(model, `${spec.metric}_bytes`);
    this.allocations = inclusiveSums(model, `${spec.metric}_allocations`);
    const { keys, limit } = groupingKeys(model, spec.group);
    this.keys = keys;
    // Only in the first view of a large tree, where it stands for what is too narrow.
    this.mergedKey = model.data.frames.kind.indexOf(KINDS.merged);
    this.slotOfKey = new Int32Array(limit).fill(-1);
    this.slotOfNode = spec.inverted ? new Int32Array(model.count).fill(-1) : null;
    this.visible = spec.inverted ? visibleNodes(model, hidden) : null;
    this.entries = { count: 0, node: new Int32Array(1024), bytes: new Float64Array(1024), allocations: new Float64Array(1024) };
    this.step = spec.inverted && spec.focus !== undefined ? -1 : 1;
    this.root = spec.focus === undefined ? this.makeRoot() : this.makeFunctionRoot(spec.focus);
  }

  /** What all nodes of the model hold, whatever the root stands for. */
  get whole() {
    const [bytes, allocations] = this.model.count > 0 ? [this.bytes[0], this.allocations[0]] : [0, 0];
    return { bytes, allocations, value: this.spec.measure === 'bytes' ? bytes : allocations };
  }

  makeRoot() {
    const { model, spec } = this;
    const any = model.count > 0;
    const bytes = any ? this.bytes[0] : 0;
    const allocations = any ? this.allocations[0] : 0;
    const root = { parent: null, key: -1, frame: any ? model.frame[0] : -1, depth: 0, block: null, bytes, allocations, children: null };
    root.value = spec.measure === 'bytes' ? bytes : allocations;
    root.members = any ? Int32Array.of(0) : new Int32Array(0);
    root.memberBytes = root.memberAllocations = null;
    return root;
  }

  makeFunctionRoot(focus) {
    const { model, keys, hidden, spec } = this;
    const key = keys[focus];
    const members = [];
    for (let i = 1; i < model.count; ) {
      const isMember = keys[model.frame[i]] === key && !hidden[model.frame[i]] && (this.bytes[i] > 0 || this.allocations[i] > 0);
      if (isMember) members.push(i);
      i = isMember ? model.end[i] : i + 1;
    }
    const root = { parent: null, key, frame: focus, depth: 0, block: null, children: null, members: Int32Array.from(members) };
    root.memberBytes = spec.inverted ? Float64Array.from(members, (member) => this.bytes[member]) : null;
    root.memberAllocations = spec.inverted ? Float64Array.from(members, (member) => this.allocations[member]) : null;
    root.bytes = members.reduce((sum, member) => sum + this.bytes[member], 0);
    root.allocations = members.reduce((sum, member) => sum + this.allocations[member], 0);
    root.value = spec.measure === 'bytes' ? root.bytes : root.allocations;
    return root;
  }

  addEntry(node, bytes, allocations) {
    const entries = this.entries;
    if (entries.count === entries.node.length) {
      for (const column of ['node', 'bytes', 'allocations']) {
        const grown = new entries[column].constructor(entries.count * 2);
        grown.set(entries[column]);
        entries[column] = grown;
      }
    }
    entries.node[entries.count] = node;
    entries.bytes[entries.count] = bytes;
    entries.allocations[entries.count] = allocations;
    entries.count++;
  }

  /** Children in the recorded direction. A hidden frame is stepped over: its children count as its parent's. */
  gatherCallees(node) {
    const { model, hidden, bytes, allocations } = this;
    const { frame, end } = model;
    for (const member of node.members) {
      for (let at = member + 1; at < end[member]; ) {
        if (bytes[at] === 0 && allocations[at] === 0) {
          at = end[at];
        } else if (hidden[frame[at]]) {
          at++; // Into it: what follows a node is below it.
        } else {
          this.addEntry(at, bytes[at], allocations[at]);
          at = end[at];
        }
      }
    }
  }

  /** Inverted: the next visible caller of each member, with the member's own values carried along. */
  gatherCallers(node) {
    const { model, slotOfNode, entries } = this;
    if (node.memberBytes === null) {
      // The first level is every frame that allocated by itself.
      for (let i = 1; i < model.count; i++) {
        const bytes = this.ownBytes[i];
        const allocations = this.ownAllocations[i];
        if (bytes === 0 && allocations === 0) continue;
        const visible = this.visible[i];
        if (visible > 0) this.addCaller(visible, bytes, allocations);
      }
    } else {
      for (let m = 0; m < node.members.length; m++) {
        const caller = this.visible[model.parent[node.members[m]]];
        if (caller > 0) this.addCaller(caller, node.memberBytes[m], node.memberAllocations[m]);
      }
    }
    for (let e = 0; e < entries.count; e++) slotOfNode[entries.node[e]] = -1;
  }

  /** Two members with the same caller become one entry, so that levels shrink on the way up. */
  addCaller(caller, bytes, allocations) {
    const slot = this.slotOfNode[caller];
    if (slot >= 0) {
      this.entries.bytes[slot] += bytes;
      this.entries.allocations[slot] += allocations;
    } else {
      this.slotOfNode[caller] = this.entries.count;
      this.addEntry(caller, bytes, allocations);
    }
  }

  /** The children of a node, grouped once and kept. */
  childrenOf(node) {
    if (node.block) return this.childrenOf(node.block.owner);
    if (!node.children) {
      this.entries.count = 0;
      if (this.spec.inverted) this.gatherCallers(node);
      else this.gatherCallees(node);
      node.children = this.groupEntries(node);
    }
    return node.children;
  }

  groupEntries(node) {
    const { entries, slotOfKey, keys } = this;
    const frameOf = this.model.frame;
    const count = entries.count;
    const slots = new Int32Array(count);
    const groupKeys = [];
    for (let e = 0; e < count; e++) {
      const key = keys[frameOf[entries.node[e]]];
      let slot = slotOfKey[key];
      if (slot < 0) {
        slot = slotOfKey[key] = groupKeys.length;
        groupKeys.push(key);
      }
      slots[e] = slot;
    }
    const groups = groupKeys.length;
    for (const key of groupKeys) slotOfKey[key] = -1;

    const bytes = new Float64Array(groups);
    const allocations = new Float64Array(groups);
    const start = new Int32Array(groups + 1);
    for (let e = 0; e < count; e++) {
      bytes[slots[e]] += entries.bytes[e];
      allocations[slots[e]] += entries.allocations[e];
      start[slots[e] + 1]++;
    }
    for (let g = 0; g < groups; g++) start[g + 1] += start[g];
    const cursor = start.slice(0, groups);
    const members = new Int32Array(count);
    const memberBytes = this.spec.inverted ? new Float64Array(count) : null;
    const memberAllocations = this.spec.inverted ? new Float64Array(count) : null;
    for (let e = 0; e < count; e++) {
      const at = cursor[slots[e]]++;
      members[at] = entries.node[e];
      if (memberBytes) {
        memberBytes[at] = entries.bytes[e];
        memberAllocations[at] = entries.allocations[e];
      }
    }
    const value = this.spec.measure === 'bytes' ? bytes : allocations;
    const children = { count: groups, keys: Int32Array.from(groupKeys), bytes, allocations, value, start, members, memberBytes, memberAllocations, nodes: [], lastKey: this.mergedKey };
    children.totalBytes = bytes.reduce((a, b) => a + b, 0);
    children.totalAllocations = allocations.reduce((a, b) => a + b, 0);
    orderLarge(children, node.value * NEVER_VISIBLE);
    return children;
  }

  /** The child in group `group` (an index into the columns of the children). */
  childInGroup(node, group) {
    const children = this.childrenOf(node);
    let child = children.nodes[group];
    if (!child) {
      const from = children.start[group];
      const to = children.start[group + 1];
      child = children.nodes[group] = {
        parent: node, key: children.keys[group], frame: this.model.frame[children.members[from]], depth: node.depth + this.step, block: null,
        bytes: children.bytes[group], allocations: children.allocations[group], value: children.value[group], children: null,
        members: children.members.subarray(from, to),
        memberBytes: children.memberBytes && children.memberBytes.subarray(from, to),
        memberAllocations: children.memberAllocations && children.memberAllocations.subarray(from, to),
      };
    }
    return child;
  }

  childWithKey(node, key) {
    const children = this.childrenOf(node);
    const group = children.count > MANY_CHILDREN ? this.groupAmongMany(children, key) : children.keys.indexOf(key);
    return group < 0 ? null : this.childInGroup(node, group);
  }

  groupAmongMany(children, key) {
    children.groupOfKey ??= new Map(Array.from(children.keys, (known, group) => [known, group]));
    return children.groupOfKey.get(key) ?? -1;
  }

  /** Own values: what the node has and none of its children has. */
  ownOf(node) {
    if (node.block) return { bytes: 0, allocations: 0, value: 0 };
    const children = this.childrenOf(node);
    const bytes = node.bytes - children.totalBytes;
    const allocations = node.allocations - children.totalAllocations;
    return { bytes, allocations, value: this.spec.measure === 'bytes' ? bytes : allocations };
  }

  /** The siblings from rank `from` up to `to` (largest first) as one block. */
  makeBlock(parent, owner, from, to) {
    const children = this.childrenOf(owner);
    let bytes = 0;
    let allocations = 0;
    if (to === children.count) {
      // Up to the end: all minus the large ones, which needs no order among the small ones.
      bytes = children.totalBytes;
      allocations = children.totalAllocations;
      for (let r = 0; r < from; r++) {
        bytes -= children.bytes[children.order[r]];
        allocations -= children.allocations[children.order[r]];
      }
    } else {
      orderAll(children);
      for (let r = from; r < to; r++) {
        bytes += children.bytes[children.order[r]];
        allocations += children.allocations[children.order[r]];
      }
    }
    const value = this.spec.measure === 'bytes' ? bytes : allocations;
    return { parent, key: -1, frame: -1, depth: owner.depth + this.step, block: { owner, from, to }, bytes, allocations, value };
  }

  /** Address of a node that stays true when the page is opened again: keys from the root, in base 36. */
  pathOf(node) {
    const steps = [];
    for (let at = node; at.parent; at = at.parent) {
      steps.push(at.block ? `~${at.block.from}-${at.block.to}` : at.key.toString(36));
    }
    return steps.reverse().join('.');
  }

  /** The node of an address, or the last one on the way that exists in this tree. */
  nodeAt(path) {
    let node = this.root;
    for (const step of path ? path.split('.') : []) {
      const range = /^~(\d+)-(\d+)$/.exec(step);
      let next = null;
      if (range) {
        const owner = node.block ? node.block.owner : node;
        const to = Math.min(Number(range[2]), this.childrenOf(owner).count);
        const from = Number(range[1]);
        if (from > 0) orderAll(this.childrenOf(owner));
        if (from < to) next = this.makeBlock(node, owner, from, to);
      } else {
        next = this.childWithKey(node.block ? node.block.owner : node, parseInt(step, 36));
      }
      if (!next || next.value === 0) break;
      node = next;
    }
    return node;
  }
}

function byValueThenKey({ keys, value, lastKey }) {
  const isLast = (group) => Number(keys[group] === lastKey);
  return (a, b) => isLast(a) - isLast(b) || value[b] - value[a] || keys[a] - keys[b];
}

/** Orders the groups that can ever be seen, largest first; the others follow in any order. */
function orderLarge(children, threshold) {
  const large = [];
  const small = [];
  for (let g = 0; g < children.count; g++) (children.value[g] >= threshold ? large : small).push(g);
  large.sort(byValueThenKey(children));
  children.ordered = large.length;
  children.order = Int32Array.from(large.concat(small));
}

/** Orders the rest as well; only needed once somebody zooms into a block. */
function orderAll(children) {
  if (children.ordered === children.count) return;
  children.order.sort(byValueThenKey(children));
  children.ordered = children.count;
}
