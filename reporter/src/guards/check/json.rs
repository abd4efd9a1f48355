//! `check --format json`; docs/check.schema.json describes it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Figure, Finding, Limit, Outcome, Scope, Site};
use crate::guards::diff::GrowthLimit;
use crate::guards::suppressions::SuppressedLeaks;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

const SCHEMA: &str = "memprof-check-1";

/// # memprof check --format json
/// docs/metrics.md defines every figure, docs/check.md the limits.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CheckJson<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, and what was not checked, a sentence each.
    notes: Vec<&'a str>,
    /// Whether no limit is exceeded, and the figures say something about the program.
    passed: bool,
    /// All of them, in the order of the rules.
    limits: Vec<LimitJson<'a>>,
    /// The leaks that did not count, for each suppression.
    suppressed: &'a [SuppressedLeaks],
}

/// A limit and what it was held against.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LimitJson<'a> {
    figure: Figure,
    /// Of all values of the limit.
    #[cfg_attr(test, schemars(extend("enum" = [Figure::Peak.unit(), Figure::Allocations.unit()])))]
    unit: &'static str,
    /// What the limit is on.
    scope: ScopeJson<'a>,
    #[serde(flatten)]
    limit: AllowedJson,
    actual: u64,
    passed: bool,
    /// Where most of it comes from if the limit is exceeded; for a limit on growth, where most was added.
    sites: &'a [Site],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum ScopeJson<'a> {
    Run {
        #[cfg_attr(test, schemars(extend("const" = "run")))]
        kind: &'static str,
    },
    Code {
        #[cfg_attr(test, schemars(extend("enum" = ["function", "file", "module"])))]
        kind: &'static str,
        pattern: &'a str,
        /// Whether what they call does not count.
        own: bool,
    },
    Process {
        #[cfg_attr(test, schemars(extend("const" = "process")))]
        kind: &'static str,
        pid: u32,
        /// Quoted for a shell.
        command_line: &'a str,
    },
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum AllowedJson {
    AtMost {
        /// The most that the figure may be.
        allowed: u64,
    },
    /// A limit on growth.
    Percent {
        /// The figure in the baseline.
        before: u64,
        /// The most that it may have grown since, in percent of what it was.
        #[cfg_attr(test, schemars(range(min = 0)))]
        allowed_growth_percent: f64,
    },
    /// A limit on growth.
    Bytes {
        /// The figure in the baseline.
        before: u64,
        /// The most that it may have grown since.
        allowed_growth: u64,
    },
}

fn limit_json(finding: &Finding) -> LimitJson<'_> {
    let scope = match &finding.scope {
        Scope::Run => ScopeJson::Run { kind: "run" },
        Scope::Code { kind, pattern, is_own } => ScopeJson::Code { kind, pattern, own: *is_own },
        Scope::Process { pid, command } => ScopeJson::Process { kind: "process", pid: *pid, command_line: command },
    };
    let limit = match finding.limit {
        Limit::AtMost(allowed) => AllowedJson::AtMost { allowed },
        Limit::Growth { before, limit: GrowthLimit::Percent(percent) } => {
            AllowedJson::Percent { before, allowed_growth_percent: percent }
        }
        Limit::Growth { before, limit: GrowthLimit::Bytes(bytes) } => {
            AllowedJson::Bytes { before, allowed_growth: bytes.0 }
        }
    };
    LimitJson {
        figure: finding.figure,
        unit: finding.figure.unit(),
        scope,
        limit,
        actual: finding.value,
        passed: !finding.is_breach(),
        sites: &finding.sites,
    }
}

/// Writes all limits as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_json(report: &Report, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let json = CheckJson {
        schema: SCHEMA,
        metadata: report.metadata(),
        notes: report.notes().iter().chain(&outcome.notes).map(String::as_str).collect(),
        passed: outcome.has_passed(),
        limits: outcome.findings.iter().map(limit_json).collect(),
        suppressed: &outcome.suppressed,
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<CheckJson>(SCHEMA, &[]);
    }
}
