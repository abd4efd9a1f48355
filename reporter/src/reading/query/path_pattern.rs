//! Patterns for files and modules.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;

/// A pattern with `*`, `?` and `[...]` for the path of a source file or of a module. One without a slash is for the
/// name of the file itself or of any folder above it: `pandas` means all that lies in a folder of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pattern: Pattern,
    is_of_names: bool,
}

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern(String);

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; a pattern has *, ? and [...] for any characters of a path", self.0)
    }
}

impl std::error::Error for InvalidPattern {}

impl FromStr for PathPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Pattern::new(text).map_err(|error| InvalidPattern(error.msg.to_owned()))?;
        Ok(Self { pattern, is_of_names: !text.contains('/') })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern.fmt(f)
    }
}

impl PathPattern {
    /// Whether the pattern is for this path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if self.is_of_names {
            path.split('/').any(|name| !name.is_empty() && self.pattern.matches(name))
        } else {
            self.pattern.matches(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_for_paths_or_names() {
        let path = "/usr/lib/python3/site-packages/pandas/core/frame.py";
        for (pattern, matches) in [
            ("pandas", true),
            ("frame.py", true),
            ("frame*", true),
            ("frame", false),
            ("*.py", true),
            ("*/pandas/*", true),
            ("/usr/*/frame.py", true),
            ("pandas/core", false),
            ("*/core/frame.p?", true),
            ("num*", false),
            ("", false),
        ] {
            let pattern: PathPattern = pattern.parse().expect("the pattern is well formed");
            assert_eq!(pattern.matches(path), matches, "{pattern}");
        }
        assert!("[a".parse::<PathPattern>().is_err());
    }
}
