//! The budget file: limits on the run, and on functions, files, modules and processes. docs/check.md describes it.

use std::fmt;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use glob::Pattern;
use memprof_capture::os_error::in_words;
use serde::{Deserialize, Deserializer, de};

use super::figure::Figure;
use super::module_pattern::ModulePattern;
use crate::formatting::quantities::{Bytes, Count, InvalidQuantity};
use crate::reading::query::PathPattern;

/// The most that each figure may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits([Option<u64>; Figure::ALL.len()]);

impl Limits {
    /// Sets one; nothing leaves it as it is.
    pub fn set(&mut self, figure: Figure, limit: Option<u64>) {
        let place = &mut self.0[figure as usize];
        *place = limit.or(*place);
    }

    /// Those that are set.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, u64)> {
        Figure::ALL.into_iter().zip(self.0).filter_map(|(figure, limit)| Some((figure, limit?)))
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// What a pattern is for.
#[derive(Clone, Debug)]
pub(super) enum CodePattern {
    Function(Pattern),
    File(PathPattern),
    Module(ModulePattern),
}

impl CodePattern {
    /// The table of the budget file.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::File(_) => "file",
            Self::Module(_) => "module",
        }
    }
}

impl fmt::Display for CodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(pattern) => pattern.fmt(f),
            Self::File(pattern) => pattern.fmt(f),
            Self::Module(pattern) => pattern.fmt(f),
        }
    }
}

/// Limits on what some functions do.
#[derive(Clone, Debug)]
pub(super) struct CodeBudget {
    pub(super) pattern: CodePattern,
    /// Whether what they call does not count.
    pub(super) is_own: bool,
    pub(super) limits: Limits,
}

/// Limits on each process whose command matches.
#[derive(Clone, Debug)]
pub(super) struct ProcessBudget {
    pub(super) pattern: Pattern,
    pub(super) limits: Limits,
}

/// All limits.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// On the run.
    pub limits: Limits,
    pub(super) code: Vec<CodeBudget>,
    pub(super) processes: Vec<ProcessBudget>,
}

/// Why a budget file cannot be used.
#[derive(Debug)]
pub enum BudgetError {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// Something in a line of it makes no sense.
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot read the budget {}: {}", path.display(), in_words(error)),
            Self::Invalid { path, line: Some(line), message } => {
                write!(f, "{}, line {line}: {message}", path.display())
            }
            Self::Invalid { path, line: None, message } => write!(f, "{}: {message}", path.display()),
        }
    }
}

impl std::error::Error for BudgetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Invalid { .. } => None,
        }
    }
}

impl Budget {
    /// Reads a budget file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key or a value that no budget has.
    pub fn read(path: &Path) -> Result<Self, BudgetError> {
        let text = fs::read_to_string(path).map_err(|error| BudgetError::Io(path.to_owned(), error))?;
        let invalid = |(line, message)| BudgetError::Invalid { path: path.to_owned(), line, message };
        Self::parse(&text).map_err(invalid)
    }

    /// Reads a budget from text; or says in which line what is wrong.
    fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            // The parser lists what it expected on lines of their own.
            (line, error.message().replace('\n', ", "))
        })?;
        let functions = file.function.into_iter().map(|entry| entry.budget(CodePattern::Function));
        let files = file.file.into_iter().map(|entry| entry.budget(CodePattern::File));
        let modules = file.module.into_iter().map(|entry| entry.budget(CodePattern::Module));
        let code: Vec<CodeBudget> = functions.chain(files).chain(modules).collect();
        if let Some(empty) = code.iter().find(|budget| budget.limits.is_empty()) {
            return Err((
                None,
                format!("no limit for {} {}: add max-peak or another one", empty.pattern.kind(), empty.pattern),
            ));
        }
        let processes: Vec<ProcessBudget> = file.process.into_iter().map(ProcessEntry::budget).collect();
        if let Some(empty) = processes.iter().find(|budget| budget.limits.is_empty()) {
            return Err((None, format!("no limit for process {}: add max-peak or another one", empty.pattern)));
        }
        let limits = limits(
            file.max_peak,
            file.max_leaked,
            file.max_total,
            file.max_temporary,
            file.max_allocations,
            file.max_rss,
        );
        Ok(Self { limits, code, processes })
    }

    /// Whether it has no limit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.code.is_empty() && self.processes.is_empty()
    }
}

/// The keys of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    max_peak: Option<Value<Bytes>>,
    max_leaked: Option<Value<Bytes>>,
    max_total: Option<Value<Bytes>>,
    max_temporary: Option<Value<Bytes>>,
    max_allocations: Option<Value<Count>>,
    max_rss: Option<Value<Bytes>>,
    #[serde(default)]
    function: Vec<CodeEntry<Pattern>>,
    #[serde(default)]
    file: Vec<CodeEntry<PathPattern>>,
    #[serde(default)]
    module: Vec<CodeEntry<ModulePattern>>,
    #[serde(default)]
    process: Vec<ProcessEntry>,
}

/// A table `[[function]]`, `[[file]]` or `[[module]]`. The resident set is no function's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", bound = "P: FromStr<Err: fmt::Display>")]
struct CodeEntry<P> {
    #[serde(deserialize_with = "from_text")]
    pattern: P,
    #[serde(default)]
    own: bool,
    max_peak: Option<Value<Bytes>>,
    max_leaked: Option<Value<Bytes>>,
    max_total: Option<Value<Bytes>>,
    max_temporary: Option<Value<Bytes>>,
    max_allocations: Option<Value<Count>>,
}

/// A table `[[process]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProcessEntry {
    #[serde(deserialize_with = "from_text")]
    pattern: Pattern,
    max_peak: Option<Value<Bytes>>,
    max_leaked: Option<Value<Bytes>>,
    max_total: Option<Value<Bytes>>,
    max_temporary: Option<Value<Bytes>>,
    max_allocations: Option<Value<Count>>,
    max_rss: Option<Value<Bytes>>,
}

impl<P> CodeEntry<P> {
    fn budget(self, pattern: impl FnOnce(P) -> CodePattern) -> CodeBudget {
        let limits =
            limits(self.max_peak, self.max_leaked, self.max_total, self.max_temporary, self.max_allocations, None);
        CodeBudget { pattern: pattern(self.pattern), is_own: self.own, limits }
    }
}

impl ProcessEntry {
    fn budget(self) -> ProcessBudget {
        let limits = limits(
            self.max_peak,
            self.max_leaked,
            self.max_total,
            self.max_temporary,
            self.max_allocations,
            self.max_rss,
        );
        ProcessBudget { pattern: self.pattern, limits }
    }
}

type Size = Option<Value<Bytes>>;

fn limits(
    peak: Size,
    leaked: Size,
    total: Size,
    temporary: Size,
    allocations: Option<Value<Count>>,
    rss: Size,
) -> Limits {
    let mut limits = Limits::default();
    let sizes = [
        (Figure::Peak, peak),
        (Figure::Leaked, leaked),
        (Figure::Total, total),
        (Figure::Temporary, temporary),
        (Figure::Rss, rss),
    ];
    for (figure, size) in sizes {
        limits.set(figure, size.map(|Value(Bytes(bytes))| bytes));
    }
    limits.set(Figure::Allocations, allocations.map(|Value(Count(count))| count));
    limits
}

fn from_text<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// A quantity: text with a unit, or a number.
struct Value<Q>(Q);

impl<'de, Q: FromStr<Err = InvalidQuantity>> Deserialize<'de> for Value<Q> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<Q>(PhantomData<Q>);

        impl<Q: FromStr<Err = InvalidQuantity>> de::Visitor<'_> for Visitor<Q> {
            type Value = Value<Q>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or text such as \"300 MiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Value).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> (Option<usize>, String) {
        Budget::parse(text).expect_err("it is no budget")
    }

    #[test]
    fn limits_have_units_or_are_numbers() {
        let budget = Budget::parse(
            "max-peak = \"300 MiB\"\nmax-allocations = 1e6\nmax-total = 1_000\n\
             [[function]]\npattern = \"load_*\"\nown = true\nmax-leaked = 0\n\
             [[process]]\npattern = \"*worker*\"\nmax-rss = \"1GB\"\n",
        );
        let budget = budget.expect("it is a budget");
        let limits: Vec<_> = budget.limits.iter().collect();
        assert_eq!(limits, [(Figure::Peak, 300 << 20), (Figure::Total, 1000), (Figure::Allocations, 1_000_000)]);
        assert_eq!(budget.code.len(), 1);
        assert!(budget.code[0].is_own);
        assert_eq!(budget.code[0].limits.iter().collect::<Vec<_>>(), [(Figure::Leaked, 0)]);
        assert_eq!(budget.processes[0].limits.iter().collect::<Vec<_>>(), [(Figure::Rss, 1 << 30)]);
        assert!(Budget::parse("").expect("it is empty").is_empty());
    }

    #[test]
    fn the_example_is_a_budget() {
        let text = include_str!("../../../../examples/memprof.toml");
        let budget = Budget::parse(text).expect("it is a budget");
        assert!(!budget.limits.is_empty() && !budget.processes.is_empty());
        let kinds: Vec<_> = budget.code.iter().map(|budget| budget.pattern.kind()).collect();
        assert_eq!(kinds, ["function", "file", "module"]);
    }

    #[test]
    fn mistakes_are_reported_with_their_lines() {
        let (line, message) = mistake("max-peak = 1\n\nmax-peek = 2\n");
        assert_eq!(line, Some(3));
        assert!(message.contains("max-peek") && message.contains("max-peak"), "{message}");
        let (line, message) = mistake("[[function]]\npattern = \"f\"\nmax-rss = 1\n");
        assert_eq!(line, Some(3), "{message}");
        assert!(message.contains("max-rss"), "{message}");
        let (line, message) = mistake("max-total = 1\nmax-peak = \"much\"");
        assert_eq!(line, Some(2));
        assert!(message.contains("a size is a number"), "{message}");
        assert_eq!(mistake("max-allocations = -5").0, Some(1));
        assert_eq!(mistake("max-allocations = 1.5").0, Some(1));
        assert_eq!(mistake("max-peak = true").0, Some(1));
        assert_eq!(mistake("\nmax-peak 5").0, Some(2));
        assert_eq!(mistake("[[function]]\nmax-peak = 5").0, Some(1));
        assert_eq!(mistake("[[file]]\npattern = \"[a\"\nmax-peak = 5").0, Some(2));
        let (_, message) = mistake("[[module]]\npattern = \"numpy\"");
        assert!(message.contains("no limit for module numpy"), "{message}");
    }
}
