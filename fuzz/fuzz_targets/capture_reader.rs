//! See memprof_damage::targets::capture_reader.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use memprof_damage::chunks::TakenApart;
use memprof_damage::mutator::mutate_capture;
use memprof_damage::random::Random;

fuzz_target!(|bytes: &[u8]| memprof_damage::targets::capture_reader::run(bytes));

// A change that a checksum finds teaches nothing: most of them are made behind the checksums.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed.into());
    let changed = match random.below(8) {
        0 => None,
        1..4 => {
            let mut bytes = data[..size].to_vec();
            mutate_capture(&mut bytes, &mut random);
            Some(bytes)
        }
        _ => TakenApart::of(&data[..size]).filter(|capture| !capture.chunks.is_empty()).map(|mut capture| {
            let at = random.below(capture.chunks.len());
            let payload = &mut capture.chunks[at].payload;
            let length = payload.len();
            payload.resize(length * 2 + 16, 0);
            let room = payload.len();
            let length = fuzzer_mutate(payload, length, room);
            payload.truncate(length);
            capture.put_together()
        }),
    };
    match changed.filter(|bytes| bytes.len() <= max_size) {
        Some(bytes) => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
