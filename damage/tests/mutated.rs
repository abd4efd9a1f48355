//! Every target on its seeds, on what the mutator makes of them, and on inputs that once did harm.

use std::fs;
use std::path::PathBuf;

use memprof_damage::mutator::{mutate, mutate_capture};
use memprof_damage::random::Random;
use memprof_damage::seeds;
use memprof_damage::targets::{capture_reader, channel_records, column_decoder, line_tables, symbols};

/// So many changes of each seed, unless `MEMPROF_MUTATIONS` says otherwise.
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
    for (seed, bytes) in (0..).zip(seeds) {
        for (kind, mutate) in (0..).zip(mutators) {
            for number in 0..mutations {
                let mut changed = bytes.clone();
                let sequence = number << 16 | seed << 8 | kind;
                mutate(&mut changed, &mut Random::new(sequence));
                let failed = std::panic::catch_unwind(|| run(&changed)).is_err();
                if failed {
                    let path = std::env::temp_dir().join(format!("memprof-{name}-{sequence}"));
                    fs::write(&path, &changed).expect("a file can be written");
                    panic!("{name}: mutation {sequence} does harm, see {}", path.display());
                }
            }
        }
    }
}

#[test]
fn captures() {
    let seeds = [
        seeds::capture().expect("memory can be written"),
        include_bytes!("../../reporter/tests/captures/version-1.bin").to_vec(),
    ];
    check("capture_reader", &seeds, capture_reader::run, &[mutate, mutate_capture]);
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
    let apart = memprof_damage::chunks::TakenApart::of(&bytes).expect("a capture");
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
