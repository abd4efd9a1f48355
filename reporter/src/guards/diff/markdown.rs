//! `diff` as Markdown, for comments on pull requests and job summaries.

use std::io::{self, Write};

use memprof_replay::metric::Metric;

use super::common_names::repeated;
use super::{Change, Diff, Row, Status, Subject};
use crate::formatting::markdown::{code, plain};
use crate::formatting::size_units::{count, counted, signed_count, signed_percent, signed_size, size};
use crate::reading::report::Report;

/// The number of frames that a stack shows.
const FRAMES: usize = 4;
/// The number of things listed of those that were taken for the same.
const MATCHES: usize = 5;

/// Writes the comparison with its first `most` rows.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_markdown(diff: &Diff, most: usize, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### {}\n", plain(&diff.headline()))?;
    figures(diff, out)?;
    let sums: Vec<String> =
        Status::ALL.map(|status| format!("{} {}", count(diff.sum(status).rows as u64), status.name())).into();
    writeln!(out, "\nBy {}: {}.", diff.comparison.by.name(), sums.join(", "))?;
    if !diff.rows().is_empty() {
        writeln!(out, "\n| Bytes | Change | Before | After | Allocations | |\n|--:|--:|--:|--:|--:|:--|")?;
        for row in diff.rows().iter().take(most) {
            write_row(diff, row, out)?;
        }
        if diff.rows().len() > most {
            writeln!(out, "\nAnd {}.", counted((diff.rows().len() - most) as u64, "more row"))?;
        }
    }
    let mut notes = diff.notes();
    notes.extend(diff.matches().in_words(MATCHES));
    if !notes.is_empty() {
        writeln!(out)?;
    }
    for note in notes {
        writeln!(out, "- {}", plain(&note))?;
    }
    Ok(())
}

/// All metrics, so that a comment shows whether one was bought with another.
fn figures(diff: &Diff, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| | Before | After | Difference | |\n|:--|--:|--:|--:|--:|")?;
    let change = |metric| {
        let [before, after] = diff.reports.map(|report: &Report| report.total(metric));
        Change { before, after }
    };
    for metric in Metric::ALL {
        let change = change(metric);
        let Change { before, after } = change;
        let (difference, share) = (signed_size(change.difference().bytes), signed_percent(change.percent()));
        writeln!(
            out,
            "| {} | {} | {} | {difference} | {share} |",
            metric.name(),
            size(before.bytes),
            size(after.bytes)
        )?;
    }
    let Change { before, after } = change(Metric::Total);
    let share = super::percent(before.allocations, after.allocations);
    let difference = signed_count(change(Metric::Total).difference().allocations);
    let (before, after) = (count(before.allocations), count(after.allocations));
    writeln!(out, "| allocations | {before} | {after} | {difference} | {} |", signed_percent(share))
}

fn write_row(diff: &Diff, row: &Row, out: &mut impl Write) -> io::Result<()> {
    let difference = row.change.difference();
    let change = match row.change.status() {
        status @ (Status::New | Status::Gone) => status.name().to_owned(),
        _ => signed_percent(row.change.percent()),
    };
    let subject = match row.subject {
        Subject::Stack(stack) => {
            let mut runs = diff.tree.runs(stack);
            let label = |(function, times)| {
                let name = repeated(diff.names.name(function), times);
                match diff.names.latest_file(function) {
                    "" => code(&name),
                    file => code(&format!("{name} ({file})")),
                }
            };
            let shown: Vec<String> = runs.by_ref().take(FRAMES).map(label).collect();
            let more = match runs.map(|(_, times)| times as u64).sum() {
                0 => String::new(),
                more => format!("<br>and {}", counted(more, "more caller")),
            };
            shown.join("<br>") + &more
        }
        _ => code(&diff.label(row).to_string()),
    };
    writeln!(
        out,
        "| {} | {change} | {} | {} | {} | {subject} |",
        signed_size(difference.bytes),
        size(row.change.before.bytes),
        size(row.change.after.bytes),
        signed_count(difference.allocations)
    )
}
