//! The tables that events refer to. A table's rows may come in several chunks, each of which names its first row.

use serde::{Deserialize, Serialize};

use crate::allocator::Allocator;
use crate::channel::code::LineTableFormat;
use crate::ids::{CodeId, FrameId, SiteId, StackId};

/// A Python code object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// `co_name`.
    pub name: String,
    /// `co_qualname`, or the name again where Python has none (before 3.11).
    pub qualified_name: String,
    /// `co_filename`.
    pub file: String,
    /// The line of its `def`.
    pub first_line: u32,
    /// The format of `line_table`.
    pub format: LineTableFormat,
    /// Maps instruction offsets to lines.
    pub line_table: Vec<u8>,
}

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Frame {
    /// An instruction of a Python function.
    Python {
        /// The function.
        code: CodeId,
        /// Bytes from the start of its bytecode.
        offset: u32,
    },
}

/// A node of the trie of stacks: one more frame on top of another stack. Its parent always has a lower number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackNode {
    /// The stack of the callers.
    pub parent: StackId,
    /// The innermost frame.
    pub frame: FrameId,
}

/// What an allocation is attributed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Who called.
    pub stack: StackId,
    /// What was called.
    pub allocator: Allocator,
}

/// A thread of the recorded process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id in the kernel.
    pub tid: u32,
    /// Its last known name in the kernel.
    pub name: String,
}

/// All tables of a capture. Identifiers index them; [`StackId::EMPTY`] is not a row of `stacks`, so that row `i` is
/// stack `i + 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// By [`CodeId`]. A row that the file lost is `None`.
    pub codes: Vec<Option<Code>>,
    /// By [`FrameId`].
    pub frames: Vec<Option<Frame>>,
    /// By [`StackId`], less one.
    pub stacks: Vec<Option<StackNode>>,
    /// By [`SiteId`].
    pub sites: Vec<Option<Site>>,
    /// By [`ThreadId`](crate::ids::ThreadId).
    pub threads: Vec<Option<Thread>>,
}

impl Tables {
    /// The site's stack and allocator, if the file has them.
    #[must_use]
    pub fn site(&self, site: SiteId) -> Option<Site> {
        self.sites.get(site.index()).copied().flatten()
    }

    /// The node of a stack; nothing for the empty stack, and for one that the file lost.
    #[must_use]
    pub fn stack(&self, stack: StackId) -> Option<StackNode> {
        self.stacks.get(stack.index().checked_sub(1)?).copied().flatten()
    }

    /// The frames of a stack, innermost first.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            let node = self.stack(at)?;
            // Parents come before their children; anything else is damage, and would make this walk endless.
            at = if node.parent < at { node.parent } else { StackId::EMPTY };
            Some(node.frame)
        })
    }

    /// A place in the program, if the file has it.
    #[must_use]
    pub fn frame(&self, frame: FrameId) -> Option<Frame> {
        self.frames.get(frame.index()).copied().flatten()
    }

    /// A code object, if the file has it.
    #[must_use]
    pub fn code(&self, code: CodeId) -> Option<&Code> {
        self.codes.get(code.index())?.as_ref()
    }
}

/// A site as it stands in the file.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct StoredSite {
    pub stack: StackId,
    pub allocator: u8,
}

impl From<Site> for StoredSite {
    fn from(site: Site) -> Self {
        Self { stack: site.stack, allocator: site.allocator.code() }
    }
}

impl StoredSite {
    pub(super) fn into_site(self) -> Option<Site> {
        Some(Site { stack: self.stack, allocator: Allocator::from_code(self.allocator)? })
    }
}
