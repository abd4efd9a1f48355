//! The reports that have whole stacks: the page of `flamegraph`, `table` and `report`, and the picture.

mod bin_columns;
mod first_view;
mod html;
mod shape;
#[cfg(feature = "svg")]
mod svg;
mod tree_columns;
mod whole_sources;

pub(crate) use html::{PARTS, SCHEMA, page_views, write_page_of};
pub use html::{PageKind, write_html, write_report, write_table};
pub use shape::GraphShape;
#[cfg(feature = "svg")]
pub use svg::write_svg;
#[cfg(feature = "svg")]
pub(crate) use svg::write_svg_of;
pub(crate) use tree_columns::write_nodes;
