//! A small run with something of everything: what the renderers' tests show.

use memprof_capture::file::Thread;
use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_channel::allocator::Allocator::{Calloc, Malloc, Mmap, PosixMemalign, Realloc};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, Stamp};

use crate::capture_builder::{CaptureBuilder, SECOND, START};

const MAIN: &str = "/home/ada/projects/primes/examples/random_primes_sum.py";
const RANDOM: &str = "/usr/lib/python3.11/random.py";
const DEEP: &str =
    "/home/ada/projects/primes/.venv/lib/python3.11/site-packages/société/données/chargement_des_données.py";

pub fn sample_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.threads.push(Thread { tid: 4712, name: "loader".to_owned() });
    let list =
        builder.site(&[("<module>", MAIN, 31), ("random_primes_sum", MAIN, 12), ("<listcomp>", MAIN, 12)], Realloc);
    let arena =
        builder.site(&[("<module>", MAIN, 31), ("random_primes_sum", MAIN, 12), ("uniform", RANDOM, 522)], Mmap);
    let small = builder.site(&[("<module>", MAIN, 31), ("is_prime", MAIN, 7)], Malloc);
    let loader = builder.site(&[("charger_toutes_les_données_de_la_table", DEEP, 1234)], PosixMemalign);
    let zeroed = builder.site(&[], Calloc);
    let outside = builder.site(&[], Malloc);
    builder.allocate(0x10, 72_704, outside).allocate(0x20, 4096, zeroed);
    for block in 0..6 {
        builder.map(0x7f00_0000_0000 + (block << 20), 1 << 20, arena);
    }
    builder.allocate(0x100, 88, list);
    for step in 0..9 {
        builder.resize(0x100, 88 << step, list);
    }
    for step in 0..12 {
        builder.allocate(0x1000 + step % 3 * 16, 513 + step * 40, small);
    }
    for block in 0..3 {
        let (address, stamp) = (Address(0x5000 + block * 4096), START + SECOND / 2 + block);
        builder.event(1, stamp, Event::Allocation { address, size: 1_500_000, site: loader });
    }
    builder.free(0x20).free(0x5000).free(0x9999).unmap(0x7f00_0000_0000, 3 << 20);
    builder.rss = (0..100)
        .map(|step| {
            let stamp = START + step * SECOND / 50;
            let at = ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp * 8 };
            RssSample { at, bytes: (9 << 20) + step * 123_456 }
        })
        .collect();
    builder
}
