//! x86-64.
//!
//! - [`registers`]: the registers by their DWARF numbers.
//! - [`rule`]: the way to the caller in 16 bits.
//! - [`code_entry`]: how code is entered that Python has made.

pub mod code_entry;
pub mod registers;
pub mod rule;

pub use registers::Registers;
pub use rule::Rule;
