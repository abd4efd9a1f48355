//! The capture file: read back whole, and as far as possible when it is cut off or damaged.

use std::path::Path;

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_capture::file::columns::{ColumnEncoder, EventBatch, RecentSizes};
use memprof_capture::file::facts::{ClockPoint, Exit, RssSample};
use memprof_capture::file::{
    CaptureReader, CaptureWriter, Code, Fact, FilePackage, Frame, FrameSymbols, Function, Header, Module, NativeFrame,
    OpenError, PackagedFile, Site, StackNode, Summary, Thread,
};
use memprof_channel::allocator::Allocator;
use memprof_channel::clock::ClockKind;
use memprof_channel::code::LineTableFormat;
use memprof_channel::ids::{CodeId, FrameId, ModuleId, SiteId, StackId, Stamp, ThreadId};
use memprof_channel::object_tracing::ObjectTracing;
use proptest::prelude::*;

fn point(stamp: u64) -> ClockPoint {
    ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp * 12 }
}

fn header() -> Header {
    Header {
        memprof_version: "0.1.0".to_owned(),
        command_line: vec!["python3".to_owned(), "script.py".to_owned()],
        pid: 42,
        start_unix_ns: 1_700_000_000_000_000_000,
        start: point(1000),
        clock: ClockKind::CycleCounter,
        page_size: 4096,
        machine: "linux-x86_64".to_owned(),
        native_stacks: false,
        python_allocators_traced: ObjectTracing::Never,
    }
}

fn summary() -> Summary {
    Summary {
        end: point(9000),
        exit: Exit::Signal(9),
        cpu_us: 5,
        peak_rss_bytes: 6,
        channel_waits: 7,
        skipped_events: 8,
        stopped: None,
        damaged_chunks: 0,
    }
}

fn codes() -> Vec<Code> {
    ["main", "wörk"]
        .map(|name| Code {
            name: name.to_owned(),
            qualified_name: name.to_owned(),
            file: "script.py".to_owned(),
            first_line: 3,
            format: LineTableFormat::Locations,
            line_table: vec![1, 2, 3],
        })
        .to_vec()
}

const SITES: u32 = 2;
const CHUNKS: u64 = 12;

/// An event and who made it.
type Made = (ThreadId, Timed<ResolvedEvent>);

/// Two threads take turns. The numbers of blocks go on from chunk to chunk.
fn events(chunk: u64) -> Vec<Made> {
    let mut next = AllocationNumber(chunk * 134);
    (0..200)
        .map(|number| {
            let event = match number % 3 {
                2 => ResolvedEvent::Free { number: AllocationNumber(next.0 - 1) },
                _ => {
                    let site = SiteId(number as u32 % SITES);
                    let event = ResolvedEvent::Allocation { number: next, size: 24 + number % 2, site };
                    next.0 += 1;
                    event
                }
            };
            (ThreadId(number as u32 / 7 % 2), Timed { stamp: Stamp(2000 + chunk * 500 + number), event })
        })
        .collect()
}

/// A complete capture, with its events spread over chunks.
fn capture() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &header()).unwrap();
    writer
        .facts(&[Fact::Python { version: "3.11.7".to_owned(), allocator: "pymalloc".to_owned(), stacks: true }])
        .unwrap();
    writer.codes(&codes()[..1]).unwrap();
    writer.codes(&codes()[1..]).unwrap();
    writer.modules(&[module()]).unwrap();
    let native = NativeFrame { module: Some(ModuleId(0)), address: 0x1234, interrupted: false, evaluates: true };
    writer.frames(&[Frame::Python { code: CodeId(1), offset: 8 }, Frame::Native(native)]).unwrap();
    writer.stacks(&[StackNode { parent: StackId::EMPTY, frame: FrameId(0) }]).unwrap();
    writer.sites(&[Site::new(StackId(1), Allocator::Malloc), Site::new(StackId::EMPTY, Allocator::Calloc)]).unwrap();
    let (mut encoder, mut sizes) = (ColumnEncoder::new(1), RecentSizes::default());
    for chunk in 0..CHUNKS {
        for (thread, Timed { stamp, event }) in events(chunk) {
            encoder.turn_to(thread);
            encoder.push(stamp, event, &mut sizes);
        }
        writer.events(1, &mut encoder).unwrap();
    }
    writer.threads(&[Thread { tid: 42, name: "python3".to_owned() }]).unwrap();
    writer.rss(0, &[RssSample { at: point(3000), bytes: 1 << 20 }]).unwrap();
    let old = Function { name: "old".to_owned(), file: String::new(), line: 0 };
    writer.symbols(&[FrameSymbols { frame: FrameId(1), functions: vec![old] }]).unwrap();
    writer.symbols(&[FrameSymbols { frame: FrameId(1), functions: functions() }]).unwrap();
    writer.packages(&packages()).unwrap();
    writer.finish(&summary()).unwrap().0
}

fn packages() -> [PackagedFile; 2] {
    let file = |file: &str, package| PackagedFile { file: file.to_owned(), package };
    [
        file("/lib/a.so", FilePackage::StandardLibrary),
        file("script.py", FilePackage::Distribution("scripts".to_owned())),
    ]
}

fn module() -> Module {
    let (bias, start, end) = (0x7f00_0000_0000, 0x7f00_0000_0000, 0x7f00_0002_0000);
    Module { path: "/lib/a.so".to_owned(), build_id: vec![1, 2], bias, start, end, is_interpreter: true }
}

fn functions() -> Vec<Function> {
    ["outer", "inlined"].map(|name| Function { name: name.to_owned(), file: "a.c".to_owned(), line: 7 }).to_vec()
}

fn open(bytes: &[u8]) -> Result<CaptureReader, OpenError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    std::fs::write(&path, bytes).unwrap();
    CaptureReader::open(&path)
}

fn read_all(reader: &mut CaptureReader) -> Vec<Vec<Made>> {
    let chunks = reader.event_chunks().to_vec();
    let mut batch = EventBatch::default();
    let mut read = |chunk| {
        reader.read_events(chunk, &mut batch).unwrap();
        let threads = batch.turns.iter().flat_map(|turn| std::iter::repeat_n(turn.thread, turn.events as usize));
        threads.zip(batch.events.iter().copied()).collect()
    };
    chunks.iter().map(&mut read).collect()
}

fn is_among_the_written(read: &[Made]) -> bool {
    read.is_empty() || (0..CHUNKS).any(|chunk| read == events(chunk))
}

#[test]
fn a_complete_capture_is_read_back() {
    let mut reader = open(&capture()).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.summary(), Some(&summary()));
    assert_eq!(reader.facts().len(), 1);
    assert_eq!(reader.rss(), [RssSample { at: point(3000), bytes: 1 << 20 }]);
    let tables = reader.tables();
    assert_eq!(tables.codes.iter().flatten().cloned().collect::<Vec<_>>(), codes());
    assert_eq!(tables.frames_of(StackId(1)).collect::<Vec<_>>(), [FrameId(0)]);
    for PackagedFile { file, package } in packages() {
        assert_eq!(tables.package_of(&file), Some(&package));
    }
    assert_eq!(tables.package_of("other.py"), None);
    assert_eq!(tables.site(SiteId(1)).unwrap().allocator, Allocator::Calloc);
    assert_eq!(tables.threads.len(), 1);
    assert_eq!(tables.module(ModuleId(0)), Some(&module()));
    assert_eq!(tables.functions_of(FrameId(1)), functions(), "the later names count");
    assert!(tables.functions_of(FrameId(0)).is_empty() && tables.functions_of(FrameId(2)).is_empty());
    let all = read_all(&mut reader);
    assert_eq!(all.len(), CHUNKS as usize);
    for (chunk, read) in (0..).zip(all) {
        assert_eq!(read, events(chunk));
    }
    assert!(reader.damage().is_none());
}

/// For its totals, nothing of a capture is in memory that grows with its stacks.
#[test]
fn totals_need_no_stacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    std::fs::write(&path, capture()).unwrap();
    let mut reader = CaptureReader::open_for_totals(&path).unwrap();
    let tables = reader.tables();
    assert!(
        tables.codes.is_empty() && tables.frames.is_empty() && tables.stacks.is_empty() && tables.symbols.is_empty()
    );
    assert_eq!(tables.sites, [Some(Site::new(StackId::EMPTY, Allocator::Malloc))], "one for all that count alike");
    let at_one_site = |(thread, timed): Made| {
        let event = match timed.event {
            ResolvedEvent::Allocation { number, size, .. } => {
                ResolvedEvent::Allocation { number, size, site: SiteId(0) }
            }
            other => other,
        };
        (thread, Timed { event, ..timed })
    };
    for (chunk, read) in (0..).zip(read_all(&mut reader)) {
        assert_eq!(read, events(chunk).into_iter().map(at_one_site).collect::<Vec<_>>());
    }
    assert!(reader.damage().is_none());
}

#[test]
fn a_capture_cut_off_anywhere_gives_what_it_has() {
    let whole = capture();
    let mut most = 0;
    for length in (0..whole.len()).rev().step_by(7) {
        match open(&whole[..length]) {
            Ok(mut reader) => {
                let all = read_all(&mut reader);
                most = most.max(all.len());
                for (chunk, read) in (0..).zip(all) {
                    assert_eq!(read, events(chunk), "cut at {length}");
                }
            }
            Err(OpenError::Empty(_)) => assert_eq!(length, 0),
            Err(OpenError::NoHeader(_)) => assert!(length < 400, "no header at {length}"),
            Err(other) => panic!("cut at {length}: {other}"),
        }
    }
    assert_eq!(most, CHUNKS as usize);
}

#[test]
fn what_is_no_capture_is_refused_with_its_name() {
    let newer = {
        let mut bytes = capture();
        bytes[8] = 77;
        bytes
    };
    for (bytes, expected) in [
        (b"".as_slice(), "is empty"),
        (b"#!/bin/sh\necho hello, I am a script and no capture at all", "is not a memprof capture"),
        (b"memprof\0", "was cut off"),
        (newer.as_slice(), "format 77, newer than"),
    ] {
        let message = open(bytes).err().expect("it is refused").to_string();
        assert!(message.contains(expected) && message.contains("capture.bin"), "{message}");
    }
    let missing = CaptureReader::open(Path::new("/nowhere/at/all.bin")).err().unwrap().to_string();
    assert!(missing.contains("there is no file /nowhere/at/all.bin"), "{missing}");
    let folder = CaptureReader::open(Path::new("/")).err().unwrap().to_string();
    assert!(folder.contains("is a folder"), "{folder}");
}

proptest! {
    #[test]
    fn a_damaged_capture_never_gives_events_that_were_not_written(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut_tail: bool,
    ) {
        let mut bytes = capture();
        if cut_tail {
            bytes.truncate(bytes.len() - 16);
        }
        for (place, value) in places {
            // The first 16 bytes decide whether it is a capture at all: tested above.
            let at = 16 + place.index(bytes.len() - 16);
            bytes[at] = value;
        }
        if let Ok(mut reader) = open(&bytes) {
            for read in read_all(&mut reader) {
                prop_assert!(is_among_the_written(&read));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_capture_or_refused(tail: Vec<u8>) {
        let mut bytes = b"memprof\0\x01\0\0\0\0\0\0\0".to_vec();
        bytes.extend(tail);
        prop_assert!(open(&bytes).is_err());
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    let bytes = capture();
    std::fs::write(&path, &bytes).unwrap();
    let mut reader = CaptureReader::open(&path).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
    let all = read_all(&mut reader);
    let lost = all.iter().filter(|events| events.is_empty()).count() as u64;
    assert!((1..CHUNKS).contains(&lost), "{lost}");
    assert_eq!((reader.damage().chunks, reader.damage().events), (lost, lost * 200));
}

/// More chunks than the recorder keeps in mind.
#[test]
fn a_file_of_many_chunks_is_read_back() {
    const SAMPLES: u64 = 10_000;
    let mut writer = CaptureWriter::new(Vec::new(), &header()).unwrap();
    for number in 0..SAMPLES {
        writer.rss(0, &[RssSample { at: point(number), bytes: number }]).unwrap();
    }
    let bytes = writer.finish(&summary()).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    std::fs::write(&path, &bytes).unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    assert!(reader.damage().is_none() && reader.summary().is_some());
    assert!(reader.rss().iter().map(|sample| sample.bytes).eq(0..SAMPLES));
    // Without its end, too.
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    assert!(reader.rss().iter().map(|sample| sample.bytes).eq(0..SAMPLES));
}
