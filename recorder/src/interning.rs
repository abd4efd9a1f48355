//! Numbers for code objects, frames, stacks and sites, the same for all threads; and their rows, until they are written.

use std::hash::{BuildHasher, Hash};

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::code::CodeDescription;
use memprof_capture::channel::module::ModuleDescription;
use memprof_capture::channel::record::{ChannelFrame, ChannelNativeFrame, Mapped};
use memprof_capture::file::{Code, Frame, MappedPart, Module, NativeFrame, Site, StackNode, Tables};
use memprof_capture::ids::{CodeId, FrameId, ModuleId, SiteId, StackId};
use memprof_capture::resolution::{Content, MappedSites};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::fingerprint::Fingerprint;
use crate::mapped_files::MappedFiles;
use crate::recent_ids::RecentIds;
use crate::stack_runs::{Run, RunEnd, StackRuns};

/// The tables of a recording, as far as they must be remembered.
pub struct Interning {
    codes: DescribedRows<Code>,
    modules: DescribedRows<Module>,
    /// All modules that have been described, for the names of their frames at the end.
    known_modules: Vec<Option<Module>>,
    frame_ids: FxHashMap<Frame, FrameId>,
    /// By the hash of what is seen.
    recent_frames: Vec<Option<(SeenFrame, FrameId)>>,
    frames: Vec<Frame>,
    stack_ids: RecentIds<StackNode>,
    stacks: Vec<StackNode>,
    /// Where not all stacks are remembered.
    runs: Option<StackRuns>,
    site_ids: RecentIds<Site>,
    sites: Vec<Site>,
    mapped_files: MappedFiles,
    /// The sites where mappings are made, all of them, and their numbers.
    mapping_sites: FxHashMap<SiteId, Site>,
    mapping_ids: FxHashMap<Site, SiteId>,
    /// The frames that have called `mmap` or `sbrk`.
    mapping_frames: FxHashSet<FrameId>,
}

/// A frame as an image of the program tells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SeenFrame {
    image: u32,
    word: u64,
}

impl SeenFrame {
    /// Where it stands among recent ones. The lower bits of this hash depend on all of a frame, others not on its offset.
    #[inline]
    fn place(self) -> usize {
        FxBuildHasher.hash_one(self) as usize % RECENT_FRAMES
    }
}

/// So many frames are found at once: programs come back to the same ones in the most different orders.
const RECENT_FRAMES: usize = 1 << 12;

/// A stack, and whether it got its number just now. Used once: afterwards something refers to it.
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

/// A table whose rows are described by the program, in any order, and maybe after they were first referred to.
struct DescribedRows<T> {
    /// The number of each row, by image and the image's own number.
    ids: FxHashMap<(u32, u32), u32>,
    /// The numbers of the rows that have been described, by what stands for them: rows are long, and not needed any more
    /// when they are written. Forked processes, which describe everything again, share them.
    known: FxHashMap<Fingerprint, u32>,
    /// Rows from the first one that has not been written; one that has not been described yet is `None`.
    rows: Vec<Option<T>>,
    written: usize,
}

impl<T> Default for DescribedRows<T> {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), known: FxHashMap::default(), rows: Vec::new(), written: 0 }
    }
}

impl<T: Hash> DescribedRows<T> {
    fn id(&mut self, image: u32, number: u32) -> u32 {
        let next = u32::try_from(self.written + self.rows.len()).expect("a table holds at most u32::MAX rows");
        let id = *self.ids.entry((image, number)).or_insert(next);
        if id == next {
            self.rows.push(None);
        }
        id
    }

    fn describe(&mut self, image: u32, number: u32, row: T) -> u32 {
        let fingerprint = Fingerprint::of(&row);
        if let Some(&known) = self.known.get(&fingerprint)
            && !self.ids.contains_key(&(image, number))
        {
            self.ids.insert((image, number), known);
            return known;
        }
        let id = self.id(image, number);
        self.known.entry(fingerprint).or_insert(id);
        if let Some(place) = (id as usize).checked_sub(self.written).and_then(|at| self.rows.get_mut(at)) {
            *place = Some(row);
        }
        id
    }

    /// The rows that can be written: in order, so that one that has not been described yet holds up those after it,
    /// except at the end.
    fn take(&mut self, at_the_end: bool, undescribed: impl Fn() -> T) -> Vec<T> {
        if at_the_end {
            self.rows.iter_mut().filter(|row| row.is_none()).for_each(|row| *row = Some(undescribed()));
        }
        let ready = self.rows.iter().take_while(|row| row.is_some()).count();
        self.written += ready;
        self.rows.drain(..ready).flatten().collect()
    }
}

/// What is remembered of the rows of stacks and of sites, where that is bounded: 13 MiB and 9 MiB.
const MOST_STACKS: usize = 1 << 20;
const MOST_SITES: usize = 1 << 19;
/// For so many stacks, one run of them is remembered: 6 MiB.
const STACKS_A_RUN: usize = 4;

impl Interning {
    /// Tables of which every row has its like nowhere. They grow as long as there are new ones.
    pub fn without_repetition() -> Self {
        Self::with(RecentIds::all(), None, RecentIds::all())
    }

    /// Tables in which stacks and sites may be repeated that have been forgotten.
    pub fn bounded() -> Self {
        Self::bounded_to(MOST_STACKS, MOST_SITES)
    }

    /// The same, with so many stacks and sites.
    pub fn bounded_to(stacks: usize, sites: usize) -> Self {
        let node = StackNode { parent: StackId::EMPTY, frame: FrameId(0) };
        let site = Site::new(StackId::EMPTY, Allocator::Malloc);
        let runs = StackRuns::at_most(stacks / STACKS_A_RUN);
        Self::with(RecentIds::at_most(stacks, node), Some(runs), RecentIds::at_most(sites, site))
    }

    fn with(stack_ids: RecentIds<StackNode>, runs: Option<StackRuns>, site_ids: RecentIds<Site>) -> Self {
        Self {
            codes: DescribedRows::default(),
            modules: DescribedRows::default(),
            known_modules: Vec::new(),
            frame_ids: FxHashMap::default(),
            recent_frames: vec![None; RECENT_FRAMES],
            frames: Vec::new(),
            stack_ids,
            stacks: Vec::new(),
            runs,
            site_ids,
            sites: Vec::new(),
            mapped_files: MappedFiles::default(),
            mapping_sites: FxHashMap::default(),
            mapping_ids: FxHashMap::default(),
            mapping_frames: FxHashSet::default(),
        }
    }

    /// Notes what a code object is. False when the description makes no sense.
    pub fn describe_code(&mut self, image: u32, number: u32, description: &[u8]) -> bool {
        let Some(code) = CodeDescription::parse(description) else { return false };
        let row = Code {
            name: text(code.name),
            qualified_name: text(code.qualified_name),
            file: text(code.file),
            first_line: code.first_line,
            format: code.format,
            line_table: code.line_table.to_vec(),
        };
        self.codes.describe(image, number, row);
        true
    }

    /// Notes what a module is. False when the description makes no sense.
    pub fn describe_module(&mut self, image: u32, number: u32, description: &[u8]) -> bool {
        let Some(module) = ModuleDescription::parse(description) else { return false };
        let row = Module {
            path: text(module.path),
            build_id: module.build_id.to_vec(),
            bias: module.bias,
            start: module.start,
            end: module.end,
            is_interpreter: module.is_interpreter,
        };
        let id = self.modules.describe(image, number, row.clone()) as usize;
        self.known_modules.resize(self.known_modules.len().max(id + 1), None);
        self.known_modules[id] = Some(row);
        true
    }

    /// The number of a frame that the program sees in this image.
    pub fn frame(&mut self, image: u32, frame: ChannelFrame) -> FrameId {
        let seen = SeenFrame { image, word: frame.to_word() };
        let place = seen.place();
        if let Some((known, id)) = self.recent_frames[place]
            && known == seen
        {
            return id;
        }
        let id = self.new_frame(image, frame);
        self.recent_frames[place] = Some((seen, id));
        id
    }

    /// The same, of one that may be new.
    fn new_frame(&mut self, image: u32, frame: ChannelFrame) -> FrameId {
        let frame = match frame {
            ChannelFrame::Python { code, offset } => Frame::Python { code: CodeId(self.codes.id(image, code)), offset },
            ChannelFrame::Native(ChannelNativeFrame { module, address, interrupted, evaluates }) => {
                let module = module.map(|number| ModuleId(self.modules.id(image, number)));
                Frame::Native(NativeFrame { module, address, interrupted, evaluates })
            }
            ChannelFrame::ThreadStart => Frame::ThreadStart,
        };
        self.stored_frame(frame)
    }

    /// Lets somebody make the tables smaller. `shrink` is given the rows that have come since the last call of
    /// [`Self::take_rows`], and the mark for callers that are left out; besides anything else it returns all rows that there are now.
    pub fn shrink<'a, T>(&mut self, shrink: impl FnOnce(NewRows, FrameId) -> (T, &'a Tables)) -> T {
        let mark = self.stored_frame(Frame::ElidedCallers);
        let rows = self.take_rows(false);
        // What is numbered anew takes no memory meanwhile.
        (self.stack_ids, self.site_ids) = (RecentIds::all(), RecentIds::all());
        // No run leads to the same stack as before.
        self.runs = None;
        let (outcome, tables) = shrink(rows, mark);
        // A recording loses no rows.
        let rows = |node: &Option<StackNode>| node.expect("a row of a recording");
        self.stack_ids = RecentIds::of(tables.stacks.iter().map(rows));
        let sites = || tables.sites.iter().map(|site| site.expect("a row of a recording"));
        self.site_ids = RecentIds::of(sites());
        self.mapping_sites = (0..).map(SiteId).zip(sites()).filter(|(_, site)| maps(site.allocator)).collect();
        self.mapping_ids = self.mapping_sites.iter().map(|(&id, &site)| (site, id)).collect();
        outcome
    }

    /// The number of the mark for native frames that were left out.
    pub fn elided(&mut self, frames: u32) -> FrameId {
        self.stored_frame(Frame::Elided { frames })
    }

    fn stored_frame(&mut self, frame: Frame) -> FrameId {
        let next = FrameId::from_index(self.frame_ids.len());
        *self.frame_ids.entry(frame).or_insert_with(|| {
            self.frames.push(frame);
            next
        })
    }

    /// The stack that has one more frame than `parent`.
    #[inline]
    pub fn stack(&mut self, parent: FoundStack, frame: FrameId) -> FoundStack {
        let node = StackNode { parent: parent.id, frame };
        // Nothing is known that follows a new one.
        let (row, is_new) = match parent.is_new {
            true => (self.stack_ids.new_number(node), true),
            false => self.stack_ids.number(node),
        };
        if is_new {
            self.stacks.push(node);
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

    /// All native frames so far, with their numbers.
    pub fn native_frames(&self) -> impl Iterator<Item = (FrameId, NativeFrame)> + '_ {
        self.frame_ids.iter().filter_map(|(frame, &id)| match *frame {
            Frame::Native(native) => Some((id, native)),
            _ => None,
        })
    }

    /// All modules that have been described, by their numbers.
    pub fn modules(&self) -> &[Option<Module>] {
        &self.known_modules
    }

    /// The modules whose code has mapped memory itself.
    pub fn modules_that_map(&self) -> FxHashSet<ModuleId> {
        let frames = self.native_frames().filter(|(id, _)| self.mapping_frames.contains(id));
        frames.filter_map(|(_, frame)| frame.module).collect()
    }

    /// The site of this stack, whose innermost frame this is, and allocator.
    pub fn site(&mut self, stack: FoundStack, caller: Option<FrameId>, allocator: Allocator) -> SiteId {
        if let Allocator::Mmap | Allocator::MmapReserved | Allocator::Sbrk = allocator {
            self.mapping_frames.extend(caller);
        }
        let site = Site::new(stack.id, allocator);
        if stack.is_new && !maps(allocator) {
            let row = self.site_ids.new_number(site);
            self.sites.push(site);
            return SiteId(row);
        }
        self.stored_site(site)
    }

    fn stored_site(&mut self, site: Site) -> SiteId {
        let maps = maps(site.allocator);
        if maps && let Some(&known) = self.mapping_ids.get(&site) {
            return known;
        }
        let (row, is_new) = self.site_ids.number(site);
        if is_new {
            self.sites.push(site);
        }
        let id = SiteId(row);
        if maps {
            self.mapping_sites.insert(id, site);
            self.mapping_ids.insert(site, id);
        }
        id
    }

    /// Whether it is `mremap` that maps there.
    pub fn is_of_mremap(&self, site: SiteId) -> bool {
        self.mapping_sites.get(&site).is_some_and(|site| site.allocator == Allocator::Mremap)
    }

    /// The site of who has mapped something at an address of a process, at a site where mappings are made.
    pub fn mapping_site(&mut self, site: SiteId, mapped: Mapped, pid: u32, address: u64) -> SiteId {
        match (self.mapping_sites.get(&site), self.mapped_files.shown(mapped, pid, address)) {
            (Some(&known), Some((allocator, part))) => self.stored_site(Site { allocator, part, ..known }),
            _ => site,
        }
    }

    /// The rows that have come since the last call.
    pub fn take_rows(&mut self, at_the_end: bool) -> NewRows {
        NewRows {
            codes: self.codes.take(at_the_end, undescribed_code),
            modules: self.modules.take(at_the_end, undescribed_module),
            frames: std::mem::take(&mut self.frames),
            stacks: std::mem::take(&mut self.stacks),
            parts: self.mapped_files.take_rows(),
            sites: std::mem::take(&mut self.sites),
            may_repeat: self.stack_ids.may_repeat() || self.site_ids.may_repeat(),
        }
    }
}

impl MappedSites for Interning {
    fn content(&self, site: SiteId) -> Content {
        match self.mapping_sites.get(&site).map(|site| site.allocator) {
            Some(Allocator::MmapFile | Allocator::MmapShared) => Content::Shown,
            Some(Allocator::MmapReserved) => Content::Reserved,
            _ => Content::Memory,
        }
    }

    fn moved(&mut self, by: SiteId, from: SiteId, bytes: u64) -> SiteId {
        match (self.mapping_sites.get(&by).copied(), self.mapping_sites.get(&from).copied()) {
            (Some(by), Some(Site { allocator, part, .. })) => {
                let part = part.map(|part| self.mapped_files.behind(part, bytes));
                self.stored_site(Site { stack: by.stack, allocator, part })
            }
            _ => by,
        }
    }
}

/// Whether its sites are those of mappings, of which it must be known later what they are.
const fn maps(allocator: Allocator) -> bool {
    matches!(
        allocator,
        Allocator::Mmap | Allocator::Mremap | Allocator::MmapFile | Allocator::MmapShared | Allocator::MmapReserved
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The program was killed between the use of a code object and its description.
fn undescribed_code() -> Code {
    Code {
        name: "<unknown>".to_owned(),
        qualified_name: "<unknown>".to_owned(),
        file: String::new(),
        first_line: 0,
        format: memprof_capture::channel::code::LineTableFormat::Locations,
        line_table: Vec::new(),
    }
}

/// Likewise.
fn undescribed_module() -> Module {
    let path = "<unknown>".to_owned();
    Module { path, build_id: Vec::new(), bias: 0, start: 0, end: 0, is_interpreter: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u32) -> ChannelFrame {
        ChannelFrame::Python { code, offset: 4 }
    }

    /// A function that calls itself from two lines has them in turns.
    #[test]
    fn frames_of_one_function_have_places_of_their_own() {
        let place = |offset| SeenFrame { image: 1, word: ChannelFrame::Python { code: 7, offset }.to_word() }.place();
        let places: std::collections::HashSet<_> = (0..200).map(|line| place(line * 14)).collect();
        assert!(places.len() > 180, "{}", places.len());
    }

    fn description(name: &str) -> Vec<u8> {
        let mut bytes = vec![7, 0, 0, 0, 3];
        for text in [name, name, "file.py", ""] {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn equal_things_have_one_number_and_one_row() {
        let mut interning = Interning::without_repetition();
        let zeroth = interning.frame(1, frame(0));
        let outer = interning.stack(FoundStack::EMPTY, zeroth).id;
        let inner = interning.stack(FoundStack::known(outer), zeroth).id;
        assert_eq!((outer, inner), (StackId(1), StackId(2)));
        assert_eq!(interning.frame(1, frame(0)), zeroth);
        assert_eq!(interning.stack(FoundStack::EMPTY, zeroth), FoundStack::known(outer));
        let site = interning.site(FoundStack::known(inner), None, Allocator::Malloc);
        assert_eq!(interning.site(FoundStack::known(inner), None, Allocator::Malloc), site);
        assert_ne!(interning.site(FoundStack::known(inner), None, Allocator::Calloc), site);
        let rows = interning.take_rows(false);
        assert_eq!((rows.frames.len(), rows.stacks.len(), rows.sites.len()), (1, 2, 2));
        let first = interning.frame(1, frame(1));
        assert_eq!(interning.stack(FoundStack::known(outer), first), FoundStack { id: StackId(3), is_new: true });
        assert_eq!(interning.take_rows(false).stacks.len(), 1);
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
        let below = interning.stack(FoundStack::EMPTY, outer).id;
        let [maps_there, allocates_there] =
            [maps, allocates].map(|frame| interning.stack(FoundStack::known(below), frame));
        interning.site(allocates_there, Some(allocates), Allocator::Malloc);
        assert!(interning.modules_that_map().is_empty());
        interning.site(maps_there, Some(maps), Allocator::Mmap);
        interning.take_rows(false);
        let expected = interning.native_frames().find(|(id, _)| *id == maps).and_then(|(_, frame)| frame.module);
        assert_eq!(interning.modules_that_map().into_iter().collect::<Vec<_>>(), Vec::from_iter(expected));
    }

    #[test]
    fn what_a_forked_process_describes_again_is_one_row() {
        let mut interning = Interning::without_repetition();
        assert!(interning.describe_code(1, 0, &description("function")));
        let parents = interning.frame(1, frame(0));
        assert_eq!(interning.take_rows(false).codes.len(), 1);
        assert!(interning.describe_code(2, 7, &description("function")));
        assert_eq!(interning.frame(2, frame(7)), parents);
        assert!(interning.describe_code(2, 8, &description("other")));
        assert_ne!(interning.frame(2, frame(8)), parents);
        // Its number is given before it is known to be the same.
        interning.frame(3, frame(1));
        assert!(interning.describe_code(3, 1, &description("function")));
        assert_eq!(interning.take_rows(false).codes.len(), 2);
    }

    #[test]
    fn code_objects_are_written_in_order_however_they_are_described() {
        let mut interning = Interning::without_repetition();
        interning.frame(1, frame(5));
        assert!(interning.describe_code(1, 6, &description("second")));
        assert!(interning.take_rows(false).codes.is_empty());
        assert!(interning.describe_code(1, 5, &description("first")));
        let names: Vec<_> = interning.take_rows(false).codes.into_iter().map(|code| code.name).collect();
        assert_eq!(names, ["first", "second"]);
        // Another image counts anew.
        interning.frame(2, frame(5));
        assert_eq!(interning.take_rows(true).codes[0].name, "<unknown>");
        assert!(!interning.describe_code(2, 7, b"nonsense"));
    }
}
