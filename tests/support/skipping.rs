//! Says what a test leaves out.

use std::io::{self, Write};

/// Tells the user that something is not tested here, and why: past the test harness, which swallows what tests print.
pub fn skipped(reason: &str) {
    let _ = io::stderr().write_all(format!("skipped: {reason}\n").as_bytes());
}
