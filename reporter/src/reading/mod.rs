//! From a capture to a [`Report`](report::Report): its events replayed, its frames named, and what its reader must
//! know.
//!
//! - [`report`]: the whole of it, which everything else asks. [`query`]: which part of a capture it is about.
//! - [`metadata`], `run_clock`, [`utc_time`]: the run.
//! - `notes`, with [`not_recorded`], `native_notes`, `hidden_allocators`, `elided_callers` and `pymalloc`: what is
//!   missing or must be known.
//! - `native_stacks`, `resident_sets`, `mapped_memory`: figures that no slot has.
//! - [`source_lines`]: the program's own source.

pub(crate) mod bins_wanted;
pub(crate) mod elided_callers;
pub(crate) mod hidden_allocators;
pub(crate) mod mapped_memory;
pub mod metadata;
pub(crate) mod native_notes;
pub(crate) mod native_stacks;
pub mod not_recorded;
pub(crate) mod notes;
pub(crate) mod pymalloc;
pub mod query;
pub mod report;
pub(crate) mod resident_sets;
pub mod run_clock;
pub mod source_lines;
pub mod unknown_process;
pub mod utc_time;
