//! From a capture to reports: names for what a replay summed up, and renderers of that.
//!
//! A report goes this way:
//!
//! 1. [`reading`]: the capture is replayed, and what must be known of it found out.
//! 2. [`naming`]: its numbers get names, and the view says which of them are shown.
//! 3. [`sums`]: what was allocated where, by place, by stack, by call.
//! 4. A renderer: [`lists`], [`tree`], [`timeline`], [`pages`], [`export`], or [`guards`] that compare captures and
//!    check limits.
//!
//! Renderers share [`formatting`], and [`text`] for a terminal. The crate `tui` shows [`tree`] as an application.

pub mod export;
mod formatting;
mod guards;
mod lists;
mod naming;
mod pages;
mod reading;
mod sums;
pub mod text;
pub mod timeline;
pub mod tree;

pub use formatting::{expected_size, quantities, shell_quoting, size_units};
pub use guards::{check, diff, suppressions};
pub use lists::{by, histogram, leaks, lines, list, stats, summary, table, temporary};
pub use naming::{line_table, origins, packages, places, places_by, strings, view};
pub use pages::flamegraph;
pub use reading::{metadata, not_recorded, query, report, run_clock, source_lines, unknown_process, utc_time};
pub use sums::{actors, flame_cells, flame_tree, node, node_report, place_report, rows};
