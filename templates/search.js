'use strict';
// Which frames match a regular expression, and how much memory that is.

/** Upper-case letters in the pattern make it case sensitive; otherwise case does not matter. */
function compilePattern(text) {
  if (!text) return { pattern: null, error: '' };
  try {
    return { pattern: new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, '')) ? '' : 'i'), error: '' };
  } catch (error) {
    return { pattern: null, error: error.message.replace(/^Invalid regular expression: /, '') };
  }
}

/** One byte per frame: 1 where "function file:line" matches. Hidden frames cannot match, they are not there. */
function matchFrames(model, pattern, hidden) {
  const { frames, strings } = model.data;
  const count = frames.function.length;
  const frame = new Uint8Array(count);
  let frameCount = 0;
  for (let i = 1; i < count; i++) {
    if (hidden[i]) continue;
    if (pattern.test(`${strings[frames.function[i]]} ${strings[frames.file[i]]}:${frames.line[i]}`)) {
      frame[i] = 1;
      frameCount++;
    }
  }
  return { frame, frameCount };
}

/**
 * The memory of all stacks with a matching frame in them, each counted once however many of its frames match, and the
 * outermost matching nodes, largest first.
 */
function searchModel(model, pattern, hidden, metric, measure) {
  const { frame: matches, frameCount } = matchFrames(model, pattern, hidden);
  const { parent, frame, count } = model;
  const ownBytes = model.own[`${metric}_bytes`];
  const ownAllocations = model.own[`${metric}_allocations`];
  const inclusive = inclusiveSums(model, `${metric}_${measure}`);
  const covered = new Uint8Array(count);
  const outermost = [];
  let bytes = 0;
  let allocations = 0;
  for (let i = 1; i < count; i++) {
    if (covered[parent[i]]) {
      covered[i] = 1;
    } else if (matches[frame[i]]) {
      covered[i] = 1;
      if (inclusive[i] > 0) outermost.push(i);
    }
    if (covered[i]) {
      bytes += ownBytes[i];
      allocations += ownAllocations[i];
    }
  }
  outermost.sort((a, b) => inclusive[b] - inclusive[a] || a - b);
  return { frame: matches, frameCount, outermost, bytes, allocations };
}

/** One byte per grouping key of a tree: a group of frames matches if any of them does. */
function matchedKeys(tree, matchedFrames) {
  const byKey = new Uint8Array(tree.slotOfKey.length);
  for (let i = 0; i < matchedFrames.length; i++) if (matchedFrames[i]) byKey[tree.keys[i]] = 1;
  return byKey;
}

/** The drawn rectangles that match and have no matching one above them, row by row. For views made of merged nodes. */
function outermostDrawn(layout, matches) {
  const found = [];
  let aboveMatched = new Set();
  for (const row of layout.rows) {
    const matched = new Set();
    for (const node of row.node) {
      const inside = node.parent && aboveMatched.has(node.parent);
      const hit = matches.byKey[node.key] === 1;
      if (hit && !inside) found.push(node);
      if (hit || inside) matched.add(node);
    }
    aboveMatched = matched;
  }
  return found;
}

/**
 * The node of `tree` that stands for a node of the model (top-down trees only): of a hidden one, its innermost visible
 * caller. `known` keeps what was found, so that looking for many costs each step once.
 */
function treeNodeOf(tree, modelNode, known = new Map([[0, tree.root]])) {
  const chain = [];
  let at = modelNode;
  for (; !known.has(at); at = tree.model.parent[at]) chain.push(at);
  let node = known.get(at);
  for (const step of chain.reverse()) {
    const frame = tree.model.frame[step];
    if (!tree.hidden[frame]) node = tree.childWithKey(node, tree.keys[frame]) ?? node;
    known.set(step, node);
  }
  return node;
}

/** The nodes of a tree that stand for nodes of the model, each once, largest first. */
function placesOf(tree, modelNodes) {
  const known = new Map([[0, tree.root]]);
  const places = new Set(modelNodes.map((node) => treeNodeOf(tree, node, known)));
  return [...places].sort((a, b) => b.value - a.value || a.depth - b.depth || a.key - b.key);
}
