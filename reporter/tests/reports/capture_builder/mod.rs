//! Writes small captures for tests: what happened is said in terms of functions, files and lines.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod large_tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memprof_capture::event::TimedEvent;
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::{ClockPoint, Exit, RssSample};
use memprof_capture::file::{
    CaptureReader, CaptureWriter, Code, Fact, Frame, FrameSymbols, Function, Header, MappedPart, Module, NativeFrame,
    PackagedFile, Site, StackNode, Summary, Thread,
};
use memprof_capture::resolution::Resolver;
use memprof_capture::thread_merge::ThreadMerge;
use memprof_channel::allocator::Allocator;
use memprof_channel::clock::ClockKind;
use memprof_channel::code::LineTableFormat;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, CodeId, FrameId, ModuleId, PartId, SiteId, StackId, Stamp, ThreadId};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_replay::aggregate::Aggregate;
use memprof_replay::aggregated_capture::write_aggregated;
use memprof_replay::processes::Processes;
use memprof_replay::replay::{ReplaySettings, replay};
use memprof_reporter::query::Query;
use memprof_reporter::report::{Report, ReportError};

/// The stamp at which the recording starts.
pub const START: u64 = 1000;
/// Stamp units in a second: the clock is the monotonic one, of 8 ns.
pub const SECOND: u64 = 125_000_000;

/// A frame: function, file and line.
pub type Place<'a> = (&'a str, &'a str, u32);

/// Gathers a capture and writes it.
pub struct CaptureBuilder {
    pub header: Header,
    pub facts: Vec<Fact>,
    pub threads: Vec<Thread>,
    pub rss: Vec<RssSample>,
    /// Of other processes than the one that was started, by their images.
    pub children_rss: Vec<(u32, Vec<RssSample>)>,
    /// Without one, the file has no end.
    pub summary: Option<Summary>,
    /// The packages of files.
    pub packages: Vec<PackagedFile>,
    /// Events in a chunk.
    pub chunk_rows: usize,
    /// Events are stamped to within this many stamp units.
    pub precision: u64,
    /// Whether each stack and each site gets rows of its own, whatever rows there are.
    pub repeats_rows: bool,
    codes: Vec<Code>,
    frames: Vec<Frame>,
    modules: Vec<Module>,
    symbols: Vec<FrameSymbols>,
    stacks: Vec<StackNode>,
    parts: Vec<MappedPart>,
    sites: Vec<Site>,
    events: Vec<(ThreadId, u32, TimedEvent)>,
    now: u64,
}

impl Default for CaptureBuilder {
    fn default() -> Self {
        let start = ClockPoint { stamp: Stamp(START), monotonic_ns: START * 8 };
        Self {
            header: Header {
                memprof_version: "0.1.0".to_owned(),
                command_line: ["python3", "examples/random_primes_sum.py", "1000"].map(str::to_owned).to_vec(),
                pid: 4711,
                start_unix_ns: 1_795_412_412_123_456_789,
                start,
                clock: ClockKind::Monotonic,
                page_size: 4096,
                machine: "linux-x86_64".to_owned(),
                native_stacks: false,
                python_allocators_traced: ObjectTracing::Never,
            },
            facts: vec![Fact::Python { version: "3.11.7".to_owned(), allocator: "pymalloc".to_owned(), stacks: true }],
            threads: vec![Thread { tid: 4711, name: "python3".to_owned() }],
            rss: Vec::new(),
            children_rss: Vec::new(),
            summary: Some(Summary {
                end: ClockPoint { stamp: Stamp(START + 2 * SECOND), monotonic_ns: (START + 2 * SECOND) * 8 },
                exit: Exit::Status(0),
                cpu_us: 1_900_000,
                peak_rss_bytes: 50 << 20,
                channel_waits: 0,
                skipped_events: 0,
                stopped: None,
                damaged_chunks: 0,
            }),
            packages: Vec::new(),
            chunk_rows: 4096,
            precision: 1,
            repeats_rows: false,
            codes: Vec::new(),
            frames: Vec::new(),
            modules: Vec::new(),
            symbols: Vec::new(),
            stacks: Vec::new(),
            parts: Vec::new(),
            sites: Vec::new(),
            events: Vec::new(),
            now: START,
        }
    }
}

fn position_or_push<T: PartialEq>(table: &mut Vec<T>, row: T) -> usize {
    table.iter().position(|known| *known == row).unwrap_or_else(|| {
        table.push(row);
        table.len() - 1
    })
}

/// Likewise, or a new row in any case.
fn place_for<T: PartialEq>(table: &mut Vec<T>, row: T, repeats_rows: bool) -> usize {
    if repeats_rows {
        table.push(row);
        return table.len() - 1;
    }
    position_or_push(table, row)
}

/// A table in which code unit `n` is on line `first + n`.
fn one_line_for_each_unit() -> Vec<u8> {
    let entry = |kind: u8| [0x80 | kind << 3, 4, 8];
    [entry(10)].into_iter().chain(std::iter::repeat_n(entry(11), 200)).flatten().collect()
}

impl CaptureBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame of a Python function.
    pub fn python(&mut self, (function, file, line): Place) -> FrameId {
        let first_line = line / 100 * 100 + 1;
        let code = position_or_push(
            &mut self.codes,
            Code {
                name: function.to_owned(),
                qualified_name: format!("Class.{function}"),
                file: file.to_owned(),
                first_line,
                format: LineTableFormat::Locations,
                line_table: one_line_for_each_unit(),
            },
        );
        let offset = line.saturating_sub(first_line) * 2;
        self.frame(Frame::Python { code: CodeId::from_index(code), offset })
    }

    /// Any frame.
    pub fn frame(&mut self, frame: Frame) -> FrameId {
        FrameId::from_index(position_or_push(&mut self.frames, frame))
    }

    /// A module of native code.
    pub fn module(&mut self, path: &str, is_interpreter: bool) -> ModuleId {
        let start = (self.modules.len() as u64 + 1) << 24;
        let (path, end) = (path.to_owned(), start + (1 << 20));
        let module = Module { path, build_id: vec![1, 2, 3], bias: start, start, end, is_interpreter };
        ModuleId::from_index(position_or_push(&mut self.modules, module))
    }

    /// A frame of native code with its functions, the outermost first; none where it has no name.
    pub fn native(&mut self, module: Option<ModuleId>, address: u64, functions: &[Place]) -> FrameId {
        self.native_frame(NativeFrame { module, address, interrupted: false, evaluates: false }, functions)
    }

    /// A frame of the interpreter's evaluation loop.
    pub fn evaluation(&mut self, module: ModuleId, address: u64) -> FrameId {
        let frame = NativeFrame { module: Some(module), address, interrupted: false, evaluates: true };
        self.native_frame(frame, &[("_PyEval_EvalFrameDefault", "Python/ceval.c", 4769)])
    }

    fn native_frame(&mut self, native: NativeFrame, functions: &[Place]) -> FrameId {
        self.header.native_stacks = true;
        let frame = self.frame(Frame::Native(native));
        let function = |&(name, file, line): &Place| Function { name: name.to_owned(), file: file.to_owned(), line };
        let symbols = FrameSymbols { frame, functions: functions.iter().map(function).collect() };
        if !functions.is_empty() && !self.symbols.contains(&symbols) {
            self.symbols.push(symbols);
        }
        frame
    }

    /// A stack of these frames, the outermost first.
    pub fn stack_of(&mut self, frames: &[FrameId]) -> StackId {
        frames.iter().fold(StackId::EMPTY, |parent, &frame| {
            let row = place_for(&mut self.stacks, StackNode { parent, frame }, self.repeats_rows);
            StackId::from_index(row + 1)
        })
    }

    /// A stack of these Python frames, the outermost first.
    pub fn stack(&mut self, frames: &[Place]) -> StackId {
        let frames: Vec<FrameId> = frames.iter().map(|&place| self.python(place)).collect();
        self.stack_of(&frames)
    }

    /// The site of an allocator below these Python frames.
    pub fn site(&mut self, frames: &[Place], allocator: Allocator) -> SiteId {
        let stack = self.stack(frames);
        SiteId::from_index(place_for(&mut self.sites, Site::new(stack, allocator), self.repeats_rows))
    }

    /// The site of an allocator below these frames.
    pub fn site_of(&mut self, frames: &[FrameId], allocator: Allocator) -> SiteId {
        let stack = self.stack_of(frames);
        SiteId::from_index(position_or_push(&mut self.sites, Site::new(stack, allocator)))
    }

    /// The site of who maps a part of a file, or of shared memory, below these Python frames.
    pub fn part_site(&mut self, frames: &[Place], allocator: Allocator, part: MappedPart) -> SiteId {
        let stack = self.stack(frames);
        let part = PartId::from_index(position_or_push(&mut self.parts, part));
        let site = Site { part: Some(part.into()), ..Site::new(stack, allocator) };
        SiteId::from_index(position_or_push(&mut self.sites, site))
    }

    /// A site `depth` frames deep, whose frames are these again and again.
    pub fn deep_site(&mut self, frames: &[Place], depth: usize, allocator: Allocator) -> SiteId {
        self.stack(frames);
        let mut parent = StackId::EMPTY;
        let first = self.stacks.len();
        for level in 0..depth {
            let frame = FrameId::from_index(level % frames.len());
            self.stacks.push(StackNode { parent, frame });
            parent = StackId::from_index(first + level + 1);
        }
        self.sites.push(Site::new(parent, allocator));
        SiteId::from_index(self.sites.len() - 1)
    }

    /// An event of the first image, by a thread, at a stamp.
    pub fn event(&mut self, thread: u32, stamp: u64, event: Event) -> &mut Self {
        self.event_of(1, thread, stamp, event)
    }

    /// An event of any image.
    pub fn event_of(&mut self, image: u32, thread: u32, stamp: u64, event: Event) -> &mut Self {
        self.now = self.now.max(stamp);
        self.events.push((ThreadId(thread), image, TimedEvent { stamp: Stamp(stamp), event }));
        self
    }

    fn next(&mut self, event: Event) -> &mut Self {
        let stamp = self.now + SECOND / 100;
        self.event(0, stamp, event)
    }

    /// 10 ms later, the first thread allocates.
    pub fn allocate(&mut self, address: u64, size: u64, site: SiteId) -> &mut Self {
        self.next(Event::Allocation { address: Address(address), size, site })
    }

    /// 10 ms later, the first thread frees.
    pub fn free(&mut self, address: u64) -> &mut Self {
        self.next(Event::Free { address: Address(address) })
    }

    /// 10 ms later, the first thread resizes a block in place.
    pub fn resize(&mut self, address: u64, size: u64, site: SiteId) -> &mut Self {
        self.next(Event::Resize { address: Address(address), size, site })
    }

    /// 10 ms later, the first thread maps.
    pub fn map(&mut self, address: u64, size: u64, site: SiteId) -> &mut Self {
        self.next(Event::Map { address: Address(address), size, site })
    }

    /// 10 ms later, the first thread unmaps.
    pub fn unmap(&mut self, address: u64, size: u64) -> &mut Self {
        self.next(Event::Unmap { address: Address(address), size })
    }

    /// The events so far: thread, image, event.
    pub fn events(&self) -> &[(ThreadId, u32, TimedEvent)] {
        &self.events
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes).expect("memory can be written");
        bytes
    }

    fn write_to(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let mut writer = CaptureWriter::new(bytes, &self.header)?;
        writer.facts(&self.facts)?;
        writer.codes(&self.codes)?;
        if !self.modules.is_empty() {
            writer.modules(&self.modules)?;
        }
        writer.frames(&self.frames)?;
        if !self.symbols.is_empty() {
            writer.symbols(&self.symbols)?;
        }
        writer.stacks(&self.stacks)?;
        writer.parts(&self.parts)?;
        writer.sites(&self.sites)?;
        writer.packages(&self.packages)?;
        writer.threads(&self.threads)?;
        writer.rss(0, &self.rss)?;
        for (image, samples) in &self.children_rss {
            writer.rss(*image, samples)?;
        }
        self.write_events(&mut writer)?;
        if let Some(summary) = &self.summary {
            writer.finish(summary)?;
        }
        Ok(())
    }

    /// The events of each image, as the recorder brings them into order and resolves them.
    fn write_events(&self, writer: &mut CaptureWriter<&mut Vec<u8>>) -> std::io::Result<()> {
        let images: BTreeSet<u32> = self.events.iter().map(|(_, image, _)| *image).collect();
        let mut sizes = RecentSizes::default();
        for image in images {
            let (mut merge, mut resolver) = (ThreadMerge::default(), Resolver::default());
            for (thread, _, event) in self.events.iter().filter(|event| event.1 == image) {
                merge.queue(*thread).push(*event);
            }
            let mut resolved = Vec::new();
            merge.drain(Stamp(u64::MAX), |thread, run| {
                for timed in run {
                    resolver.resolve(timed.event, &mut (), |event| resolved.push((thread, timed.stamp, event)));
                }
            });
            let mut encoder = ColumnEncoder::new(self.precision);
            for chunk in resolved.chunks(self.chunk_rows) {
                for (thread, stamp, event) in chunk {
                    encoder.turn_to(*thread);
                    encoder.push(*stamp, *event, &mut sizes);
                }
                writer.events(image, &mut encoder)?;
            }
        }
        Ok(())
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.to_bytes()).expect("the capture can be written");
    }

    /// Writes the file to a folder of its own and opens a report on it.
    pub fn report(&self) -> Report {
        report_on(&self.to_bytes())
    }

    /// Writes the file and replays it. Returns the processes, too.
    pub fn replay(&self, settings: ReplaySettings) -> (Aggregate, Processes) {
        let (_folder, path) = file_of(&self.to_bytes());
        let mut reader = CaptureReader::open(&path).expect("the capture can be opened");
        let processes = Processes::of(&reader);
        (replay(&mut reader, &processes, &settings).expect("the capture can be replayed"), processes)
    }

    /// Likewise on some of its processes.
    pub fn report_of(&self, pids: &[u32]) -> Result<Report, ReportError> {
        let (_folder, path) = file_of(&self.to_bytes());
        Report::open_with(&path, &Query::of_processes(pids))
    }
}

/// A file of these bytes in a folder that is removed with the first value.
pub fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("memprof-test.bin");
    std::fs::write(&path, bytes).expect("the capture can be written");
    (folder, path)
}

/// The aggregated capture that is made of one of these bytes.
pub fn aggregated(bytes: &[u8]) -> Vec<u8> {
    let (_folder, path) = file_of(bytes);
    let mut reader = CaptureReader::open(&path).expect("it can be opened");
    let mut out = Vec::new();
    write_aggregated(&mut reader, &mut out).expect("memory can be written");
    out
}

/// A report on a capture of these bytes.
pub fn report_on(bytes: &[u8]) -> Report {
    let (_folder, path) = file_of(bytes);
    Report::open(&path).unwrap_or_else(|error| panic!("{error}"))
}
