//! See memprof_damage::targets::line_tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memprof_damage::targets::line_tables::run(bytes));
