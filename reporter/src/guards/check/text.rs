//! `check` for a terminal.

use std::io::{self, Write};

use super::{Figure, Finding, Limit, Outcome, Site, SiteFrame};
use crate::formatting::size_units::{count, counted, percent, size};
use crate::reading::report::Report;
use crate::text::{Align, Cell, Columns, Location, TextStyle, wrap};

/// The number of frames that a site shows.
const FRAMES: usize = 4;

/// Writes the limits, and where what is too much comes from.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(report: &Report, outcome: &Outcome, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let title = format!("{}: {}", report.metadata().command_line, outcome.headline());
    for line in wrap(&title, style.width()) {
        writeln!(out, "{}", style.heading(&line))?;
    }
    for sentence in outcome.remarks(report) {
        for line in wrap(&sentence, style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    if outcome.findings.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let heads = [("", Align::Left), ("Limit", Align::Left), ("Allowed", Align::Right), ("Actual", Align::Right)];
    let mut columns = Columns::new(&heads, "Of");
    for finding in &outcome.findings {
        let verdict = if finding.is_breach() { "OVER" } else { "ok" };
        let cells = vec![verdict.to_owned(), finding.limit_name(), finding.allowed(), finding.actual()];
        columns.push(cells, Cell::Place(Location::of_path(&finding.scope.to_string())));
    }
    columns.print(out, style)?;
    for breach in outcome.breaches().filter(|breach| !breach.sites.is_empty()) {
        writeln!(out)?;
        for line in wrap(&breach.heading(), style.width()) {
            writeln!(out, "{}", style.heading(&line))?;
        }
        sites(breach, style, out)?;
    }
    Ok(())
}

fn sites(breach: &Finding, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let heads = breach.in_order("Bytes", "Allocs", "Share").map(|head| (head, Align::Right));
    let mut columns = Columns::new(&heads, "Place");
    for site in &breach.sites {
        let (bytes, allocations) = (size(site.amount.bytes), count(site.amount.allocations));
        let cells = breach.in_order(bytes, allocations, breach.share(site)).into();
        let shown = site.frames.iter().take(FRAMES).map(SiteFrame::location).collect();
        columns.push(cells, Cell::Stack(shown, site.frames.len().saturating_sub(FRAMES)));
    }
    columns.print(out, style)
}

impl SiteFrame {
    fn location(&self) -> Location {
        let (function, file) = (&self.function, &self.file);
        match (self.kind.is_native(), self.line) {
            (true, line) => Location::native(function, file, line),
            (false, 0) => Location::of_function(function, file),
            (false, line) => Location::new(function, file, line),
        }
    }
}

impl Outcome {
    /// How many limits are exceeded.
    pub(super) fn headline(&self) -> String {
        let all = self.findings.len() as u64;
        match (self.breaches().count() as u64, &self.blindness) {
            (0, Some(why)) => format!("cannot be checked: {why}"),
            (0, None) => format!("within {}", counted(all, "limit")),
            (exceeded, _) => format!("{} of {} exceeded", count(exceeded), counted(all, "limit")),
        }
    }

    /// What the reader must know: notes on the capture, what was not checked, what was suppressed.
    pub(super) fn remarks(&self, report: &Report) -> Vec<String> {
        let mut remarks = Vec::new();
        if !report.metadata().selection.is_empty() {
            remarks.push(format!("Selection: {}", report.metadata().selection));
        }
        remarks.extend(report.notes().iter().chain(&self.notes).map(|note| format!("Note: {note}")));
        let used = self.suppressed.iter().filter(|suppressed| !suppressed.amount.is_zero());
        remarks.extend(used.map(|suppressed| {
            let (bytes, allocations) = (size(suppressed.amount.bytes), suppressed.amount.allocations);
            format!("Suppressed: {bytes} leaked in {}: {}", counted(allocations, "allocation"), suppressed.pattern)
        }));
        remarks
    }
}

impl Finding {
    /// The heading of the sites.
    pub(super) fn heading(&self) -> String {
        let what = match (self.limit, self.figure) {
            (Limit::Growth { .. }, _) => "most was added by",
            (_, Figure::Rss) => "the heap's peak was",
            _ => "most is from",
        };
        format!("{}; {what}", self.sentence())
    }

    /// The columns of a site in this order: the share comes next to what it is a share of.
    pub(super) fn in_order<T>(&self, bytes: T, allocations: T, share: T) -> [T; 3] {
        match self.figure {
            Figure::Allocations => [bytes, allocations, share],
            _ => [bytes, share, allocations],
        }
    }

    /// The part of a figure, or of its growth, that is a site's.
    pub(super) fn share(&self, site: &Site) -> String {
        let part = match self.figure {
            Figure::Allocations => site.amount.allocations,
            _ => site.amount.bytes,
        };
        match self.limit {
            Limit::AtMost(_) => percent(part, self.value),
            Limit::Growth { before, .. } => percent(part, self.value.saturating_sub(before)),
        }
    }
}
