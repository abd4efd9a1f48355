//! How a stack becomes a number.
//!
//! Most allocations come from a stack that was seen before, and consecutive stacks of a thread differ in a few frames.
//! So a thread remembers its last stack ([`memo`]) with a running hash of every prefix ([`hash`]), walks only frames
//! that are new, verifies the others in place, and finds the number of the whole stack by one look-up ([`sites`]).

pub mod hash;
pub mod memo;
pub mod sites;
