//! Leaks that are known and not to be reported, in the syntax of LeakSanitizer's suppression files: a line
//! `leak:PATTERN` for each, with `#` before comments.
//!
//! A pattern matches any part of the name of a function, source file or module in a leak's stack. `*` matches any text,
//! `^` at its beginning and `$` at its end for the beginning and the end of the name
//! (<https://clang.llvm.org/docs/AddressSanitizer.html#suppressing-memory-leaks>).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memprof_capture::file::Tables;
use memprof_capture::os_error::in_words;
use memprof_replay::slots::Amount;
use serde::Serialize;

use crate::naming::places::Places;

/// What begins the line of a suppression.
const LEAK: &str = "leak:";

/// One line of a file of suppressions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suppression {
    /// As it was written.
    text: String,
    begins: bool,
    ends: bool,
    /// What is between the asterisks.
    parts: Vec<String>,
}

impl Suppression {
    fn new(text: &str) -> Self {
        let (begins, rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (ends, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        Self { text: text.to_owned(), begins, ends, parts: rest.split('*').map(str::to_owned).collect() }
    }

    fn matches(&self, name: &str) -> bool {
        let Some((last, before)) = self.parts.split_last() else { return false };
        let mut rest = name;
        for (index, part) in before.iter().enumerate() {
            let after = match self.begins && index == 0 {
                true => rest.strip_prefix(part.as_str()),
                false => rest.find(part.as_str()).map(|at| &rest[at + part.len()..]),
            };
            let Some(after) = after else { return false };
            rest = after;
        }
        match (self.begins && before.is_empty(), self.ends) {
            (true, true) => rest == last,
            (true, false) => rest.starts_with(last.as_str()),
            (false, true) => rest.ends_with(last.as_str()),
            (false, false) => rest.contains(last.as_str()),
        }
    }
}

/// The suppressions of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppressions {
    list: Vec<Suppression>,
}

/// A line that is no suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSuppression {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

impl fmt::Display for InvalidSuppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text } = self;
        write!(f, "line {line} is no suppression: {text:?}; write leak:PATTERN, or # before a comment")
    }
}

impl std::error::Error for InvalidSuppression {}

/// Why a file of suppressions cannot be used.
#[derive(Debug)]
pub enum SuppressionsError {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// A line of it makes no sense.
    Invalid(PathBuf, InvalidSuppression),
}

impl fmt::Display for SuppressionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot read suppressions from {}: {}", path.display(), in_words(error)),
            Self::Invalid(path, invalid) => write!(f, "{}: {invalid}", path.display()),
        }
    }
}

impl std::error::Error for SuppressionsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Invalid(_, invalid) => Some(invalid),
        }
    }
}

/// Leaks that a suppression has taken out of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SuppressedLeaks {
    /// The suppression's pattern.
    pub pattern: String,
    /// How much it took out.
    #[serde(flatten)]
    pub amount: Amount,
}

impl Suppressions {
    /// Reads a file of suppressions.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no suppression.
    pub fn read(path: &Path) -> Result<Self, SuppressionsError> {
        let text = fs::read_to_string(path).map_err(|error| SuppressionsError::Io(path.to_owned(), error))?;
        Self::parse(&text).map_err(|invalid| SuppressionsError::Invalid(path.to_owned(), invalid))
    }

    /// Reads suppressions from text.
    ///
    /// # Errors
    /// When a line is neither empty, nor a comment, nor a suppression.
    pub fn parse(text: &str) -> Result<Self, InvalidSuppression> {
        let mut list = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match text.strip_prefix(LEAK).map(str::trim_start) {
                Some(pattern) if !pattern.is_empty() => list.push(Suppression::new(pattern)),
                _ => return Err(InvalidSuppression { line, text: text.to_owned() }),
            }
        }
        Ok(Self { list })
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Nothing suppressed yet, by each.
    pub(crate) fn tally(&self) -> Vec<SuppressedLeaks> {
        let of = |it: &Suppression| SuppressedLeaks { pattern: it.text.clone(), amount: Amount::default() };
        self.list.iter().map(of).collect()
    }

    /// By stack: the number of the first suppression that matches any of its frames, whether a view shows them or not.
    pub(crate) fn of_stacks(&self, tables: &Tables, places: &Places) -> Vec<Option<u32>> {
        let of_place: Vec<Option<u32>> = places
            .ids()
            .map(|id| {
                let names = [Some(places.function(id)), Some(places.file(id)), places.module(id)];
                let mut numbered = (0..).zip(&self.list);
                numbered.find_map(|(number, suppression)| {
                    let mut names = names.iter().flatten().filter(|name| !name.is_empty());
                    names.any(|name| suppression.matches(name)).then_some(number)
                })
            })
            .collect();
        tables.fold_stacks(None, None, |callers: Option<u32>, node| {
            let own = places.of_frame(node.frame).iter().filter_map(|place| of_place[place.index()]);
            callers.into_iter().chain(own).min()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_suppressions_comments_or_mistakes() {
        let parsed = Suppressions::parse("# known\n\nleak:libfoo.so\n  leak: ^main$ \r\n").expect("it is well formed");
        let patterns: Vec<&str> = parsed.list.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(patterns, ["libfoo.so", "^main$"]);
        assert!(Suppressions::parse("").expect("it is well formed").is_empty());
        for (text, line) in [("leak:", 1), ("leak:a\nrace:b", 2), ("libfoo", 1)] {
            assert_eq!(Suppressions::parse(text).expect_err(text).line, line, "{text}");
        }
        let error = Suppressions::read(Path::new("/no such file")).expect_err("there is none").to_string();
        assert!(error.starts_with("cannot read suppressions from /no such file"), "{error}");
    }

    #[test]
    fn patterns_match_parts_of_names() {
        for (pattern, name, matches) in [
            ("foo", "libfoo.so", true),
            ("foo", "libfo.so", false),
            ("^foo", "libfoo.so", false),
            ("^lib", "libfoo.so", true),
            (".so$", "libfoo.so", true),
            (".so$", "libfoo.so.1", false),
            ("^libfoo.so$", "libfoo.so", true),
            ("^libfoo$", "libfoo.so", false),
            ("lib*.so", "/usr/libfoo.so.1", true),
            ("^lib*.so$", "libfoo.so", true),
            ("^lib*.so$", "/libfoo.so", false),
            ("^lib*", "libfoo.so", true),
            ("*foo*", "libfoo.so", true),
            ("a*a", "a", false),
            ("^a*b*a$", "aba", true),
            ("^ab*ba$", "aba", false),
            ("Foo", "foo", false),
            ("é*", "café", true),
        ] {
            assert_eq!(Suppression::new(pattern).matches(name), matches, "{pattern} on {name}");
        }
    }
}
