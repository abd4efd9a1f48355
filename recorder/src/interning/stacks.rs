//! Numbers for stacks, and their rows until they are written.

use memprof_capture::file::StackNode;
use memprof_channel::ids::{FrameId, StackId};

use super::recent_ids::RecentIds;
use super::stack_runs::{Run, RunEnd, StackRuns};

/// The stacks of a recording, as far as they are remembered.
pub struct Stacks {
    ids: RecentIds<StackNode>,
    /// Where not all stacks are remembered.
    runs: Option<StackRuns>,
    rows: Vec<StackNode>,
}

/// A stack, and whether it got its number just now. It is used once, since something refers to it afterwards.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundStack {
    /// Its number.
    pub id: StackId,
    /// Whether there is nothing yet that refers to it.
    pub is_new: bool,
}

impl FoundStack {
    /// The stack without frames.
    pub const EMPTY: Self = Self::known(StackId::EMPTY);

    /// One that has its number already.
    pub const fn known(id: StackId) -> Self {
        Self { id, is_new: false }
    }
}

/// For this many stacks, one run of them is remembered.
const STACKS_A_RUN: usize = 4;

impl Stacks {
    /// Remembers all.
    pub fn all() -> Self {
        Self { ids: RecentIds::all(), runs: None, rows: Vec::new() }
    }

    /// Remembers at most `stacks` stacks, a power of two.
    pub fn at_most(stacks: usize) -> Self {
        let any = StackNode { parent: StackId::EMPTY, frame: FrameId(0) };
        let runs = StackRuns::at_most(stacks / STACKS_A_RUN);
        Self { ids: RecentIds::at_most(stacks, any), runs: Some(runs), rows: Vec::new() }
    }

    /// The stack that has one more frame than `parent`.
    #[inline]
    pub fn stack(&mut self, parent: FoundStack, frame: FrameId) -> FoundStack {
        let node = StackNode { parent: parent.id, frame };
        // Nothing is known that follows a new one.
        let (row, is_new) = match parent.is_new {
            true => (self.ids.new_number(node), true),
            false => self.ids.number(node),
        };
        if is_new {
            self.rows.push(node);
        }
        // Row 0 is stack 1: stack 0 is the empty one.
        FoundStack { id: StackId(row + 1), is_new }
    }

    /// The run of these frames above `callers`, if it is worth remembering.
    #[inline]
    pub fn run(&self, callers: &FoundStack, frames: impl ExactSizeIterator<Item = FrameId> + Clone) -> Option<Run> {
        // Nothing is known that follows a new one.
        (self.runs.is_some() && !callers.is_new).then(|| Run::of(callers.id, frames)).flatten()
    }

    /// Where a run ends, if that is remembered.
    pub fn end_of(&mut self, run: Run) -> Option<RunEnd> {
        self.runs.as_mut()?.get(run)
    }

    /// Remembers where a run ends.
    pub fn remember(&mut self, run: Run, end: RunEnd) {
        if let Some(runs) = &mut self.runs {
            runs.insert(run, end);
        }
    }

    /// Drops all. What is to be renumbered takes no memory meanwhile.
    pub fn clear(&mut self) {
        self.ids = RecentIds::all();
        // No run leads to the same stack as before.
        self.runs = None;
    }

    /// Remembers these in place of all that there were, by their new numbers.
    pub fn renumber(&mut self, rows: impl ExactSizeIterator<Item = StackNode>) {
        self.ids = RecentIds::of(rows);
    }

    /// Whether rows may be equal to earlier ones.
    pub const fn may_repeat(&self) -> bool {
        self.ids.may_repeat()
    }

    /// The rows that have come since the last call.
    pub fn take_rows(&mut self) -> Vec<StackNode> {
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stacks_have_one_number_and_one_row() {
        let mut stacks = Stacks::all();
        let [zeroth, first] = [FrameId(0), FrameId(1)];
        let outer = stacks.stack(FoundStack::EMPTY, zeroth).id;
        let inner = stacks.stack(FoundStack::known(outer), zeroth).id;
        assert_eq!((outer, inner), (StackId(1), StackId(2)));
        assert_eq!(stacks.stack(FoundStack::EMPTY, zeroth), FoundStack::known(outer));
        assert_eq!(stacks.take_rows().len(), 2);
        assert_eq!(stacks.stack(FoundStack::known(outer), first), FoundStack { id: StackId(3), is_new: true });
        assert_eq!(stacks.take_rows().len(), 1);
    }
}
