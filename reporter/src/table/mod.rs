//! The report `table`: one row for each place, allocator and thread.

mod html;
mod json;
mod text;

pub use html::write_html;
pub use json::write_json;
pub use text::write_text;

/// How many rows the text has, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 50;

/// The name of an allocator that a damaged capture lost.
pub(crate) const LOST_ALLOCATOR: &str = "<lost>";
