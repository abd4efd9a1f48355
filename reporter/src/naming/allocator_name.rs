//! What reports call the function that memory was allocated with.

use memprof_channel::allocator::Allocator;

/// The name of an allocator that a damaged capture lost.
const LOST_ALLOCATOR: &str = "<lost>";

/// The name of an allocator; `<lost>` for one that a damaged capture lost.
pub(crate) fn allocator_name(allocator: Option<Allocator>) -> &'static str {
    allocator.map_or(LOST_ALLOCATOR, Allocator::name)
}
