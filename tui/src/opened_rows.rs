//! The rows of the tree that are open, in order: what a terminal can scroll through.

use memprof_reporter::places::Places;
use memprof_reporter::tree::{CallId, CallTree, Guides, Joint, What};
use rustc_hash::{FxHashMap, FxHashSet};

/// A row: a call and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenedRow {
    pub call: CallId,
    pub joint: Joint,
}

/// The root and all rows whose callers are open, each before what is below it.
pub(crate) struct OpenedRows {
    rows: Vec<OpenedRow>,
}

impl OpenedRows {
    /// The root, closed.
    pub(crate) fn closed() -> Self {
        Self { rows: vec![OpenedRow { call: CallId::ROOT, joint: Joint::ROOT }] }
    }

    /// How many rows there are; at least one.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row.
    pub(crate) fn get(&self, row: usize) -> OpenedRow {
        self.rows[row]
    }

    /// The call of a row.
    pub(crate) fn call(&self, row: usize) -> CallId {
        self.rows[row].call
    }

    /// Whether what is below a row is shown.
    pub(crate) fn is_open(&self, tree: &CallTree, row: usize) -> bool {
        self.rows.get(row + 1).is_some_and(|next| tree.get(next.call).depth > tree.get(self.call(row)).depth)
    }

    /// The row of the caller.
    pub(crate) fn parent(&self, tree: &CallTree, row: usize) -> usize {
        let parent = tree.get(self.call(row)).parent;
        (0..row).rev().find(|&above| self.call(above) == parent).unwrap_or(0)
    }

    /// The rows below a row.
    pub(crate) fn below(&self, tree: &CallTree, row: usize) -> std::ops::Range<usize> {
        let depth = tree.get(self.call(row)).depth;
        let rest = &self.rows[row + 1..];
        let count = rest.iter().position(|next| tree.get(next.call).depth <= depth).unwrap_or(rest.len());
        row + 1..row + 1 + count
    }

    /// Shows what is right below a row.
    pub(crate) fn open(&mut self, tree: &mut CallTree, places: &Places, row: usize) {
        if !self.is_open(tree, row) {
            let rows = children(tree, places, self.rows[row]);
            self.rows.splice(row + 1..row + 1, rows);
        }
    }

    /// Shows nothing below a row.
    pub(crate) fn close(&mut self, tree: &CallTree, row: usize) {
        let below = self.below(tree, row);
        self.rows.drain(below);
    }

    /// Shows everything below a row, up to `most` rows. Says whether that is all.
    pub(crate) fn open_all(&mut self, tree: &mut CallTree, places: &Places, row: usize, most: usize) -> bool {
        self.close(tree, row);
        let mut rows: Vec<OpenedRow> = Vec::new();
        let mut waiting: Vec<OpenedRow> = children(tree, places, self.rows[row]).into_iter().rev().collect();
        let mut is_all = true;
        while let Some(next) = waiting.pop() {
            rows.push(next);
            if rows.len() + waiting.len() < most {
                waiting.extend(children(tree, places, next).into_iter().rev());
            } else {
                is_all &= !tree.get(next.call).has_children();
            }
        }
        self.rows.splice(row + 1..row + 1, rows);
        is_all
    }

    /// Opens what leads to a call, and says in which row it is.
    pub(crate) fn reveal(&mut self, tree: &mut CallTree, places: &Places, call: CallId) -> usize {
        let mut path = vec![call];
        while let Some(&at) = path.last().filter(|&&at| at != CallId::ROOT) {
            path.push(tree.get(at).parent);
        }
        let mut row = 0;
        for at in path.into_iter().rev().skip(1) {
            self.open(tree, places, row);
            row += 1;
            while self.call(row) != at {
                row += 1;
            }
        }
        row
    }

    /// Opens the way on which most of what is below each call goes, and says where it ends.
    pub(crate) fn open_hot_path(&mut self, tree: &mut CallTree, places: &Places) -> usize {
        let (mut row, ranking) = (0, tree.ranking());
        loop {
            let call = self.call(row);
            let all = ranking.key(tree.get(call).amount).0;
            let Some(largest) = tree.children(call, places).next() else { return row };
            self.open(tree, places, row);
            if tree.get(largest).what == What::Own || ranking.key(tree.get(largest).amount).0 < all.div_ceil(2) {
                return row;
            }
            row += 1;
        }
    }

    /// The rows of another tree that has some of the same calls: open where these are open. Says in which row the call
    /// is that `row` was, or the innermost of its callers that is still there.
    pub(crate) fn carried_over(
        &self,
        old: &CallTree,
        new: &mut CallTree,
        places: &Places,
        row: usize,
    ) -> (Self, usize) {
        let mut same: FxHashMap<CallId, CallId> = FxHashMap::default();
        let mut open: FxHashSet<CallId> = FxHashSet::default();
        let mut children_of: FxHashMap<(CallId, What), CallId> = FxHashMap::default();
        same.insert(CallId::ROOT, CallId::ROOT);
        for index in 0..self.len() {
            let call = self.call(index);
            if call != CallId::ROOT {
                let parent = same.get(&old.get(call).parent);
                let found = parent.and_then(|&parent| children_of.get(&(parent, kind(old.get(call).what))));
                let Some(&found) = found else { continue };
                same.insert(call, found);
            }
            if self.is_open(old, index) {
                let call = same[&call];
                open.insert(call);
                for child in new.children(call, places) {
                    children_of.insert((call, kind(new.get(child).what)), child);
                }
            }
        }
        let (mut rows, mut waiting) = (Vec::new(), Self::closed().rows);
        while let Some(next) = waiting.pop() {
            rows.push(next);
            if open.contains(&next.call) {
                waiting.extend(children(new, places, next).into_iter().rev());
            }
        }
        let mut call = self.call(row);
        let kept = loop {
            match same.get(&call) {
                Some(&kept) => break kept,
                None => call = old.get(call).parent,
            }
        };
        let row = rows.iter().position(|row| row.call == kept).unwrap_or(0);
        (Self { rows }, row)
    }

    /// The guides in front of a row.
    pub(crate) fn guides(&self, tree: &CallTree, row: usize) -> Guides {
        let mut at = Some(row);
        let path = std::iter::from_fn(|| {
            let here = at?;
            at = (here > 0).then(|| self.parent(tree, here));
            Some(self.rows[here].joint)
        });
        Guides::at(path)
    }
}

/// What identifies a call among those with the same caller. All that is folded below a caller is one.
fn kind(what: What) -> What {
    match what {
        What::Hidden { .. } => What::Hidden { frames: 0, machinery: false },
        What::Call(_) | What::Own => what,
    }
}

fn children(tree: &mut CallTree, places: &Places, row: OpenedRow) -> Vec<OpenedRow> {
    let calls: Vec<CallId> = tree.children(row.call, places).collect();
    let count = calls.len();
    let below = |(index, call)| OpenedRow { call, joint: row.joint.below(index, count) };
    calls.into_iter().enumerate().map(below).collect()
}
