//! Captures whose checksums are right and whose content is not, and files that only look like captures: whatever they
//! claim, a report ends, says what is missing, and takes little memory.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memprof_capture::file::ChunkKind;
use memprof_capture::file::format::{CHUNK_HEADER_BYTES, PREAMBLE_BYTES};
use memprof_capture::file::varint;
use memprof_damage::chunks::{Chunk, TakenApart};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recording, total};

/// More than a report on any of these files may take of address space.
const MOST_MEMORY: u64 = 1 << 30;

fn sound_capture() -> Vec<u8> {
    static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let recorded = Recording::of_code(pythons::any(), "x = [bytes(700 + i) for i in range(300)]")
            .option("--no-native")
            .run()
            .succeeds();
        fs::read(recorded.capture()).expect("it can be read")
    });
    SOUND.clone()
}

struct Given {
    _folder: TempDir,
    path: PathBuf,
}

impl Given {
    fn at(make: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("capture.bin");
        make(&path);
        Self { _folder: folder, path }
    }

    fn file(bytes: &[u8]) -> Self {
        Self::at(|path| fs::write(path, bytes).expect("a file can be written"))
    }

    /// A report, by a process that gets no more memory than it should need.
    fn report(&self, arguments: &[&str]) -> Finished {
        let mut command = memprof(arguments);
        command.arg(&self.path);
        let limit = libc::rlimit { rlim_cur: MOST_MEMORY, rlim_max: MOST_MEMORY };
        // SAFETY: setrlimit may be called between fork and exec, and only reads the limit.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        Finished::of(&mut command)
    }

    /// Requires that there is no report, for exactly this reason; `{}` is the file.
    #[track_caller]
    fn is_refused(&self, reason: &str) {
        let expected = format!("memprof: {}\n", reason.replace("{}", &self.path.display().to_string()));
        for report in [&["stats"][..], &["table", "--json"]] {
            assert_eq!(self.report(report).refuses(1, &[]).stderr(), expected, "{report:?}");
        }
    }

    /// Requires reports that begin with these complaints, and returns the numbers.
    #[track_caller]
    fn is_reported(&self, notes: &[&str]) -> Value {
        let expected: String = notes.iter().map(|note| format!("memprof: {}: {note}\n", self.path.display())).collect();
        let note = self.report(&["table", "--html", "-o", "/dev/stdout"]).succeeds().stderr();
        assert_eq!(note.trim_end_matches("memprof: wrote /dev/stdout\n"), expected);
        self.report(&["flamegraph", "-o", "/dev/stdout"]).succeeds();
        for name in ["stats", "summary", "leaks", "histogram"] {
            let finished = self.report(&[name]).succeeds();
            assert_eq!(finished.stderr(), "", "{name}");
            let text = finished.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
            let label = if name == "stats" { "Note" } else { "Note:" };
            for note in notes {
                assert!(text.contains(&format!("{label} {note}")), "{name}: {text}");
            }
            assert_eq!(text.matches(&format!(" {label} ")).count(), notes.len(), "{name}: {text}");
        }
        let stats = self.report(&["stats", "--json"]).succeeds();
        assert_eq!(stats.stderr(), expected);
        let stats: Value = serde_json::from_str(&stats.stdout()).expect("stats --json prints JSON");
        assert_eq!(stats["notes"], serde_json::json!(notes));
        stats
    }
}

const NO_END: &str = "The capture has no end: the recorder was killed or the file was cut off. What came later is \
                      missing, and so are the program's exit and the counts of waits and skipped events.";

fn left_out(what: &str) -> String {
    format!("Parts of the capture are left out: {what}. Figures may be too low or too high.")
}

/// A number as notes have it.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

const NO_CLOCK: &str = "The capture ends before its clock could be calibrated: times are estimates.";
const NOTHING: &str = "{} was cut off or damaged within its first bytes and holds nothing to report: record again";

/// Cut at the end of each chunk, and in its middle.
#[test]
fn cut_at_every_chunk() {
    let bytes = sound_capture();
    let capture = TakenApart::of(&bytes).expect("a capture");
    let (mut end, mut calibrated) = (PREAMBLE_BYTES, false);
    for (number, chunk) in capture.chunks.iter().enumerate() {
        let (start, length) = (end, CHUNK_HEADER_BYTES + chunk.header.stored_bytes as usize);
        end += length;
        let unreadable = left_out(&format!("{} unreadable bytes", grouped(length / 2)));
        let half = Given::file(&bytes[..start + length / 2]);
        match number {
            0 => half.is_refused(NOTHING),
            _ if calibrated => drop(half.is_reported(&[NO_END, &unreadable])),
            _ => drop(half.is_reported(&[NO_END, &unreadable, NO_CLOCK])),
        }
        let has_end = chunk.header.kind == ChunkKind::Summary as u8;
        calibrated |= has_end || chunk.header.kind == ChunkKind::Rss as u8;
        let complaints: &[&str] = match (has_end, calibrated) {
            (true, _) => &[],
            (false, true) => &[NO_END],
            (false, false) => &[NO_END, NO_CLOCK],
        };
        Given::file(&bytes[..end]).is_reported(complaints);
    }
}

#[test]
fn what_is_no_file() {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    const NO_FILE: &str = "{} is a pipe or a device, not a capture: give the file that `memprof run` wrote";
    let pipe = |path: &Path| {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path");
        // SAFETY: the name is a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    };
    Given::at(pipe).is_refused(NO_FILE);
    for device in ["/dev/zero", "/dev/null", "/dev/tty"] {
        // Without a terminal, this one cannot even be opened.
        if fs::File::open(device).is_ok() {
            Given::at(|path| std::os::unix::fs::symlink(device, path).expect("a link")).is_refused(NO_FILE);
        }
    }
    Given::at(|path| drop(std::os::unix::net::UnixListener::bind(path).expect("a socket")))
        .is_refused("cannot read {}: No such device or address");
    Given::at(|path| fs::create_dir(path).expect("a folder"))
        .is_refused("{} is a folder, not a capture: give the file that `memprof run` wrote");
    Given::file(b"").is_refused("{} is empty: record again with `memprof run`");
}

#[test]
fn damaged_beginnings_and_ends() {
    let bytes = sound_capture();
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        Given::file(&bytes)
    };
    changed(0).is_refused("{} is not a memprof capture: give the file that `memprof run` wrote");
    changed(PREAMBLE_BYTES + CHUNK_HEADER_BYTES).is_refused(NOTHING);
    // The index knows where it is all the same.
    changed(PREAMBLE_BYTES).is_reported(&[]);
    let index = TakenApart { has_end: false, ..TakenApart::of(&bytes).expect("a capture") }.put_together().len();
    let length = bytes.len();
    for (at, unreadable) in
        [(index + 3, length - index), (index + 70, length - index), (length - 1, 16), (length - 16, 16)]
    {
        changed(at).is_reported(&[&left_out(&format!("{} unreadable bytes", grouped(unreadable)))]);
    }
    // Nothing is in an index that is not elsewhere.
    assert_eq!(Given::file(&bytes[..index]).is_reported(&[])["metadata"]["complete"], true);
}

/// Changes a sound capture, and its checksums with it.
fn with(change: impl FnOnce(&mut TakenApart)) -> Given {
    let mut capture = TakenApart::of(&sound_capture()).expect("a capture");
    change(&mut capture);
    Given::file(&capture.put_together())
}

fn first(capture: &mut TakenApart, kind: ChunkKind) -> &mut Chunk {
    capture.first_of(kind).expect("there is one")
}

fn list(length: u64, rows: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    varint::push(&mut payload, length);
    payload.extend(rows);
    payload
}

#[test]
fn absurd_numbers_of_rows() {
    let mut capture = TakenApart::of(&sound_capture()).expect("a capture");
    let is_events = |chunk: &&Chunk| chunk.header.kind == ChunkKind::Events as u8;
    let all: u32 = capture.chunks.iter().filter(is_events).map(|chunk| chunk.header.rows).sum();
    let events = first(&mut capture, ChunkKind::Events).header.rows;
    assert_eq!(all, events, "they fit into a chunk");
    let one = left_out("1 damaged chunk");
    let one_of_events = left_out(&format!("1 damaged chunk with {} events", grouped(events as usize)));
    let two = left_out(&format!("2 damaged chunks with {} events", grouped(events as usize)));
    for kind in [ChunkKind::Codes, ChunkKind::Frames, ChunkKind::Stacks, ChunkKind::Sites] {
        // Without their sites, events cannot be read.
        let note = if kind == ChunkKind::Sites { &two } else { &one };
        with(|capture| first(capture, kind).header.rows = u32::MAX).is_reported(&[note]);
        with(|capture| first(capture, kind).header.first = u32::MAX.into()).is_reported(&[note]);
        with(|capture| first(capture, kind).header.first = u64::MAX).is_reported(&[note]);
        for length in [u64::MAX, u64::from(u32::MAX), 1 << 24] {
            with(|capture| first(capture, kind).payload = list(length, &[0; 64])).is_reported(&[note]);
        }
    }
    with(|capture| first(capture, ChunkKind::Events).header.rows = u32::MAX).is_reported(&[&one]);
    with(|capture| first(capture, ChunkKind::Events).header.rows -= 1)
        .is_reported(&[&left_out(&format!("1 damaged chunk with {} events", grouped(events as usize - 1)))]);
    with(|capture| first(capture, ChunkKind::Events).header.thread = u32::MAX).is_reported(&[&one_of_events]);
}

#[test]
fn rows_that_refer_to_nothing() {
    let numbers = |numbers: &[u64]| {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|&number| varint::push(&mut bytes, number));
        bytes
    };
    let stacks = with(|capture| {
        let replaced = [ChunkKind::Stacks, ChunkKind::Frames, ChunkKind::Sites, ChunkKind::Events].map(|it| it as u8);
        capture.chunks.retain(|chunk| !replaced.contains(&chunk.header.kind));
        // How far the caller is, and a frame: a stack below the next one, that one below it, and one by itself.
        let nodes = numbers(&[u32::MAX.into(), 0, 1, 0, 3, 99]);
        let mut circle = Chunk::new(ChunkKind::Stacks, 3, list(3, &nodes));
        circle.header.last = 2;
        capture.chunks.insert(4, circle);
        capture.chunks.insert(4, Chunk::new(ChunkKind::Frames, 2, list(2, &[2, 2])));
        // How far the stack is from that of the site before, the allocator, that there is no part: stacks 1 and 77, in turns.
        let to = |distance| numbers(&[varint::zigzag(distance), 1, 0]);
        let sites: Vec<u8> =
            [to(1)].into_iter().chain((1..100).map(|row| to(if row % 2 == 1 { 76 } else { -76 }))).flatten().collect();
        capture.chunks.insert(4, Chunk::new(ChunkKind::Sites, 100, list(100, &sites)));
    });
    // The caller that comes later, the frame that is not there, fifty sites with such a stack.
    let stats = stacks.is_reported(&[&left_out("52 references to what is not in it")]);
    assert_eq!(stats["metadata"]["complete"], false);
}

#[test]
fn small_files_that_unpack_to_all_there_is() {
    let zeros = |bytes: usize| vec![0; bytes];
    // Rows of a table, names, facts, samples: an encoded row of zeros, and how many chunks of them.
    for (kind, row_bytes) in [
        (ChunkKind::Codes, 6),
        (ChunkKind::Frames, 3),
        (ChunkKind::Stacks, 2),
        (ChunkKind::Modules, 6),
        (ChunkKind::Symbols, 2),
        (ChunkKind::Packages, 3),
        (ChunkKind::Facts, 3),
        (ChunkKind::Rss, 3),
        (ChunkKind::Threads, 2),
    ] {
        let bomb = with(|capture| {
            let rows = (30 << 20) / row_bytes;
            let chunk = Chunk::new(kind, rows as u32, list(rows as u64, &zeros(rows * row_bytes)));
            let bytes = chunk.to_bytes();
            assert!(bytes.len() < 1 << 20);
            capture.chunks.extend(std::iter::repeat_n(chunk, 2));
        });
        bomb.report(&["stats"]).succeeds();
    }
    let claims = {
        let capture = TakenApart { has_end: false, ..TakenApart::of(&sound_capture()).expect("a capture") };
        let chunk = Chunk::new(ChunkKind::Facts, 1, zeros(1000)).claiming(u32::MAX);
        (chunk.len(), Given::file(&[capture.put_together(), chunk].concat()))
    };
    claims.1.is_reported(&[&left_out(&format!("{} unreadable bytes", claims.0))]);
}

#[test]
fn moments_and_images_out_of_order() {
    let expected = with(|_| {}).is_reported(&[]);
    let allocations = total(&expected, "allocations");
    for change in [
        |chunk: &mut Chunk| std::mem::swap(&mut chunk.header.first, &mut chunk.header.last),
        |chunk: &mut Chunk| chunk.header.first = 0,
        |chunk: &mut Chunk| chunk.header.last = u64::MAX,
        |chunk: &mut Chunk| chunk.header.image = u32::MAX,
        |chunk: &mut Chunk| chunk.header.image = 0,
    ] {
        let stats = with(|capture| change(first(capture, ChunkKind::Events))).is_reported(&[]);
        assert_eq!(total(&stats, "allocations"), allocations);
    }
    // The last moment that there is leaves no room for the next.
    with(|capture| first(capture, ChunkKind::Events).header.first = u64::MAX).report(&["stats"]).succeeds();
}

/// Reading must not take longer than the file's size says, whatever its index or what looks like chunks.
#[test]
fn the_same_again_and_again() {
    let bytes = sound_capture();
    let capture = TakenApart::of(&bytes).expect("a capture");
    let body = TakenApart { has_end: false, ..capture.clone() }.put_together();
    let events = capture.chunks.iter().position(|chunk| chunk.header.kind == ChunkKind::Events as u8).expect("events");
    let offset: usize = capture.chunks[..events].iter().map(|chunk| chunk.to_bytes().len()).sum();
    let header = &capture.chunks[events].to_bytes()[..CHUNK_HEADER_BYTES];
    let entry = [&((PREAMBLE_BYTES + offset) as u64).to_le_bytes()[..], header].concat();
    let index = Chunk::new(ChunkKind::Index, 800_000, entry.repeat(800_000)).to_bytes();
    let tail = [&(body.len() as u64).to_le_bytes()[..], b"mempEND\0"].concat();
    Given::file(&[body, index, tail].concat()).is_reported(&[&left_out("16 unreadable bytes")]);

    let mut liar = Chunk::new(ChunkKind::Facts, 1, Vec::new()).header;
    (liar.stored_bytes, liar.payload_bytes) = (4 << 20, 4 << 20);
    let lies = liar.to_bytes().repeat((8 << 20) / CHUNK_HEADER_BYTES);
    let unreadable = left_out(&format!("{} unreadable bytes", grouped(lies.len())));
    Given::file(&[TakenApart { has_end: false, ..capture }.put_together(), lies].concat()).is_reported(&[&unreadable]);
}
