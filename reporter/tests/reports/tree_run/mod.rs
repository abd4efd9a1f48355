//! A run whose call tree has everything: branches, a long chain, libraries that call back, imports, two threads, and
//! many small calls.
use memprof_capture::file::Thread;
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_channel::event::Event;
use memprof_channel::ids::Address;
use memprof_replay::metric::Metric;
use memprof_reporter::rows::Ranking;
use memprof_reporter::tree::{Folding, Patterns, TreeOptions};
use memprof_reporter::view::View;

use crate::capture_builder::{CaptureBuilder, Place, SECOND, START};

pub const MAIN: &str = "/home/ada/projects/tracks/tracks.py";
const PARSERS: &str = "/home/ada/projects/tracks/.venv/lib/python3.11/site-packages/pandas/io/parsers/readers.py";
const PANDAS: &str = "/home/ada/projects/tracks/.venv/lib/python3.11/site-packages/pandas/__init__.py";
const NUMPY: &str = "/home/ada/projects/tracks/.venv/lib/python3.11/site-packages/numpy/__init__.py";
const IMPORTLIB: &str = "<frozen importlib._bootstrap>";
const THREADING: &str = "/usr/lib/python3.11/threading.py";
pub const MIB: u64 = 1 << 20;

const IMPORT: [Place; 3] = [
    ("_find_and_load", IMPORTLIB, 1176),
    ("_find_and_load_unlocked", IMPORTLIB, 1147),
    ("_load_unlocked", IMPORTLIB, 690),
];
const READ: [Place; 3] = [("read_csv", PARSERS, 912), ("_read", PARSERS, 577), ("__init__", PARSERS, 1407)];

/// What a tree shows unless something else is asked for.
pub fn options() -> TreeOptions {
    TreeOptions {
        view: View::default(),
        metric: Metric::Peak,
        ranking: Ranking::Bytes,
        inverted: false,
        folding: Folding::Libraries(Patterns::default()),
        biggest: None,
    }
}

fn stack<'a>(parts: &[&[Place<'a>]]) -> Vec<Place<'a>> {
    parts.concat()
}

/// 57.0 MiB and a little more at the peak.
pub fn tree_run() -> CaptureBuilder {
    tree_run_of(MAIN)
}

/// The same of a program in this file.
pub fn tree_run_of(main: &str) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.header.command_line = ["python3", "tracks.py", "gps.csv"].map(str::to_owned).to_vec();
    builder.threads.push(Thread { tid: 4712, name: "worker".to_owned() });
    let load = [("<module>", main, 40), ("main", main, 30), ("load", main, 12)];
    let sites = [
        (stack(&[&load, &READ, &[("convert", main, 20)]]), 30 * MIB),
        (stack(&[&load, &READ]), 12 * MIB),
        (stack(&[&load[..2], &[("index", main, 55)]]), 8 * MIB),
        (
            stack(&[
                &[("<module>", main, 3)],
                &IMPORT,
                &[("<module>", PANDAS, 22)],
                &IMPORT,
                &[("<module>", NUMPY, 5)],
            ]),
            4 * MIB,
        ),
    ];
    let mut address = 0x1000_0000;
    for (frames, size) in &sites {
        let site = builder.site(frames, Mmap);
        address += 64 * MIB;
        builder.map(address, *size, site);
    }
    for line in 61..=80 {
        let site = builder.site(&[("<module>", main, 40), ("main", main, 32), ("label", main, line)], Malloc);
        builder.allocate(u64::from(line) * 0x1000, 1000 + u64::from(line), site);
    }
    let recursion = vec![("walk", main, 90); 60];
    let walk = builder.site(&stack(&[&load[..2], &recursion, &[("leaf", main, 95)]]), Malloc);
    builder.allocate(0x2000_0000, MIB, walk);
    let work = [("_bootstrap", THREADING, 995), ("run", THREADING, 975), ("work", main, 101)];
    let work = builder.site(&work, Malloc);
    let event = Event::Allocation { address: Address(0x3000_0000), size: 2 * MIB, site: work };
    builder.event(1, START + SECOND, event);
    builder.unmap(address, 4 * MIB).free(0x3000_0000);
    builder
}
