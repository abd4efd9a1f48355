//! `leaks` for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::{LeakSettings, Leaks};
use crate::formatting::report_title;
use crate::formatting::size_units::{count, counted, percent, seconds, size};
use crate::formatting::stack_text;
use crate::naming::allocator_name::allocator_name;
use crate::reading::pymalloc;
use crate::reading::report::Report;
use crate::text::{Align, Cell, Columns, TextStyle, write_paragraph};

const INDENT: usize = 4;

/// Writes the first `most` stacks as text, of each at most `frames` lines.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(
    report: &Report,
    settings: &LeakSettings,
    most: usize,
    frames: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    report_title::write(report, settings.view, Metric::Leaks, style, out)?;
    let Leaks { paths, groups, ages } = Leaks::of(report, settings);
    let whole = report.total(Metric::Leaks);
    for group in groups.iter().take(most) {
        let allocator = allocator_name(group.allocator);
        let (bytes, allocations) = (group.amount.bytes, counted(group.amount.allocations, "allocation"));
        let share = percent(bytes, whole.bytes);
        let heading = format!("{} ({share}) in {allocations} by {allocator}", size(bytes));
        writeln!(out, "\n{}", style.heading(&heading))?;
        if let Some(between) = ages.get(group.path, group.allocator) {
            let (from, to) = (seconds(between.from_s), seconds(between.to_s));
            writeln!(out, "  allocated from {from} to {to} after the start")?;
        }
        let stack = (paths.places(group.path), settings.view.leaves_libraries_out().then_some(group.place));
        stack_text::write(report, stack, frames, INDENT, style, out)?;
    }
    if groups.len() > most {
        let mut rest = Amount::default();
        groups[most..].iter().for_each(|group| rest.add(group.amount));
        let more = counted((groups.len() - most) as u64, "more stack");
        let rest = format!("and {more}: {} in {}", size(rest.bytes), counted(rest.allocations, "allocation"));
        writeln!(out)?;
        write_paragraph(&rest, 0, style, out)?;
    }
    write_end(report, settings, groups.is_empty(), style, out)
}

/// Writes what must be known after the leaks, if there are any, and after none.
pub(super) fn write_end(
    report: &Report,
    settings: &LeakSettings,
    is_empty: bool,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    write_suppressed(settings, style, out)?;
    if is_empty {
        return Ok(());
    }
    pymalloc::leak_hints(report).iter().try_for_each(|hint| {
        writeln!(out)?;
        write_paragraph(hint, 0, style, out)
    })
}

/// Writes what the suppressions took out, those that took nothing included.
fn write_suppressed(settings: &LeakSettings, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    if settings.suppressed.is_empty() {
        return Ok(());
    }
    let mut sum = Amount::default();
    settings.suppressed.iter().for_each(|suppressed| sum.add(suppressed.amount));
    let title = format!("Suppressed: {} in {}", size(sum.bytes), counted(sum.allocations, "allocation"));
    writeln!(out, "\n{}", style.heading(&title))?;
    let mut columns = Columns::new(&[("Bytes", Align::Right), ("Allocations", Align::Right)], "Suppression");
    for suppressed in &settings.suppressed {
        let cells = vec![size(suppressed.amount.bytes), count(suppressed.amount.allocations)];
        columns.push(cells, Cell::Name(suppressed.pattern.clone()));
    }
    columns.print(out, style)
}
