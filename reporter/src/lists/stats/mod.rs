//! The report `stats`: the figures of a run, its allocators, sizes and largest places.

mod json;
mod process_list;
mod shared_list;
mod text;

pub use json::write_json;
pub(crate) use json::{RunTotals, run_totals};
pub use text::write_text;

/// How many places each ranking has, unless asked otherwise.
pub const DEFAULT_TOP: usize = 10;
