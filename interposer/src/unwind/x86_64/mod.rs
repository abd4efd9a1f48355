//! x86-64.
//!
//! - [`registers`]: the registers by their DWARF numbers.
//! - [`rule`]: the way to the caller in 16 bits.

pub mod registers;
pub mod rule;

pub use registers::Registers;
pub use rule::Rule;
