//! What a text report begins with: what ran, how much memory it is about, and what its reader must know.

use std::io::{self, Write};

use memprof_replay::metric::Metric;

use crate::formatting::size_units::{counted, size};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::text::{TextStyle, wrap, write_paragraph};

/// Writes the title of a report on a metric, the selection and the notes.
pub(crate) fn write(
    report: &Report,
    view: View,
    metric: Metric,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let whole = report.total(metric);
    let amount = format!("{} {} in {}", size(whole.bytes), metric.heading(), counted(whole.allocations, "allocation"));
    write_about(report, &format!("{amount}{}", view.kind.heading()), style, out)
}

/// Writes a title that says something else of the run.
pub(crate) fn write_about(report: &Report, what: &str, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let run = report.metadata();
    for line in wrap(&format!("{}: {what}", run.command_line), style.width()) {
        writeln!(out, "{}", style.heading(&line))?;
    }
    if !run.selection.is_empty() {
        write_paragraph(&format!("Selection: {}", run.selection), 0, style, out)?;
    }
    for note in report.notes() {
        write_paragraph(&format!("Note: {note}"), 0, style, out)?;
    }
    Ok(())
}
