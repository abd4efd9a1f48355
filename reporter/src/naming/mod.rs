//! What the numbers of a capture mean, and which of it is shown.
//!
//! - [`places`]: functions with their files and lines, one for each frame (`frame_places`), by way of the line tables
//!   of Python's versions ([`line_table`]).
//! - [`places_by`], [`packages`]: places put together. `allocator_name`: how they allocate.
//! - [`view`], `stack_views`: which of them a report shows. `claims` with [`origins`] and `allocation_functions`: which
//!   native function is the place of a stack. `runtime_frames`, `runtime_functions`, `import_machinery`: what is the
//!   interpreter's.
//! - `process_labels`, `thread_labels`, `short_commands`, `folded_names`: what processes, threads and folded frames are
//!   called.

pub(crate) mod allocation_functions;
pub(crate) mod allocator_name;
pub(crate) mod claims;
pub(crate) mod folded_names;
pub(crate) mod frame_places;
pub(crate) mod import_machinery;
pub mod line_table;
pub mod origins;
pub mod packages;
pub mod places;
pub mod places_by;
pub(crate) mod process_labels;
pub(crate) mod runtime_frames;
pub(crate) mod runtime_functions;
pub(crate) mod short_commands;
pub(crate) mod stack_views;
pub mod strings;
pub(crate) mod thread_labels;
pub mod view;
