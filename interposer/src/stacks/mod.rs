//! How a stack becomes a number.
//!
//! Most allocations come from a stack that was seen before, and consecutive stacks of a thread differ in a few frames.
//! So a thread remembers its last stack with a running hash of every prefix ([`hash`]), walks only frames that are new,
//! verifies the others in place, and finds the number of the whole stack by one look-up ([`sites`]).
//!
//! - [`memo`]: the Python frames.
//! - [`native`]: the native frames.
//! - [`activations`]: which native frames run which Python frames.
//! - [`merged`]: all of them in one order, as they are emitted.

pub mod activations;
pub mod hash;
pub mod memo;
pub mod merged;
pub mod native;
pub mod sites;

#[cfg(test)]
mod simulation;
