//! What was allocated where: sums over slots by place, by stack and by call.
//!
//! - By place: [`rows`] of the places of stacks (`row_places`); of a capture of which nothing else is asked,
//!   [`place_report`].
//! - With all that was called: `call_sums`.
//! - By stack: `stack_paths`, `stack_groups`.
//! - As a tree: [`flame_tree`] of `flame_cells` (`packed_amounts`, `actors`); of a capture of which nothing else is
//!   asked, [`node_report`] with `site_tree`, `node_groups`, `node_lookup` and `attached_nodes`.

pub mod actors;
pub(crate) mod attached_nodes;
pub(crate) mod call_sums;
pub mod flame_cells;
pub mod flame_tree;
pub mod node;
pub(crate) mod node_groups;
pub(crate) mod node_lookup;
pub mod node_report;
pub(crate) mod packed_amounts;
pub mod place_report;
pub(crate) mod row_places;
pub mod rows;
pub(crate) mod site_tree;
pub(crate) mod stack_paths;
pub(crate) mod stacks;
