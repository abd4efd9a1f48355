//! The tables that events refer to. A table's rows may come in several chunks, each of which names its first row.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use memprof_channel::allocator::Allocator;
use memprof_channel::code::LineTableFormat;
use memprof_channel::ids::{CodeId, FrameId, ModuleId, PartId, SiteId, StackId};
use serde::{Deserialize, Serialize};

/// A Python code object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// An address in native code.
    Native(NativeFrame),
    /// What comes before (further out) is the stack of the thread that created this one, up to its call of
    /// `pthread_create`; what follows is this thread's own.
    ThreadStart,
    /// This many native frames were left out here, because the stack was deeper than the recording's limit.
    Elided {
        /// How many.
        frames: u32,
    },
    /// Frames were left out here, because the stack was too rare to be kept as a whole: see
    /// [`elided_callers`](super::elided_callers).
    ElidedCallers,
}

/// An address in native code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NativeFrame {
    /// The module; nothing where no loaded file holds the address, as with code that is made at run time.
    pub module: Option<ModuleId>,
    /// In a module: as in the file's own symbol table (the address in memory less the module's load bias). Otherwise
    /// the address in the process.
    pub address: u64,
    /// Whether a signal interrupted the function at exactly this instruction. Otherwise it is a return address, and the
    /// call is the instruction before it.
    pub interrupted: bool,
    /// Whether this is the interpreter's evaluation loop: it runs the Python frames that follow it in the stack.
    pub evaluates: bool,
}

impl NativeFrame {
    /// The address by which to look the frame up: within the instruction that was being executed.
    #[must_use]
    pub const fn lookup_address(&self) -> u64 {
        if self.interrupted { self.address } else { self.address.saturating_sub(1) }
    }
}

/// A file of native code that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Module {
    /// Its absolute path; `[vdso]` for the kernel's own.
    pub path: String,
    /// Its build id; empty where it has none.
    pub build_id: Vec<u8>,
    /// What the loader added to the file's own addresses.
    pub bias: u64,
    /// Its first byte in memory.
    pub start: u64,
    /// One past its last byte in memory.
    pub end: u64,
    /// Whether it holds the Python interpreter.
    pub is_interpreter: bool,
}

/// What a native frame is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSymbols {
    /// The frame.
    pub frame: FrameId,
    /// The functions that it represents, outermost first: the one that has machine code of its own, then those that
    /// were inlined into it at this address, each the caller of the next.
    pub functions: Vec<Function>,
}

/// A native function at a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name, demangled.
    pub name: String,
    /// Its source file; empty where that is not known.
    pub file: String,
    /// The line; 0 where that is not known.
    pub line: u32,
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
    /// What it mapped, where several processes may see the same: a file, or shared memory.
    pub part: Option<SharedPart>,
}

impl Site {
    /// Where memory is allocated that is the process's own.
    #[must_use]
    pub const fn new(stack: StackId, allocator: Allocator) -> Self {
        Self { stack, allocator, part: None }
    }
}

/// The number of a part. Small, also where there is none: captures have millions of sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedPart(NonZeroU32);

impl From<PartId> for SharedPart {
    fn from(part: PartId) -> Self {
        // (The last number of all is never given.)
        Self(NonZeroU32::new(part.0.saturating_add(1)).unwrap_or(NonZeroU32::MAX))
    }
}

impl SharedPart {
    /// The row of the part.
    #[must_use]
    pub const fn id(self) -> PartId {
        PartId(self.0.get() - 1)
    }
}

/// A file or shared memory, from some byte on. What has the same device and inode at one time is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MappedPart {
    /// The device of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// The first byte of it that was mapped.
    pub offset: u64,
    /// Its path, as the kernel lists it; empty where that could not be read.
    pub name: String,
}

/// A thread of the recorded process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id in the kernel.
    pub tid: u32,
    /// Its last known name in the kernel.
    pub name: String,
}

/// Which package a file belongs to, as the environment's metadata said when the recording ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FilePackage {
    /// The installed distribution of this name.
    Distribution(String),
    /// Python's standard library, in a folder whose path does not show it.
    StandardLibrary,
}

/// A file that belongs to a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagedFile {
    /// A [`Code::file`] or a [`Module::path`].
    pub file: String,
    /// Its package.
    pub package: FilePackage,
}

/// All tables of a capture. Identifiers index them; [`StackId::EMPTY`] is not a row of `stacks`, so that row `i` is
/// stack `i + 1`. The callers of a stack come before it.
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
    /// By [`PartId`].
    pub parts: Vec<Option<MappedPart>>,
    /// By [`ThreadId`](memprof_channel::ids::ThreadId).
    pub threads: Vec<Option<Thread>>,
    /// By [`ModuleId`].
    pub modules: Vec<Option<Module>>,
    /// The functions of native frames, outermost first, by [`FrameId`], as far as they are known: the table may be
    /// shorter than `frames`, and a row may be empty.
    pub symbols: Vec<Vec<Function>>,
    /// The packages of files, by [`Code::file`] and [`Module::path`], where they are known.
    pub packages: BTreeMap<String, FilePackage>,
}

impl Tables {
    /// The site's stack and allocator, if the file has them.
    #[must_use]
    pub fn site(&self, site: SiteId) -> Option<Site> {
        self.sites.get(site.index()).copied().flatten()
    }

    /// A part of something that was mapped, if the file has it.
    #[must_use]
    pub fn part(&self, part: SharedPart) -> Option<&MappedPart> {
        self.parts.get(part.id().index())?.as_ref()
    }

    /// The node of a stack; nothing for the empty stack, and for one that the file lost.
    #[must_use]
    pub fn stack(&self, stack: StackId) -> Option<StackNode> {
        self.stacks.get(stack.index().checked_sub(1)?).copied().flatten()
    }

    /// How many rows refer to rows that are not there, or name a caller that does not come before them.
    pub(super) fn dangling_references(&self) -> u64 {
        let frames = self.frames.iter().flatten().filter(|frame| match frame {
            Frame::Python { code, .. } => code.index() >= self.codes.len(),
            Frame::Native(native) => native.module.is_some_and(|module| module.index() >= self.modules.len()),
            Frame::ThreadStart | Frame::Elided { .. } | Frame::ElidedCallers => false,
        });
        let stacks = self.stacks.iter().enumerate().filter(|(row, node)| {
            node.is_some_and(|node| node.parent.index() > *row || node.frame.index() >= self.frames.len())
        });
        let sites = self.sites.iter().flatten().filter(|site| {
            let lacks_part = site.part.is_some_and(|part| part.id().index() >= self.parts.len());
            site.stack.index() > self.stacks.len() || lacks_part
        });
        (frames.count() + stacks.count() + sites.count()) as u64
    }

    /// Loses the stacks whose callers do not come before them: only damage makes such. From then on every walk to the
    /// callers ends, and all that is found of a stack can be found from what is known of its callers: see
    /// [`Self::fold_stacks`].
    pub(super) fn lose_stacks_without_callers(&mut self) {
        for (row, node) in self.stacks.iter_mut().enumerate() {
            if node.is_some_and(|node| node.parent.index() > row) {
                *node = None;
            }
        }
    }

    /// By stack, the empty one first: what `step` makes of the value of its callers and of its innermost frame. `empty`
    /// and `lost` are the values of the empty stack and of one that the file lost.
    pub fn fold_stacks<T: Copy>(&self, empty: T, lost: T, mut step: impl FnMut(T, StackNode) -> T) -> Vec<T> {
        let mut values = Vec::with_capacity(self.stacks.len() + 1);
        values.push(empty);
        for node in &self.stacks {
            values.push(node.map_or(lost, |node| step(values[node.parent.index()], node)));
        }
        values
    }

    /// The frames of a stack, innermost first.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            let node = self.stack(at)?;
            debug_assert!(node.parent < at, "the reader sees to it");
            at = node.parent;
            Some(node.frame)
        })
    }

    /// A place in the program, if the file has it.
    #[must_use]
    pub fn frame(&self, frame: FrameId) -> Option<Frame> {
        self.frames.get(frame.index()).copied().flatten()
    }

    /// A module, if the file has it.
    #[must_use]
    pub fn module(&self, module: ModuleId) -> Option<&Module> {
        self.modules.get(module.index())?.as_ref()
    }

    /// The functions of a native frame, outermost first; none where its names are not known.
    #[must_use]
    pub fn functions_of(&self, frame: FrameId) -> &[Function] {
        self.symbols.get(frame.index()).map_or(&[], Vec::as_slice)
    }

    /// The package that a file or module belongs to, if the environment's metadata said so.
    #[must_use]
    pub fn package_of(&self, file: &str) -> Option<&FilePackage> {
        self.packages.get(file)
    }

    /// Adds packages of files.
    pub fn add_packages(&mut self, files: impl IntoIterator<Item = PackagedFile>) {
        self.packages.extend(files.into_iter().map(|PackagedFile { file, package }| (file, package)));
    }

    /// A code object, if the file has it.
    #[must_use]
    pub fn code(&self, code: CodeId) -> Option<&Code> {
        self.codes.get(code.index())?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(nodes: &[Option<(u32, u32)>]) -> Tables {
        let node = |&(parent, frame): &(u32, u32)| StackNode { parent: StackId(parent), frame: FrameId(frame) };
        Tables { stacks: nodes.iter().map(|row| row.as_ref().map(node)).collect(), ..Tables::default() }
    }

    #[test]
    fn a_stack_whose_callers_do_not_come_before_is_lost() {
        // The second is its own caller, and the third has callers after it.
        let mut tables = tables(&[Some((0, 7)), Some((2, 8)), Some((4, 9)), Some((1, 10)), Some((2, 11))]);
        tables.lose_stacks_without_callers();
        let frames = |stack| tables.frames_of(StackId(stack)).map(|frame| frame.0).collect::<Vec<_>>();
        assert_eq!([1, 2, 3, 4, 5].map(frames), [vec![7], vec![], vec![], vec![10, 7], vec![11]]);
        let depths = tables.fold_stacks(0, -1, |callers, _| callers + 1);
        assert_eq!(depths, [0, 1, -1, -1, 2, 0]);
    }
}
