//! Patterns for modules of Python and of native code.

use std::fmt;
use std::str::FromStr;

use glob::{Pattern, PatternError};

use crate::reading::query::{InvalidPattern, PathPattern};

/// A pattern for modules: a dotted name (`pandas.core`) for a Python package or module and all that lies in it, or a
/// pattern for the path or the file name of a library (`libblas*`, `*/numpy/*.so`).
#[derive(Clone, Debug)]
pub(super) struct ModulePattern {
    text: String,
    /// The parts of the dotted name; none where it has a slash.
    packages: Vec<Pattern>,
    library: PathPattern,
}

/// Text that is no pattern.
#[derive(Debug)]
pub(super) enum InvalidModulePattern {
    Package(PatternError),
    Library(InvalidPattern),
}

impl fmt::Display for InvalidModulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(error) => error.fmt(f),
            Self::Library(error) => error.fmt(f),
        }
    }
}

impl FromStr for ModulePattern {
    type Err = InvalidModulePattern;

    fn from_str(text: &str) -> Result<Self, InvalidModulePattern> {
        let library = text.parse().map_err(InvalidModulePattern::Library)?;
        let parts = || text.split('.').map(Pattern::new).collect::<Result<_, _>>();
        let packages = if text.contains('/') { Vec::new() } else { parts().map_err(InvalidModulePattern::Package)? };
        Ok(Self { text: text.to_owned(), packages, library })
    }
}

impl fmt::Display for ModulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ModulePattern {
    /// Whether a Python file is such a module or lies in such a package. Where packages begin is not known: the name
    /// may be anywhere in the path.
    pub(super) fn matches_python(&self, file: &str) -> bool {
        if self.packages.is_empty() {
            return self.library.matches(file);
        }
        let module = file.strip_suffix(".py").unwrap_or(file);
        let parts: Vec<&str> = module.split('/').collect();
        let is_here = |parts: &[&str]| parts.iter().zip(&self.packages).all(|(part, pattern)| pattern.matches(part));
        parts.windows(self.packages.len()).any(is_here)
    }

    /// Whether a library is meant, or lies in a package that is.
    pub(super) fn matches_library(&self, path: &str) -> bool {
        self.library.matches(path) || self.matches_python(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ModulePattern {
        text.parse().expect("it is well formed")
    }

    #[test]
    fn packages_have_all_that_lies_in_them() {
        let frame = "/venv/lib/python3.12/site-packages/pandas/core/frame.py";
        for (text, matches) in [
            ("pandas", true),
            ("pandas.core", true),
            ("pandas.core.frame", true),
            ("pandas.*.frame", true),
            ("core", true),
            ("pandas.frame", false),
            ("pandas.core.frame.x", false),
            ("panda", false),
            ("*/pandas/*", true),
            ("*/numpy/*", false),
        ] {
            assert_eq!(pattern(text).matches_python(frame), matches, "{text}");
        }
        assert!(pattern("job").matches_python("job.py"));
    }

    #[test]
    fn libraries_have_names_and_lie_in_packages() {
        let library = "/venv/lib/python3.12/site-packages/numpy/_core/_multiarray.cpython-312.so";
        for (text, matches) in
            [("numpy", true), ("_multiarray*", true), ("*.so", true), ("numpy._core", true), ("libblas*", false)]
        {
            assert_eq!(pattern(text).matches_library(library), matches, "{text}");
        }
        assert!("[a".parse::<ModulePattern>().is_err());
    }
}
