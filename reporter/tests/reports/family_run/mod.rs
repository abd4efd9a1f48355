//! A run of several processes: a pool of two forked workers, one of which becomes another program, and a program that
//! the first process starts.

use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_capture::file::{Fact, Thread};
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};

use crate::capture_builder::{CaptureBuilder, SECOND, START};

pub const MAIN: u32 = 4711;
pub const WORKER: u32 = 4720;
pub const CHANGED: u32 = 4721;
pub const GZIP: u32 = 4730;
pub const POOL: &str = "/srv/tracks/pool.py";
pub const MIB: u64 = 1 << 20;

/// The facts that begin an image of a process.
pub fn begin(builder: &mut CaptureBuilder, image: u32, pid: u32, parent: u32, forked_from: Option<u32>, command: &str) {
    let stamp = Stamp(at(f64::from(image) / 10.0));
    let command_line = command.split(' ').map(str::to_owned).collect();
    builder.facts.push(Fact::Image { image, stamp, pid });
    builder.facts.push(Fact::Process { image, pid, parent, forked_from, command_line });
}

/// The stamp of a moment, in seconds since the start.
pub fn at(seconds: f64) -> u64 {
    START + (seconds * SECOND as f64) as u64
}

pub fn allocation(address: u64, size: u64, site: SiteId) -> Event {
    Event::Allocation { address: Address(address), size, site }
}

pub const fn free(address: u64) -> Event {
    Event::Free { address: Address(address) }
}

pub const fn ended(image: u32, stamp: u64) -> Fact {
    Fact::ProcessEnded { image, at: Stamp(stamp) }
}

fn rss(seconds: f64, bytes: u64) -> RssSample {
    RssSample { at: ClockPoint { stamp: Stamp(at(seconds)), monotonic_ns: at(seconds) * 8 }, bytes }
}

/// Image 1 is the main process, 2 and 3 are its workers, 4 is what the second worker becomes, 5 is gzip.
pub fn family_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.header.command_line = ["python3", "pool.py"].map(str::to_owned).to_vec();
    begin(&mut builder, 1, MAIN, 4000, None, "python3 pool.py");
    begin(&mut builder, 2, WORKER, MAIN, Some(1), "python3 pool.py");
    begin(&mut builder, 3, CHANGED, MAIN, Some(1), "python3 pool.py");
    begin(&mut builder, 4, CHANGED, MAIN, None, "python3 -m http.server --directory /srv/tracks/2026");
    begin(&mut builder, 5, GZIP, MAIN, None, "gzip -9 tracks.json");
    builder.facts.extend([ended(2, at(1.2)), ended(4, at(1.6)), ended(5, at(0.9)), ended(1, at(1.9))]);
    builder.threads = [(MAIN, "MainThread"), (WORKER, "MainThread"), (CHANGED, "MainThread"), (GZIP, "gzip")]
        .map(|(tid, name)| Thread { tid, name: name.to_owned() })
        .to_vec();
    let load = builder.site(&[("<module>", POOL, 20), ("load", POOL, 7)], Malloc);
    let work = builder.site(&[("<module>", POOL, 20), ("work", POOL, 12)], Malloc);
    let arena = builder.site(&[("<module>", POOL, 20), ("work", POOL, 13)], Mmap);
    let serve = builder.site(&[("serve_forever", "/usr/lib/python3.11/socketserver.py", 232)], Malloc);
    let outside = builder.site(&[], Malloc);
    // Image 1: 4 MiB all along, which the workers inherit.
    builder.event_of(1, 0, at(0.11), allocation(0x1000, 4 * MIB, load));
    // Images 2 and 3 overlap, at the same addresses.
    for (image, thread, from) in [(2, 1, 0.31), (3, 2, 0.33)] {
        builder.event_of(image, thread, at(from), allocation(0x2000, 3 * MIB, work));
        builder.event_of(
            image,
            thread,
            at(from + 0.01),
            Event::Map { address: Address(1 << 40), size: MIB, site: arena },
        );
        builder.event_of(image, thread, at(from + 0.02), free(0x1000));
    }
    builder.event_of(2, 1, at(1.1), free(0x2000));
    builder.event_of(4, 2, at(0.5), allocation(0x2000, MIB / 2, serve));
    builder.event_of(4, 2, at(0.51), free(0x3000));
    builder.event_of(5, 3, at(0.6), allocation(0x1000, 256 << 10, outside));
    builder.event_of(1, 0, at(1.8), free(0x1000));
    builder.rss = vec![rss(0.2, 20 * MIB), rss(0.6, 22 * MIB), rss(1.5, 21 * MIB)];
    builder.children_rss =
        vec![(2, vec![rss(0.6, 12 * MIB)]), (3, vec![rss(0.35, 11 * MIB)]), (4, vec![rss(0.6, 9 * MIB)])];
    builder
}
