//! The reports that are lists. [`list`] is what they are made of: rows and columns, written as text, Markdown, CSV or
//! JSON.

pub mod by;
pub mod histogram;
pub mod leaks;
pub mod lines;
pub mod list;
pub mod stats;
pub mod summary;
pub mod table;
pub mod temporary;
