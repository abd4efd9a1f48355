//! Sound inputs: where mutation and fuzzing begin.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use memprof_capture::event::TimedEvent;
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::{ClockPoint, Exit, LinkedAllocator, NotRecorded, RssSample};
use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::{
    CaptureReader, CaptureWriter, Code, Fact, FilePackage, Frame, FrameSymbols, Function, Header, MappedPart, Module,
    NativeFrame, PackagedFile, Site, StackNode, Summary, SymbolSource, Thread,
};
use memprof_capture::resolution::Resolver;
use memprof_capture::thread_merge::ThreadMerge;
use memprof_channel::allocator::Allocator;
use memprof_channel::clock::ClockKind;
use memprof_channel::code::{CodePrefix, LineTableFormat};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, CodeId, FrameId, ModuleId, PartId, SiteId, StackId, Stamp, ThreadId};
use memprof_channel::module::ModulePrefix;
use memprof_channel::not_followed::NotFollowed;
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame};

use memprof_replay::aggregated_capture::write_aggregated;

use crate::memory_file::MemoryFile;
use crate::targets::channel_records::ChunkLine;
use memprof_channel::object_tracing::ObjectTracing;

/// Captures of the oldest version and of the last one whose chunks of events were each those of one thread, as the
/// memprofs of then recorded them.
#[must_use]
pub fn old_captures() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../reporter/tests/captures/version-1.bin").to_vec(),
        include_bytes!("../../reporter/tests/captures/version-3.bin").to_vec(),
    ]
}

/// All captures.
///
/// # Errors
/// When the system gives no memory.
pub fn captures() -> io::Result<Vec<Vec<u8>>> {
    Ok([vec![capture()?, aggregated_capture()?], old_captures()].concat())
}

/// The sums of a capture in place of its events.
///
/// # Errors
/// When the system gives no memory.
pub fn aggregated_capture() -> io::Result<Vec<u8>> {
    let file = MemoryFile::of(&capture()?)?;
    let mut reader = CaptureReader::open(&file.path()).map_err(io::Error::other)?;
    let mut out = Vec::new();
    match write_aggregated(&mut reader, &mut out) {
        Ok(_) => Ok(out),
        Err(RewriteError::Read(error) | RewriteError::Write(error)) => Err(error),
    }
}

/// A capture with every kind of chunk of events, fact, frame and event, of two threads and two images.
///
/// # Errors
/// None: memory can be written.
pub fn capture() -> io::Result<Vec<u8>> {
    let point = |stamp: u64| ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp * 8 };
    let header = Header {
        memprof_version: "0.1.0".to_owned(),
        command_line: vec!["python3".to_owned(), "script.py".to_owned()],
        pid: 42,
        start_unix_ns: 1_700_000_000_000_000_000,
        start: point(1000),
        clock: ClockKind::CycleCounter,
        page_size: 4096,
        machine: "linux-x86_64".to_owned(),
        native_stacks: true,
        python_allocators_traced: ObjectTracing::Never,
    };
    let mut writer = CaptureWriter::new(Vec::new(), &header)?;
    let process = |image, parent, forked_from| Fact::Process {
        image,
        pid: 41 + image,
        parent,
        forked_from,
        command_line: vec!["python3".to_owned()],
    };
    writer.facts(&[
        Fact::Python { version: "3.11.7".to_owned(), allocator: "pymalloc".to_owned(), stacks: true },
        Fact::Image { image: 2, stamp: Stamp(4000), pid: 42 },
        Fact::NativeStacks { cut_short: 1, unmerged: 2, checked: 3, differing: 0 },
        process(1, 1, None),
        process(2, 42, Some(1)),
        Fact::ProcessEnded { image: 2, at: Stamp(6000) },
        Fact::RowsRepeat,
    ])?;
    let code = |name: &str, format, line_table: &[u8]| Code {
        name: name.to_owned(),
        qualified_name: format!("Class.{name}"),
        file: "script.py".to_owned(),
        first_line: 3,
        format,
        line_table: line_table.to_vec(),
    };
    writer.codes(&[
        code("main", LineTableFormat::Locations, LOCATIONS),
        code("inner", LineTableFormat::Lines, LINES),
        code("old", LineTableFormat::Lnotab, LINES),
    ])?;
    let module = |path: &str, is_interpreter| Module {
        path: path.to_owned(),
        build_id: vec![1, 2, 3],
        bias: 1 << 40,
        start: 1 << 40,
        end: (1 << 40) + 0x20_000,
        is_interpreter,
    };
    writer.modules(&[module("/usr/bin/python3.11", true), module("/usr/lib/libfast.so", false)])?;
    let native = |module: Option<u32>, address, evaluates| {
        Frame::Native(NativeFrame { module: module.map(ModuleId), address, interrupted: false, evaluates })
    };
    writer.frames(&[
        Frame::Python { code: CodeId(0), offset: 2 },
        Frame::Python { code: CodeId(1), offset: 4 },
        native(Some(0), 0x1000, true),
        native(Some(1), 0x2000, false),
        native(None, 0x7000_1234, false),
        Frame::ThreadStart,
        Frame::Elided { frames: 7 },
        Frame::Python { code: CodeId(2), offset: 0 },
        Frame::ElidedCallers,
    ])?;
    let node = |parent, frame| StackNode { parent: StackId(parent), frame: FrameId(frame) };
    writer.stacks(&[node(0, 2), node(1, 0), node(2, 1), node(3, 3), node(4, 5), node(5, 7), node(6, 6), node(7, 4)])?;
    // Two that the recorder had evicted, the second one above the first.
    writer.stacks(&[node(2, 1), node(9, 3)])?;
    let sites: Vec<Site> = (0..=8)
        .zip(Allocator::ALL.into_iter().cycle())
        .map(|(stack, allocator)| Site::new(StackId(stack), allocator))
        .chain([
            Site::new(StackId(3), Allocator::MmapReserved),
            Site::new(StackId(9), Allocator::MmapReserved),
            Site::new(StackId(10), Allocator::Malloc),
            Site { part: Some(PartId(0).into()), ..Site::new(StackId(1), Allocator::MmapShared) },
            Site { part: Some(PartId(1).into()), ..Site::new(StackId(2), Allocator::MmapFile) },
        ])
        .collect();
    let part = |inode, offset, name: &str| MappedPart { device: 26, inode, offset, name: name.to_owned() };
    writer.parts(&[part(7, 0, "/dev/shm/psm_7"), part(8, 1 << 40, "")])?;
    writer.sites(&sites)?;
    for (image, precision) in [(1, 1), (2, 64)] {
        let (mut events, mut sizes) = (ColumnEncoder::new(precision), RecentSizes::default());
        push_all_events(u64::from(image) * 2000, &sites, &mut events, &mut sizes);
        writer.events(image, &mut events)?;
    }
    let thread = |tid, name: &str| Thread { tid, name: name.to_owned() };
    writer.threads(&[thread(42, "python3"), thread(43, "worker")])?;
    let sample = |stamp: u64, bytes| RssSample { at: point(stamp), bytes };
    writer.rss(0, &[sample(2000, 1 << 20), sample(3000, 2 << 20)])?;
    writer.rss(2, &[sample(5000, 3 << 20)])?;
    let function = |name: &str, file: &str, line| Function { name: name.to_owned(), file: file.to_owned(), line };
    writer.symbols(&[
        FrameSymbols { frame: FrameId(2), functions: vec![function("_PyEval_EvalFrameDefault", "ceval.c", 1)] },
        FrameSymbols { frame: FrameId(3), functions: vec![function("fast", "fast.c", 7), function("inlined", "", 0)] },
    ])?;
    writer.packages(&[
        PackagedFile { file: "script.py".to_owned(), package: FilePackage::Distribution("scripts".to_owned()) },
        PackagedFile { file: "/usr/lib/libfast.so".to_owned(), package: FilePackage::StandardLibrary },
    ])?;
    writer.facts(&[
        Fact::ModuleSymbols {
            module: ModuleId(0),
            source: SymbolSource::SymbolTable("/usr/bin/python3.11".to_owned()),
        },
        Fact::ModuleSymbols { module: ModuleId(1), source: SymbolSource::Missing },
        Fact::HiddenAllocator { module: ModuleId(1), allocator: LinkedAllocator::Mimalloc },
        Fact::NotRecorded(NotRecorded {
            children: 3,
            children_cpu_us: 4000,
            programs: vec![(NotFollowed::Static, 1)],
            allocators: 1,
        }),
    ])?;
    let summary = Summary {
        end: point(9000),
        exit: Exit::Status(0),
        cpu_us: 5000,
        peak_rss_bytes: 4 << 20,
        channel_waits: 0,
        skipped_events: 0,
        stopped: None,
        damaged_chunks: 0,
    };
    Ok(writer.finish(&summary)?.0)
}

/// A table of CPython 3.11.
const LOCATIONS: &[u8] = &[0xd8, 4, 8, 0xe8, 0x42, 1, 0xf0, 3, 1, 9, 20, 0xf8, 0x80, 4];
/// Pairs of a length and a step, as in 3.9 and 3.10.
const LINES: &[u8] = &[2, 1, 4, 0xff, 6, 0x80, 0, 127, 8, 2];

fn all_events(thread: u32, sites: &[Site]) -> Vec<Event> {
    let at = |number: u64| Address((1 << 32) * u64::from(thread + 1) + number * 16);
    let mut events = Vec::new();
    for (number, site) in (0..).zip(0..sites.len() as u32) {
        events.push(Event::Allocation { address: at(number), size: 100 + number, site: SiteId(site) });
        events.push(Event::Resize { address: at(number), size: 50, site: SiteId(site) });
    }
    events.push(Event::Free { address: at(1) });
    // The releases of these two were not seen, or their allocations.
    events.push(Event::Allocation { address: at(2), size: 7, site: SiteId(1) });
    events.push(Event::Resize { address: at(99), size: 8, site: SiteId(1) });
    let mapped = |page: u64| Address(0x7f00_0000_0000 + page * 4096);
    events.push(Event::Map { address: mapped(0), size: 10 * 4096, site: SiteId(0) });
    events.push(Event::Unmap { address: mapped(3), size: 4096 });
    events.push(Event::Map { address: mapped(5), size: 100, site: SiteId(1) });
    let last = SiteId(sites.len() as u32 - 1);
    events.push(Event::Map { address: mapped(20), size: 3 * 4096, site: last });
    events.push(Event::Move { address: mapped(21), size: 4096 });
    events.push(Event::Map { address: mapped(60), size: 9 * 4096, site: SiteId(last.0 - 2) });
    events.push(Event::MapMoved { address: mapped(40), size: 2 * 4096, site: SiteId(0) });
    events.push(Event::Free { address: Address(12345) });
    events
}

/// The events of two threads from a moment on, in turns and resolved.
fn push_all_events(from: u64, sites: &[Site], encoder: &mut ColumnEncoder, sizes: &mut RecentSizes) {
    let (mut merge, mut resolver) = (ThreadMerge::default(), Resolver::default());
    for thread in 0..2 {
        // Some of these turns are longer than one event.
        let stamp = |number: u64| Stamp(from + number / 3 * 30 + u64::from(thread));
        let timed = (0..).zip(all_events(thread, sites));
        merge.queue(ThreadId(thread)).extend(timed.map(|(number, event)| TimedEvent { stamp: stamp(number), event }));
    }
    merge.drain(Stamp(u64::MAX), |thread, run| {
        encoder.turn_to(thread);
        for timed in run {
            resolver.resolve(timed.event, &mut (), |event| encoder.push(timed.stamp, event, sizes));
        }
    });
}

/// The payload of a chunk of events, after what the decoder needs to read it.
#[must_use]
pub fn columns() -> Vec<Vec<u8>> {
    let sites: Vec<Site> = (0..4).map(|stack| Site::new(StackId(stack), Allocator::Malloc)).collect();
    let payload = |precision| {
        let (mut events, mut sizes) = (ColumnEncoder::new(precision), RecentSizes::default());
        push_all_events(0, &sites, &mut events, &mut sizes);
        let mut bytes = vec![events.len() as u8, 0, 0, 0, 4, 0, 0, 0];
        events.finish(&mut bytes);
        bytes
    };
    [64, 1].map(payload).to_vec()
}

/// The chunks of a channel: a thread that describes what it refers to, and another one.
#[must_use]
pub fn channel() -> Vec<u8> {
    let code = description(&[
        CodePrefix::new(3, LineTableFormat::Locations).as_bytes(),
        &text(b"main"),
        &text(b"main"),
        &text(b"script.py"),
        &text(LOCATIONS),
    ]);
    let module = description(&[ModulePrefix::new(0, 0, 4096, true, 2).as_bytes(), b"\x01\x02/lib/a.so"]);
    let native = |module, address| {
        ChannelFrame::Native(ChannelNativeFrame { module, address, interrupted: false, evaluates: false }).to_word()
    };
    let mut words = Vec::new();
    for (kind, bytes) in [(10, &code), (12, &module), (13, &code)] {
        words.push(kind | 1 << 4 | (bytes.len() as u64) << 8);
        words.extend(bytes.chunks(8).map(word));
    }
    words.extend([11 | 6 << 8, word(b"worker")]);
    let frames = [ChannelFrame::Python { code: 0, offset: 2 }.to_word(), native(Some(0), 0x100), native(None, 77)];
    words.push(8 | (frames.len() as u64) << 32);
    words.extend(frames);
    words.extend([9 | 1 << 4, 6 | 1000 << 4, 1 | 5 << 4 | 0x1000 << 16, 32 << 32, 7 | 1 << 4, 2 | 0x1000 << 16]);
    words.extend([4 | 0x8000 << 16, 0xffff_ffff << 32, 1 << 33, 5 | 0x8000 << 16, 4096]);
    words.extend([
        8 | 1 << 4 | 1 << 32,
        ChannelFrame::ThreadStart.to_word(),
        9 | 2 << 4 | 1 << 32,
        3 | 0x1000 << 16,
        1 | 64 << 32,
    ]);
    let lines = [
        ChunkLine { thread: 0, tid: 42, sequence: 0, image: 1, state: 2, words: words.clone() },
        ChunkLine { thread: 1, tid: 43, sequence: 0, image: 1, state: 1, words },
    ];
    let mut bytes = vec![2, 0, 0, 0, 3];
    for line in lines {
        line.push_to(&mut bytes);
    }
    bytes
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

fn description(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Line tables, each after the number of its format, its first line and an offset to look up.
#[must_use]
pub fn line_tables() -> Vec<Vec<u8>> {
    let table = |format, table: &[u8]| [&[format, 3, 0, 0, 0, 4, 0, 0, 0], table].concat();
    vec![table(1, LINES), table(2, LINES), table(3, LOCATIONS)]
}

const LIBRARY: &str = "\
__attribute__((noinline)) static int hidden(int x) { return x * 3; }
static inline __attribute__((always_inline)) int inner(volatile int *p) { *p += 1; return *p; }
static inline __attribute__((always_inline)) int middle(volatile int *p) { return inner(p) + 1; }
int visible(volatile int *p) { return middle(p) + hidden(*p); }
";

/// Files with names: small libraries of every version of DWARF, made by the C compiler, and a map of run-time code.
///
/// # Errors
/// When there is no C compiler.
pub fn symbols() -> io::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let code = folder.path().join("code.c");
    fs::write(&code, LIBRARY)?;
    let mut files = vec![b"1100 40 py::f:/a.py\n1108 8 inner\ngarbage\n".to_vec()];
    for flags in
        [&["-gdwarf-4"][..], &["-gdwarf-5"], &["-gdwarf-5", "-gz=zlib"], &["-gdwarf-3", "-Wl,--build-id"], &["-s"]]
    {
        files.push(compiled(&code, &folder.path().join("lib.so"), flags)?);
    }
    Ok(files)
}

fn compiled(code: &Path, library: &Path, flags: &[&str]) -> io::Result<Vec<u8>> {
    let layout = ["-O2", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=4096", "-o"];
    let status = Command::new("cc").args(flags).args(layout).arg(library).arg(code).status()?;
    if !status.success() {
        return Err(io::Error::other("the C compiler failed"));
    }
    fs::read(library)
}
