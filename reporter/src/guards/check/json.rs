//! `check --format json`; docs/check.schema.json describes it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Finding, Limit, Outcome, Scope, Site};
use crate::guards::diff::GrowthLimit;
use crate::guards::suppressions::SuppressedLeaks;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

#[derive(Serialize)]
struct CheckJson<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    notes: Vec<&'a str>,
    passed: bool,
    limits: Vec<LimitJson<'a>>,
    suppressed: &'a [SuppressedLeaks],
}

#[derive(Serialize)]
struct LimitJson<'a> {
    figure: &'static str,
    unit: &'static str,
    scope: ScopeJson<'a>,
    #[serde(flatten)]
    limit: AllowedJson,
    actual: u64,
    passed: bool,
    sites: &'a [Site],
}

#[derive(Serialize)]
#[serde(untagged)]
enum ScopeJson<'a> {
    Run { kind: &'static str },
    Code { kind: &'static str, pattern: &'a str, own: bool },
    Process { kind: &'static str, pid: u32, command_line: &'a str },
}

#[derive(Serialize)]
#[serde(untagged)]
enum AllowedJson {
    AtMost { allowed: u64 },
    Percent { before: u64, allowed_growth_percent: f64 },
    Bytes { before: u64, allowed_growth: u64 },
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
        figure: finding.figure.name(),
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
        schema: "memprof-check-1",
        metadata: report.metadata(),
        notes: report.notes().iter().chain(&outcome.notes).map(String::as_str).collect(),
        passed: outcome.has_passed(),
        limits: outcome.findings.iter().map(limit_json).collect(),
        suppressed: &outcome.suppressed,
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}
