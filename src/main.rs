//! memprof.
fn main() {}
