//! What memprof makes of damaged and hostile inputs.
//!
//! - [`targets`]: one function for each reader of foreign bytes. None may panic, hang or take memory without limit,
//!   whatever the bytes are. `fuzz/` runs them under libFuzzer (docs/fuzzing.md), the tests here on seeds, on what a
//!   deterministic [`mutator`] makes of them, and on every input that once did harm (`corpus/`).
//! - [`chunks`]: a capture taken to pieces, changed, and put together again with sound checksums: damage that no
//!   checksum finds.
//! - [`seeds`]: the sound inputs to begin with.

pub mod chunks;
pub mod memory_file;
pub mod mutator;
pub mod random;
pub mod seeds;
pub mod targets;
