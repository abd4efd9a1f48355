//! Every target on its seeds, on what the mutator makes of them, and on inputs that once did harm.

use std::fs;
use std::path::PathBuf;

use memprof_capture::file::ChunkKind;
use memprof_damage::chunks::{Chunk, TakenApart};
use memprof_damage::mutator::{mutate, mutate_capture};
use memprof_damage::random::Random;
use memprof_damage::seeds;
use memprof_damage::targets::{capture_reader, channel_records, column_decoder, line_tables, symbols};

/// The number of changes of each seed, unless `MEMPROF_MUTATIONS` says otherwise.
const MUTATIONS: u64 = 300;

fn check(name: &str, seeds: &[Vec<u8>], run: fn(&[u8]), mutators: &[fn(&mut Vec<u8>, &mut Random)]) {
    for seed in seeds {
        run(seed);
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        run(&fs::read(entry.expect("an entry").path()).expect("it can be read"));
    }
    let mutations = std::env::var("MEMPROF_MUTATIONS").map_or(MUTATIONS, |count| count.parse().expect("a number"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for (seed, bytes) in (0..).zip(seeds) {
                    for (kind, mutator) in (0..).zip(mutators) {
                        for number in (0..mutations).skip(first).step_by(threads) {
                            check_mutation(name, bytes, run, *mutator, number << 16 | seed << 8 | kind);
                        }
                    }
                }
            });
        }
    });
}

fn check_mutation(name: &str, bytes: &[u8], run: fn(&[u8]), mutate: fn(&mut Vec<u8>, &mut Random), sequence: u64) {
    let mut changed = bytes.to_vec();
    mutate(&mut changed, &mut Random::new(sequence));
    let failed = std::panic::catch_unwind(|| run(&changed)).is_err();
    if failed {
        let path = std::env::temp_dir().join(format!("memprof-{name}-{sequence}"));
        fs::write(&path, &changed).expect("a file can be written");
        panic!("{name}: mutation {sequence} does harm, see {}", path.display());
    }
}

#[test]
fn captures() {
    check(
        "capture_reader",
        &seeds::captures().expect("memory can be written"),
        capture_reader::run,
        &[mutate, mutate_capture],
    );
}

/// Each thread of an old capture has chunks of its own. Bringing their events into one order must not go through all of
/// them for each chunk.
#[test]
fn an_old_capture_of_many_threads() {
    let [_, old] = &seeds::old_captures()[..] else { panic!("two captures") };
    let mut capture = TakenApart::of(old).expect("a capture");
    let at = capture.chunks.iter().position(|chunk| chunk.header.kind == ChunkKind::Events as u8).expect("events");
    // Exact stamps, then the lengths of five columns, then the free of a block, its address and its stamp.
    let payload = vec![1, 1, 1, 0, 0, 1, 2, 64, 0];
    let chunk_of = |thread| {
        let mut chunk = Chunk::new(ChunkKind::Events, 1, payload.clone());
        (chunk.header.thread, chunk.header.image, chunk.header.first, chunk.header.last) = (thread, 1, 5, 5);
        chunk
    };
    capture.chunks.splice(at..at, (100..60_000).map(chunk_of));
    capture_reader::run(&capture.put_together());
}

#[test]
fn columns() {
    check("column_decoder", &seeds::columns(), column_decoder::run, &[mutate]);
}

#[test]
fn channels() {
    check("channel_records", &[seeds::channel()], channel_records::run, &[mutate]);
}

#[test]
fn tables_of_lines() {
    check("line_tables", &seeds::line_tables(), line_tables::run, &[mutate]);
}

#[test]
fn files_with_names() {
    check("symbols", &seeds::symbols().expect("a C compiler"), symbols::run, &[mutate]);
}

/// Otherwise the changes would all be found at the door, and the rest would show nothing.
#[test]
fn the_seeds_are_sound() {
    use memprof_damage::memory_file::MemoryFile;
    use memprof_reporter::report::Report;

    let file = MemoryFile::of(&seeds::capture().expect("memory can be written")).expect("memory");
    let report = Report::open(&file.path()).expect("a capture");
    assert!(report.metadata().complete && report.damage().is_none(), "{:?}", report.notes());
    let bytes = seeds::capture().expect("memory can be written");
    let apart = TakenApart::of(&bytes).expect("a capture");
    let file = MemoryFile::of(&apart.put_together()).expect("memory");
    let again = Report::open(&file.path()).expect("a capture");
    assert!(again.metadata().complete && again.damage().is_none(), "{:?}", again.notes());

    let taken = channel_records::recorded(&seeds::channel()).expect("a channel");
    assert_eq!((taken.damaged_chunks, taken.allocations), (0, 6));

    for file in seeds::symbols().expect("a C compiler") {
        let found = symbols::named(&file);
        assert!(found > 0, "{:?}", &file[..4]);
    }
}
