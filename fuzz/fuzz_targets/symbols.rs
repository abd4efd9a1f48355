//! See memprof_damage::targets::symbols.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memprof_damage::targets::symbols::run(bytes));
