//! How long a replay takes, and how much memory: `cargo bench -p memprof-reporter [-- EVENTS [LIVE_BLOCKS]]`.
//!
//! Writes captures of 15 million events with 10,000 live blocks, by one thread, by four interleaved ones, and by four
//! processes of a thread each, and replays each.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::{ClockPoint, Exit};
use memprof_capture::file::{
    CaptureReader, CaptureWriter, Code, Fact, Frame, Header, Site, StackNode, Summary, Thread,
};
use memprof_capture::resolution::Resolver;
use memprof_channel::allocator::Allocator;
use memprof_channel::clock::ClockKind;
use memprof_channel::code::LineTableFormat;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, CodeId, FrameId, SiteId, StackId, Stamp, ThreadId};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_replay::processes::Processes;
use memprof_replay::replay::{ReplaySettings, replay};

const SITES: u64 = 2000;
const EVENTS_PER_CHUNK: usize = 65_536;
/// Events are stamped to within this many stamp units.
const PRECISION: u64 = 100;
/// Consecutive events by one thread before the next one has its turn.
const TURN: u64 = 5;

/// A cheap, repeatable source of numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn header() -> Header {
    Header {
        memprof_version: "bench".to_owned(),
        command_line: vec!["bench".to_owned()],
        pid: 1,
        start_unix_ns: 0,
        start: ClockPoint { stamp: Stamp(0), monotonic_ns: 0 },
        clock: ClockKind::Monotonic,
        page_size: 4096,
        machine: String::new(),
        native_stacks: false,
        python_allocators_traced: ObjectTracing::Never,
    }
}

fn write(path: &Path, events: u64, live_blocks: usize, threads: u64, processes: u32) -> std::io::Result<()> {
    let mut writer = CaptureWriter::new(BufWriter::new(File::create(path)?), &header())?;
    let process = |image| Fact::Process {
        image,
        pid: image,
        parent: 0,
        forked_from: None,
        command_line: vec!["bench".to_owned()],
    };
    writer.facts(&(1..=processes).map(process).collect::<Vec<_>>())?;
    let image_of = |thread: u32| thread % processes + 1;
    writer.codes(&[Code {
        name: "f".to_owned(),
        qualified_name: "f".to_owned(),
        file: "f.py".to_owned(),
        first_line: 1,
        format: LineTableFormat::Locations,
        line_table: Vec::new(),
    }])?;
    writer.frames(&[Frame::Python { code: CodeId(0), offset: 0 }])?;
    let nodes: Vec<_> =
        (0..SITES as u32).map(|index| StackNode { parent: StackId(index / 2), frame: FrameId(0) }).collect();
    writer.stacks(&nodes)?;
    let sites: Vec<_> = (0..SITES as u32).map(|index| Site::new(StackId(index), Allocator::Malloc)).collect();
    writer.sites(&sites)?;
    let names: Vec<_> = (0..threads as u32).map(|tid| Thread { tid, name: "thread".to_owned() }).collect();
    writer.threads(&names)?;
    let mut encoders: Vec<ColumnEncoder> = (0..processes).map(|_| ColumnEncoder::new(PRECISION)).collect();
    let mut resolvers: Vec<Resolver> = (0..processes).map(|_| Resolver::default()).collect();
    let mut sizes = RecentSizes::default();
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let mut live = vec![false; live_blocks * processes as usize];
    let (mut at, mut size) = (0, 100);
    for index in 0..events {
        // Places near each other, as a heap assigns them, with a jump now and then.
        at = if numbers.next(16) == 0 {
            numbers.next(live_blocks as u64)
        } else {
            (at + numbers.next(4)) % live_blocks as u64
        };
        if numbers.next(4) == 0 {
            size = 16 + numbers.next(2000);
        }
        let address = Address(0x5555_0000_0000 + at * 2048);
        let thread = index / TURN % threads;
        // Processes hold blocks of their own at the same addresses.
        let is_live = &mut live[at as usize + live_blocks * (image_of(thread as u32) - 1) as usize];
        let event = if std::mem::take(is_live) {
            Event::Free { address }
        } else {
            *is_live = true;
            Event::Allocation { address, size, site: SiteId(numbers.next(SITES) as u32) }
        };
        let image = image_of(thread as u32);
        let encoder = &mut encoders[image as usize - 1];
        encoder.turn_to(ThreadId(thread as u32));
        resolvers[image as usize - 1]
            .resolve(event, &mut (), |event| encoder.push(Stamp(index * 3), event, &mut sizes));
        if encoder.len() >= EVENTS_PER_CHUNK {
            writer.events(image, encoder)?;
        }
    }
    for (image, encoder) in (1..).zip(&mut encoders) {
        writer.events(image, encoder)?;
    }
    writer.finish(&Summary {
        end: ClockPoint { stamp: Stamp(events * 3), monotonic_ns: events * 24 },
        exit: Exit::Status(0),
        cpu_us: 0,
        peak_rss_bytes: 0,
        channel_waits: 0,
        skipped_events: 0,
        stopped: None,
        damaged_chunks: 0,
    })?;
    Ok(())
}

/// Seconds that this thread has run on a processor: other programs do not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = text.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

/// The largest resident set of this process so far.
fn peak_rss() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (events, live_blocks) = (number(15_000_000_u64), number(10_000_u64) as usize);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (threads, processes) in [(1, 1), (4, 1), (4, 4)] {
        let path = folder.path().join("capture.bin");
        write(&path, events, live_blocks, threads, processes).expect("a capture can be written");
        for _ in 0..3 {
            let start = cpu_seconds();
            let mut reader = CaptureReader::open(&path).expect("the capture can be opened");
            let recorded = Processes::of(&reader);
            let aggregate =
                replay(&mut reader, &recorded, &ReplaySettings::default()).expect("the capture can be replayed");
            println!(
                "{events} events, {live_blocks} blocks, {threads} threads of {processes}: {:.3} s CPU, peak {} bytes, \
                 VmHWM {}",
                cpu_seconds() - start,
                aggregate.sums.all.peak.bytes,
                peak_rss()
            );
        }
    }
}
