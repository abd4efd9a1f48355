//! See memprof_damage::targets::column_decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memprof_damage::targets::column_decoder::run(bytes));
