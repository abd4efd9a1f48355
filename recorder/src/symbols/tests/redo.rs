//! Names for captures that exist already.

use std::fs;
use std::path::{Path, PathBuf};

use memprof_capture::file::facts::{ClockPoint, Exit, RssSample};
use memprof_capture::file::{
    CaptureReader, CaptureWriter, Fact, Frame, FrameSymbols, Function, Header, NativeFrame, Summary, SymbolSource,
};
use memprof_channel::clock::ClockKind;
use memprof_channel::ids::{FrameId, ModuleId, Stamp};
use memprof_channel::object_tracing::ObjectTracing;

use super::super::redo::{NamedModule, Redone};
use super::super::{Options, Process, perf_map};
use super::library::{Library, module, run, text};
use super::{debug, table};

fn point(stamp: u64) -> ClockPoint {
    ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp }
}

fn native(module: Option<u32>, address: u64) -> Frame {
    Frame::Native(NativeFrame { module: module.map(ModuleId), address, interrupted: true, evaluates: false })
}

fn named(frame: u32, name: &str) -> FrameSymbols {
    let function = Function { name: name.to_owned(), file: "/old.c".to_owned(), line: 3 };
    FrameSymbols { frame: FrameId(frame), functions: vec![function] }
}

fn source(module: u32, source: SymbolSource) -> Fact {
    Fact::ModuleSymbols { module: ModuleId(module), source }
}

const IMAGE: Fact = Fact::Image { image: 1, stamp: Stamp(7), pid: 4_000_001 };

/// A capture with frames of a library, of one that is gone, and of code that was made at run time.
struct Capture {
    library: Library,
    path: PathBuf,
    visible: u64,
}

impl Capture {
    /// The library's names are as they were when only its table of symbols, or more, was there.
    fn new(old: SymbolSource, is_complete: bool) -> Self {
        let library = Library::with_debugging_information();
        let path = library.folder.path().join("capture.bin");
        let visible = library.extent("visible").start;
        let header = Header {
            memprof_version: "1".to_owned(),
            command_line: vec!["a program".to_owned()],
            pid: 4_000_000,
            start_unix_ns: 1_000_000_000,
            start: point(0),
            clock: ClockKind::Monotonic,
            page_size: 4096,
            machine: "a machine".to_owned(),
            native_stacks: true,
            python_allocators_traced: ObjectTracing::Never,
        };
        let mut writer = CaptureWriter::new(Vec::new(), &header).unwrap();
        writer.modules(&[library.module(), module(Path::new("/gone/lib.so"), vec![3; 20])]).unwrap();
        writer.frames(&[native(Some(0), visible), native(Some(1), 0x1000), Frame::ThreadStart]).unwrap();
        writer.facts(&[IMAGE, source(0, old), source(1, table(Path::new("/gone/lib.so")))]).unwrap();
        writer.facts(&[source(1, table(Path::new("/gone/lib.so")))]).unwrap();
        writer.frames(&[native(None, 0x5000), native(Some(0), u64::MAX)]).unwrap();
        writer.symbols(&[named(0, "old"), named(1, "gone")]).unwrap();
        writer.rss(0, &[RssSample { at: point(9), bytes: 1 << 20 }]).unwrap();
        if is_complete {
            let summary = Summary {
                end: point(10),
                exit: Exit::Status(0),
                cpu_us: 1,
                peak_rss_bytes: 1 << 20,
                channel_waits: 0,
                skipped_events: 0,
                stopped: None,
                damaged_chunks: 0,
            };
            fs::write(&path, writer.finish(&summary).unwrap().0).unwrap();
        } else {
            fs::write(&path, writer.get_mut()).unwrap();
        }
        Self { library, path, visible }
    }

    /// Names it again, and opens what was written.
    fn redone(&self) -> (CaptureReader, Vec<NamedModule>) {
        let redone = Redone::read(&self.path, &Options::default()).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(redone.write(&mut bytes).unwrap(), bytes.len() as u64);
        let path = self.path.with_extension("new");
        fs::write(&path, bytes).unwrap();
        (CaptureReader::open(&path).unwrap(), redone.modules)
    }
}

fn names(reader: &CaptureReader) -> Vec<&str> {
    (0..5).map(|frame| reader.tables().functions_of(FrameId(frame)).first().map_or("", |it| it.name.as_str())).collect()
}

#[test]
fn new_names_replace_old_ones_and_the_rest_is_kept() {
    for is_complete in [true, false] {
        let capture = Capture::new(table(Path::new("/lib.so")), is_complete);
        let old = CaptureReader::open(&capture.path).unwrap();
        let (new, modules) = capture.redone();
        assert_eq!(names(&new), ["visible", "gone", "", "", ""]);
        let own = debug(&capture.library.path);
        let gone = source(1, table(Path::new("/gone/lib.so")));
        let mut facts = new.facts().to_vec();
        facts.sort_by_key(|fact| format!("{fact:?}"));
        assert_eq!(facts, [IMAGE, source(0, own.clone()), gone]);
        assert_eq!((new.summary(), new.header(), new.rss()), (old.summary(), old.header(), old.rss()));
        assert_eq!(new.summary().is_some(), is_complete);
        assert!(new.damage().is_none());
        assert_eq!((&new.tables().frames, &new.tables().modules), (&old.tables().frames, &old.tables().modules));
        let row = |path: Option<&str>, frames, named, source, kept| NamedModule {
            path: path.map(PathBuf::from),
            frames,
            named,
            source,
            kept,
        };
        assert_eq!(
            modules,
            [
                row(Some(text(&capture.library.path)), 2, 1, own, 0),
                row(None, 1, 0, SymbolSource::Missing, 0),
                row(Some("/gone/lib.so"), 1, 1, SymbolSource::Missing, 1),
            ]
        );
        // Once more, and nothing changes.
        fs::rename(capture.path.with_extension("new"), &capture.path).unwrap();
        let before = fs::read(&capture.path).unwrap();
        capture.redone();
        assert_eq!(fs::read(capture.path.with_extension("new")).unwrap(), before);
    }
}

#[test]
fn poorer_names_do_not_replace_richer_ones() {
    let capture = Capture::new(debug(Path::new("/then/lib.so")), true);
    run("strip", &["--strip-all", text(&capture.library.path)]);
    let (new, modules) = capture.redone();
    assert_eq!(names(&new), ["old", "gone", "", "", ""]);
    assert!(new.facts().contains(&source(0, debug(Path::new("/then/lib.so")))));
    assert_eq!((modules[0].named, modules[0].kept), (1, 1));
    assert!(capture.visible > 0);
}

#[test]
fn damage_stays_where_it_was() {
    let capture = Capture::new(SymbolSource::Missing, false);
    let mut bytes = fs::read(&capture.path).unwrap();
    // A byte of the chunk of samples, which comes last; and the beginning of another chunk.
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    bytes.extend(b"MPck and no more");
    fs::write(&capture.path, bytes).unwrap();
    let old = CaptureReader::open(&capture.path).unwrap();
    let (new, _) = capture.redone();
    assert_eq!(names(&new), ["visible", "gone", "", "", ""]);
    assert!(!old.damage().is_none());
    assert_eq!(new.damage(), old.damage());
    assert!(new.rss().is_empty());
}

#[test]
fn the_map_of_the_process_names_code_made_at_run_time() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("tmp")).unwrap();
    fs::write(root.path().join("tmp/perf-4000001.map"), "5000 10 py::f:/a.py\n").unwrap();
    assert!(perf_map::open(Process { pid: 4_000_001, began: 1 }, Some(root.path())).is_some());
    let capture = Capture::new(SymbolSource::Missing, true);
    let options = Options { sysroot: Some(root.path().to_owned()), ..Options::default() };
    let redone = Redone::read(&capture.path, &options).unwrap();
    let made = redone.modules.iter().find(|module| module.path.is_none()).unwrap();
    assert_eq!((made.frames, made.named), (1, 1));
}
