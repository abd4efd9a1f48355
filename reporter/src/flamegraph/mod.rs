//! The report `flamegraph`: who allocated, by whole stacks.

mod first_view;
mod html;
#[cfg(feature = "svg")]
mod svg;
mod tree_columns;

pub use html::write_html;
#[cfg(feature = "svg")]
pub use svg::write_svg;
