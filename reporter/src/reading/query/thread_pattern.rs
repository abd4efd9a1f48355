//! Patterns for threads.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;
use memprof_capture::file::Thread;

use super::path_pattern::{InvalidPattern, PathPattern};

/// The id of a thread in the kernel, or a pattern with `*`, `?` and `[...]` for its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPattern {
    pattern: Pattern,
    id: Option<u32>,
}

impl FromStr for ThreadPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        // The same rules, and the same complaint.
        text.parse::<PathPattern>()?;
        let pattern = Pattern::new(text).unwrap_or_default();
        Ok(Self { pattern, id: text.parse().ok() })
    }
}

impl fmt::Display for ThreadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern.fmt(f)
    }
}

impl ThreadPattern {
    /// Whether the pattern is for this thread.
    #[must_use]
    pub fn matches(&self, thread: &Thread) -> bool {
        self.id == Some(thread.tid) || self.pattern.matches(&thread.name)
    }
}
