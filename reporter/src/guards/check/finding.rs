//! A limit and what it was held against.

use std::fmt;

use super::figure::Figure;
use super::sites::Site;
use crate::formatting::size_units::{signed_percent, signed_size};
use crate::guards::diff::{GrowthLimit, percent};

/// What a limit is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole run.
    Run,
    /// Some functions, files or modules.
    Code {
        /// `function`, `file` or `module`.
        kind: &'static str,
        /// Which.
        pattern: String,
        /// Whether what they call does not count.
        is_own: bool,
    },
    /// A process.
    Process {
        /// Its number.
        pid: u32,
        /// What it ran.
        command: String,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("the run"),
            Self::Code { kind, pattern, is_own: false } => write!(f, "{kind} {pattern}"),
            Self::Code { kind, pattern, is_own: true } => write!(f, "{kind} {pattern}, own"),
            Self::Process { pid, command } => write!(f, "process {pid}: {command}"),
        }
    }
}

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// This value itself is.
    AtMost(u64),
    /// What it was in another capture, and a growth.
    Growth {
        /// The value there.
        before: u64,
        /// The most that it may have grown.
        limit: GrowthLimit,
    },
}

/// A limit and the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of what.
    pub figure: Figure,
    /// Of whom.
    pub scope: Scope,
    /// How much is allowed.
    pub limit: Limit,
    /// How much it is.
    pub value: u64,
    /// Where most of it comes from, if it is too much; of a growth, where most was added. None where nobody knows.
    pub sites: Vec<Site>,
}

impl Finding {
    /// Whether it is too much.
    #[must_use]
    pub fn is_breach(&self) -> bool {
        match self.limit {
            Limit::AtMost(most) => self.value > most,
            Limit::Growth { before, limit } => limit.is_exceeded(before, self.value),
        }
    }

    /// The name of the limit: `max-peak`, `peak growth`.
    #[must_use]
    pub fn limit_name(&self) -> String {
        match self.limit {
            Limit::AtMost(_) => format!("max-{}", self.figure.name()),
            Limit::Growth { .. } => format!("{} growth", self.figure.name()),
        }
    }

    /// What is allowed: `300.0 MiB`, `+5%`.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.limit {
            Limit::AtMost(most) => self.figure.text(most),
            Limit::Growth { limit, .. } => format!("+{limit}"),
        }
    }

    /// What it is, in the terms of the limit: `412.0 MiB`, `+8.1%`.
    #[must_use]
    pub fn actual(&self) -> String {
        match self.limit {
            Limit::AtMost(_) => self.figure.text(self.value),
            Limit::Growth { before, limit: GrowthLimit::Percent(_) } => match percent(before, self.value) {
                None if self.value == 0 => signed_percent(Some(0.0)),
                None => "from nothing".to_owned(),
                grown => signed_percent(grown),
            },
            Limit::Growth { before, limit: GrowthLimit::Bytes(_) } => {
                signed_size(i128::from(self.value) - i128::from(before))
            }
        }
    }

    /// What was found in a sentence: `412.0 MiB live at the peak in the run, 300.0 MiB allowed`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (value, heading, scope) = (self.figure.text(self.value), self.figure.heading(), &self.scope);
        match self.limit {
            Limit::AtMost(_) => format!("{value} {heading} in {scope}, {} allowed", self.allowed()),
            Limit::Growth { before, .. } => {
                let (before, actual) = (self.figure.text(before), self.actual());
                format!("{value} {heading} in {scope}, {before} before: {actual}, {} allowed", self.allowed())
            }
        }
    }
}
