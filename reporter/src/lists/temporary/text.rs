//! `temporary` for a terminal.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::{Temporary, TemporaryRow};
use crate::formatting::report_title;
use crate::formatting::size_units::{count, counted, percent, size};
use crate::formatting::stack_text;
use crate::lists::list::List;
use crate::naming::allocator_name::allocator_name;
use crate::naming::places::PlaceId;
use crate::sums::stack_paths::PathId;
use crate::text::{Location, TextStyle, wrap, write_paragraph};

const INDENT: usize = 2;

/// How much of each list the text has.
#[derive(Clone, Copy, Debug)]
pub struct TextLimits {
    /// Rows: places, unless something else is asked for.
    pub rows: usize,
    /// Stacks of each row, unless it is one.
    pub stacks: usize,
    /// Lines of each stack.
    pub frames: usize,
}

/// Writes the first rows with their stacks as text.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(
    temporary: &Temporary<'_>,
    limits: TextLimits,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let report = temporary.report;
    report_title::write(report, temporary.settings.view, Metric::Temporary, style, out)?;
    let (all, some) = (report.total(Metric::Total).allocations, report.total(Metric::Temporary).allocations);
    let share = percent(some, all);
    let further = match report.temporary_threshold() {
        0 => "before its thread made another".to_owned(),
        threshold => format!("before its thread made more than {}", counted(threshold, "other")),
    };
    let meaning = format!("{share} of all allocations were temporary: freed {further}.");
    write_paragraph(&meaning, 0, style, out)?;
    let names = temporary.names();
    for row in temporary.rows.iter().take(limits.rows) {
        writeln!(out)?;
        temporary.write_row(row, &names, limits, style, out)?;
    }
    if let Some(rest) = temporary.rows.get(limits.rows..).filter(|rest| !rest.is_empty()) {
        let mut sum = Amount::default();
        rest.iter().for_each(|row| sum.add(row.row.amount));
        let more = counted(rest.len() as u64, &format!("more {}", temporary.unit()));
        let rest = format!("and {more}: {}, {}", counted(sum.allocations, "temporary allocation"), size(sum.bytes));
        writeln!(out)?;
        write_paragraph(&rest, 0, style, out)?;
    }
    Ok(())
}

impl Temporary<'_> {
    fn write_row(
        &self,
        row: &TemporaryRow,
        names: &List<'_, TemporaryRow>,
        limits: TextLimits,
        style: &TextStyle,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (some, of) = (row.row.amount.allocations, counted(row.total.allocations, "allocation"));
        let share = percent(some, row.total.allocations);
        let mut figures = format!("{} of {of} temporary ({share}), {}", count(some), size(row.row.amount.bytes));
        if self.settings.by.is_some() && row.row.processes > 1 {
            figures += &format!(", in {}", counted(row.row.processes, "process"));
        }
        let Some(location) = names.subject.location(self.report, row) else {
            // The row is a stack, which comes last.
            for line in wrap(&figures, style.width()) {
                writeln!(out, "{}", style.heading(&line))?;
            }
            write_names(names, row, style, out)?;
            return self.write_stack(row.row.key.path, row.row.key.place, limits.frames, style, out);
        };
        writeln!(out, "{}", style.heading(&style.drawn(location.fit(style.width()))))?;
        write_names(names, row, style, out)?;
        write_paragraph(&figures, INDENT, style, out)?;
        for group in row.stacks.iter().take(limits.stacks) {
            let says_by = self.rows_by.by.allocator;
            let by = if says_by { String::new() } else { format!(" by {}", allocator_name(group.allocator)) };
            writeln!(out, "{:INDENT$}{}{by} from", "", count(group.amount.allocations))?;
            self.write_stack(group.path, group.place, limits.frames, style, out)?;
        }
        if let Some(rest) = row.stacks.get(limits.stacks..).filter(|rest| !rest.is_empty()) {
            let allocations: u64 = rest.iter().map(|group| group.amount.allocations).sum();
            let more = counted(rest.len() as u64, "more stack");
            writeln!(out, "{:INDENT$}{} from {more}", "", count(allocations))?;
        }
        Ok(())
    }

    fn write_stack(
        &self,
        path: PathId,
        place: PlaceId,
        frames: usize,
        style: &TextStyle,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let place = self.settings.view.leaves_libraries_out().then_some(place);
        stack_text::write(self.report, (self.paths.places(path), place), frames, INDENT * 2, style, out)
    }
}

/// Writes what distinguishes a row besides what it is about: `allocator malloc, process 4711`.
fn write_names(
    names: &List<'_, TemporaryRow>,
    row: &TemporaryRow,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let shown = names.columns.iter().filter(|column| column.is_name() && column.is_shown());
    let texts = shown.map(|column| format!("{} {}", column.head.to_lowercase(), column.in_words(row)));
    let text = texts.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        return Ok(());
    }
    let text = Location::new(&text, "", 0).fit(style.width() - INDENT);
    writeln!(out, "{:INDENT$}{}", "", style.drawn(text))
}
