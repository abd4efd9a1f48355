//! Numbers for code objects, frames, stacks and sites, the same for all threads; and their rows, until they are
//! written.
//!
//! - `described_rows`: code objects and modules, which the program describes.
//! - `frames`; [`stacks`], with what leads to many of them at once (`stack_runs`); `sites`, with what is mapped there
//!   (`mapped_files`).
//! - `recent_ids`: tables that evict; `fingerprint`: what represents something long in tables.

mod described_rows;
mod fingerprint;
mod frames;
mod mapped_files;
mod recent_ids;
mod sites;
pub mod stack_runs;
pub mod stacks;

use memprof_capture::file::{Code, Frame, MappedPart, Module, NativeFrame, Site, StackNode, Tables};
use memprof_capture::resolution::{Content, MappedSites};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{CodeId, FrameId, ModuleId, SiteId};
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame, Mapped};
use rustc_hash::FxHashSet;

use crate::packages::PythonFiles;

use described_rows::{Described, DescribedRows};
use frames::Frames;
use sites::Sites;
use stacks::{FoundStack, Stacks};

/// The tables of a recording, as far as they must be remembered.
pub struct Interning {
    codes: DescribedRows<Code>,
    /// The files of all code objects that have been described, for their packages at the end.
    python_files: PythonFiles,
    modules: DescribedRows<Module>,
    /// All modules that have been described, for the names of their frames at the end.
    known_modules: Vec<Option<Module>>,
    frames: Frames,
    /// The stacks.
    pub stacks: Stacks,
    sites: Sites,
}

/// Rows that are to be written next.
pub struct NewRows {
    /// Code objects.
    pub codes: Vec<Code>,
    /// Modules.
    pub modules: Vec<Module>,
    /// Frames.
    pub frames: Vec<Frame>,
    /// Stacks.
    pub stacks: Vec<StackNode>,
    /// What is mapped at sites.
    pub parts: Vec<MappedPart>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Whether rows of stacks or sites may be equal to earlier ones.
    pub may_repeat: bool,
}

/// What is remembered of the rows of stacks and of sites, where that is bounded: 13 MiB, with 6 MiB of runs, and 9 MiB.
const MOST_STACKS: usize = 1 << 20;
const MOST_SITES: usize = 1 << 19;

impl Interning {
    /// Tables in which no two rows are equal. They grow as long as there are new ones.
    pub fn without_repetition() -> Self {
        Self::with(Stacks::all(), Sites::all())
    }

    /// Tables of a bounded size: stacks and sites that have been evicted may be repeated.
    pub fn bounded() -> Self {
        Self::bounded_to(MOST_STACKS, MOST_SITES)
    }

    /// The same, with this many stacks and sites.
    pub fn bounded_to(stacks: usize, sites: usize) -> Self {
        Self::with(Stacks::at_most(stacks), Sites::at_most(sites))
    }

    fn with(stacks: Stacks, sites: Sites) -> Self {
        Self {
            codes: DescribedRows::default(),
            python_files: PythonFiles::default(),
            modules: DescribedRows::default(),
            known_modules: Vec::new(),
            frames: Frames::default(),
            stacks,
            sites,
        }
    }

    /// Notes what a code object is. False when the description makes no sense.
    pub fn describe_code(&mut self, image: u32, number: u32, description: &[u8]) -> bool {
        let Some(row) = Code::parse(description) else { return false };
        self.python_files.note(&row.file);
        self.codes.describe(image, number, row);
        true
    }

    /// Notes what a module is. False when the description makes no sense.
    pub fn describe_module(&mut self, image: u32, number: u32, description: &[u8]) -> bool {
        let Some(row) = Module::parse(description) else { return false };
        let id = self.modules.describe(image, number, row.clone()) as usize;
        self.known_modules.resize(self.known_modules.len().max(id + 1), None);
        self.known_modules[id] = Some(row);
        true
    }

    /// The number of a frame that the program sees in this image.
    pub fn frame(&mut self, image: u32, frame: ChannelFrame) -> FrameId {
        let Self { codes, modules, frames, .. } = self;
        frames.seen(image, frame, || match frame {
            ChannelFrame::Python { code, offset } => Frame::Python { code: CodeId(codes.id(image, code)), offset },
            ChannelFrame::Native(ChannelNativeFrame { module, address, interrupted, evaluates }) => {
                let module = module.map(|number| ModuleId(modules.id(image, number)));
                Frame::Native(NativeFrame { module, address, interrupted, evaluates })
            }
            ChannelFrame::ThreadStart => Frame::ThreadStart,
        })
    }

    /// The number of the mark for native frames that were left out.
    pub fn elided(&mut self, frames: u32) -> FrameId {
        self.frames.id(Frame::Elided { frames })
    }

    /// All native frames so far, with their numbers.
    pub fn native_frames(&self) -> impl Iterator<Item = (FrameId, NativeFrame)> + '_ {
        self.frames.native()
    }

    /// The files of the code objects that have been described.
    pub fn python_files(&self) -> &PythonFiles {
        &self.python_files
    }

    /// All modules that have been described, by their numbers.
    pub fn modules(&self) -> &[Option<Module>] {
        &self.known_modules
    }

    /// The modules whose code has mapped memory itself.
    pub fn modules_that_map(&self) -> FxHashSet<ModuleId> {
        let frames = self.native_frames().filter(|&(id, _)| self.sites.is_mapping_frame(id));
        frames.filter_map(|(_, frame)| frame.module).collect()
    }

    /// The site of this stack, whose innermost frame this is, and allocator.
    #[inline]
    pub fn site(&mut self, stack: FoundStack, caller: Option<FrameId>, allocator: Allocator) -> SiteId {
        self.sites.site(stack, caller, allocator)
    }

    /// Whether it is `mremap` that maps there.
    pub fn is_of_mremap(&self, site: SiteId) -> bool {
        self.sites.is_of_mremap(site)
    }

    /// The site of who has mapped something at an address of a process, at a site where mappings are made.
    pub fn mapping_site(&mut self, site: SiteId, mapped: Mapped, pid: u32, address: u64) -> SiteId {
        self.sites.mapping_site(site, mapped, pid, address)
    }

    /// Lets somebody make the tables smaller. `shrink` is given the rows that have come since the last call of
    /// [`Self::take_rows`], and the mark for callers that are left out; besides anything else it returns all rows that
    /// there are now.
    pub fn shrink<'a, T>(&mut self, shrink: impl FnOnce(NewRows, FrameId) -> (T, &'a Tables)) -> T {
        let mark = self.frames.id(Frame::ElidedCallers);
        let rows = self.take_rows(false);
        self.stacks.clear();
        self.sites.clear();
        let (outcome, tables) = shrink(rows, mark);
        // A recording loses no rows.
        let stacks = tables.stacks.iter().map(|stack| stack.expect("a row of a recording"));
        self.stacks.renumber(stacks);
        self.sites.renumber(tables.sites.iter().map(|site| site.expect("a row of a recording")));
        outcome
    }

    /// The rows that have come since the last call.
    pub fn take_rows(&mut self, at_the_end: bool) -> NewRows {
        let (sites, parts) = self.sites.take_rows();
        NewRows {
            codes: self.codes.take(at_the_end),
            modules: self.modules.take(at_the_end),
            frames: self.frames.take_rows(),
            stacks: self.stacks.take_rows(),
            parts,
            sites,
            may_repeat: self.stacks.may_repeat() || self.sites.may_repeat(),
        }
    }
}

impl MappedSites for Interning {
    #[inline]
    fn content(&self, site: SiteId) -> Content {
        self.sites.content(site)
    }

    #[inline]
    fn moved(&mut self, by: SiteId, from: SiteId, bytes: u64) -> SiteId {
        self.sites.moved(by, from, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_one_number_in_all_images_that_describe_its_code() {
        let description = b"\x07\0\0\0\x03\x01\0\0\0f\x01\0\0\0f\x04\0\0\0f.py\0\0\0\0";
        let mut interning = Interning::without_repetition();
        assert!(interning.describe_code(1, 0, description));
        assert!(interning.describe_code(2, 7, description));
        assert!(!interning.describe_code(2, 8, b"nonsense"));
        let mut frame = |image, code, offset| interning.frame(image, ChannelFrame::Python { code, offset });
        assert_eq!(frame(1, 0, 4), frame(2, 7, 4));
        assert_ne!(frame(1, 0, 4), frame(2, 7, 6));
        assert_ne!(frame(1, 0, 4), frame(2, 8, 4));
        let rows = interning.take_rows(true);
        assert_eq!((rows.codes.len(), rows.frames.len()), (2, 3));
    }

    #[test]
    fn a_module_maps_memory_if_its_own_code_calls_mmap() {
        let mut interning = Interning::without_repetition();
        let mut native = |module, address| {
            let native = ChannelNativeFrame { module, address, interrupted: false, evaluates: false };
            interning.frame(1, ChannelFrame::Native(native))
        };
        let [outer, maps, allocates] = [native(Some(7), 1), native(Some(8), 2), native(Some(9), 3)];
        let modules: Vec<ModuleId> = interning.native_frames().filter_map(|(_, frame)| frame.module).collect();
        assert_eq!(modules.len(), 3);
        let below = interning.stacks.stack(FoundStack::EMPTY, outer).id;
        let [maps_there, allocates_there] =
            [maps, allocates].map(|frame| interning.stacks.stack(FoundStack::known(below), frame));
        interning.site(allocates_there, Some(allocates), Allocator::Malloc);
        assert!(interning.modules_that_map().is_empty());
        interning.site(maps_there, Some(maps), Allocator::Mmap);
        interning.take_rows(false);
        let expected = interning.native_frames().find(|(id, _)| *id == maps).and_then(|(_, frame)| frame.module);
        assert_eq!(interning.modules_that_map().into_iter().collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}
