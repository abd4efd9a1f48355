//! `check` as Markdown, for job summaries and comments on pull requests.

use std::io::{self, Write};

use super::Outcome;
use crate::formatting::markdown::{code, plain};
use crate::formatting::size_units::{count, size};
use crate::reading::report::Report;

/// Writes the limits, and where what is too much comes from.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_markdown(report: &Report, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Memory: {}\n\n{}", outcome.headline(), code(&report.metadata().command_line))?;
    if !outcome.findings.is_empty() {
        writeln!(out, "\n| | Limit | Allowed | Actual | Of |\n|:--|:--|--:|--:|:--|")?;
    }
    for finding in &outcome.findings {
        let verdict = if finding.is_breach() { "**over**" } else { "ok" };
        let (limit, scope) = (finding.limit_name(), code(&finding.scope.to_string()));
        writeln!(out, "| {verdict} | {limit} | {} | {} | {scope} |", finding.allowed(), finding.actual())?;
    }
    for breach in outcome.breaches().filter(|breach| !breach.sites.is_empty()) {
        writeln!(out, "\n{}\n", plain(&breach.heading()))?;
        let heads = breach.in_order("Bytes", "Allocations", "Share").join(" | ");
        writeln!(out, "| {heads} | Place |\n|--:|--:|--:|:--|")?;
        for site in &breach.sites {
            let (bytes, allocations) = (size(site.amount.bytes), count(site.amount.allocations));
            let place = site.frames.first().map(|frame| code(&frame.label())).unwrap_or_default();
            let figures = breach.in_order(bytes, allocations, breach.share(site)).join(" | ");
            writeln!(out, "| {figures} | {place} |")?;
        }
    }
    let remarks = outcome.remarks(report);
    if !remarks.is_empty() {
        writeln!(out)?;
    }
    remarks.iter().try_for_each(|remark| writeln!(out, "- {}", plain(remark)))
}
