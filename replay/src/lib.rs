//! From the events of a capture to sums: what was live at the peak, what leaked, what was allocated in all.
//!
//! [`merge`] brings the events of all processes into one order; an [`aggregate::Aggregator`] applies them to the state
//! of each process's memory and keeps the sums. What these are is defined in `memprof_capture`, since aggregated
//! captures have them, too.

pub mod aggregate;
pub mod aggregated_capture;
pub mod allocation_sizes;
pub mod event_sink;
mod event_writer;
pub mod events_needed;
pub mod high_watermark;
pub mod joining;
pub mod live_blocks;
pub mod live_merge;
pub mod mapped_sites;
pub mod mappings;
pub mod merge;
mod prefetching;
mod process_memory;
pub mod processes;
pub mod recent_allocations;
pub mod replay;
pub mod shared_objects;
pub mod slots;
mod strands;
pub mod time_bins;
pub mod time_range;
pub mod timeline;
pub mod trimming;

pub use memprof_capture::file::size_histogram;
pub use memprof_capture::metric;
