//! Two captures compared ([`diff`]), and limits that a capture keeps or not ([`check`], [`suppressions`]).

pub mod check;
pub mod diff;
pub mod suppressions;
