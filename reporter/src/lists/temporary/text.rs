//! `temporary` for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::{SortBy, places};
use crate::formatting::report_title;
use crate::formatting::size_units::{count, counted, percent, size};
use crate::formatting::stack_text;
use crate::naming::allocator_name::allocator_name;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::text::{TextStyle, write_paragraph};

const INDENT: usize = 2;

/// How much of each list the text has.
#[derive(Clone, Copy, Debug)]
pub struct TextLimits {
    /// Places.
    pub places: usize,
    /// Stacks of each place.
    pub stacks: usize,
    /// Lines of each stack.
    pub frames: usize,
}

/// Writes the first places with their stacks as text.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(
    report: &Report,
    view: View,
    sort: SortBy,
    limits: TextLimits,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    report_title::write(report, view, Metric::Temporary, style, out)?;
    let all = report.total(Metric::Total);
    let temporary = report.total(Metric::Temporary);
    let share = percent(temporary.allocations, all.allocations);
    let further = match report.temporary_threshold() {
        0 => "before its thread made another".to_owned(),
        threshold => format!("before its thread made more than {}", counted(threshold, "other")),
    };
    let meaning = format!("{share} of all allocations were temporary: freed {further}.");
    write_paragraph(&meaning, 0, style, out)?;
    let (places, paths) = places(report, view, sort);
    for row in places.iter().take(limits.places) {
        writeln!(out, "\n{}", style.heading(&style.drawn(report.location(row.place).fit(style.width()))))?;
        let (some, of) = (row.temporary.allocations, counted(row.total.allocations, "allocation"));
        let share = percent(some, row.total.allocations);
        let line = format!("{} of {of} temporary ({share}), {}", count(some), size(row.temporary.bytes));
        write_paragraph(&line, INDENT, style, out)?;
        for group in row.stacks.iter().take(limits.stacks) {
            let allocator = allocator_name(group.allocator);
            writeln!(out, "{:INDENT$}{} by {allocator} from", "", count(group.amount.allocations))?;
            let stack = (paths.places(group.path), view.leaves_libraries_out().then_some(group.place));
            stack_text::write(report, stack, limits.frames, INDENT * 2, style, out)?;
        }
        if row.stacks.len() > limits.stacks {
            let rest: u64 = row.stacks[limits.stacks..].iter().map(|group| group.amount.allocations).sum();
            let more = counted((row.stacks.len() - limits.stacks) as u64, "more stack");
            writeln!(out, "{:INDENT$}{} from {more}", "", count(rest))?;
        }
    }
    if places.len() > limits.places {
        let mut rest = Amount::default();
        places[limits.places..].iter().for_each(|row| rest.add(row.temporary));
        let more = counted((places.len() - limits.places) as u64, "more place");
        let rest = format!("and {more}: {}, {}", counted(rest.allocations, "temporary allocation"), size(rest.bytes));
        writeln!(out)?;
        write_paragraph(&rest, 0, style, out)?;
    }
    Ok(())
}
