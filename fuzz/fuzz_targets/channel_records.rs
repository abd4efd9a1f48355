//! See memprof_damage::targets::channel_records.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memprof_damage::targets::channel_records::run(bytes));
