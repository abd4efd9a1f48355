//! `diff` for a terminal.

use std::io::{self, Write};

use super::{By, Diff, Row, Status, StatusSum, Subject};
use crate::formatting::size_units::{count, counted, signed_count, signed_percent, signed_size, size};
use crate::text::{Align, Cell, Columns, Location, TextStyle, wrap};

/// The number of frames that a stack shows.
const FRAMES: usize = 8;
/// The number of things listed of those that were taken for the same.
const MATCHES: usize = 5;

/// Writes the comparison with its first `most` rows as text.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(diff: &Diff, most: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    for line in wrap(&diff.headline(), style.width()) {
        writeln!(out, "{}", style.heading(&line))?;
    }
    let [before, after] = diff.reports.map(|report| report.metadata());
    for (name, metadata) in [("before", before), ("after", after)] {
        let run = format!("{name}: {} ({})", metadata.command_line, metadata.start_time);
        for line in wrap(&run, style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    for note in diff.notes() {
        for line in wrap(&format!("Note: {note}"), style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    statuses(diff, style, out)?;
    if !diff.rows().is_empty() {
        writeln!(out)?;
        rows(diff, most, style, out)?;
    }
    if diff.rows().len() > most {
        let rest = &diff.rows()[most..];
        let (mut bytes, mut allocations) = (0, 0);
        for row in rest {
            bytes += row.change.difference().bytes;
            allocations += row.change.difference().allocations;
        }
        let more = counted(rest.len() as u64, "more row");
        writeln!(out, "  and {more}: {} in {} allocations", signed_size(bytes), signed_count(allocations))?;
    }
    let matches = diff.matches().in_words(MATCHES);
    if !matches.is_empty() {
        writeln!(out)?;
    }
    for same in matches {
        for line in wrap(&format!("Same: {same}"), style.width()) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn statuses(diff: &Diff, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let heads = [
        ("", Align::Left),
        (diff.comparison.by.heads().1, Align::Right),
        ("Bytes", Align::Right),
        ("Allocs", Align::Right),
    ];
    let mut columns = Columns::new(&heads, "");
    for status in Status::ALL {
        let StatusSum { rows, change } = diff.sum(status);
        let difference = change.difference();
        let cells = vec![
            status.name().to_owned(),
            count(rows as u64),
            signed_size(difference.bytes),
            signed_count(difference.allocations),
        ];
        columns.push(cells, Cell::Text(String::new()));
    }
    columns.print(out, style)
}

fn rows(diff: &Diff, most: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let heads = [
        ("Bytes", Align::Right),
        ("Change", Align::Right),
        ("Before", Align::Right),
        ("After", Align::Right),
        ("Allocs", Align::Right),
    ];
    let mut columns = Columns::new(&heads, diff.comparison.by.heads().0);
    for row in diff.rows().iter().take(most) {
        let difference = row.change.difference();
        let change = match row.change.status() {
            status @ (Status::New | Status::Gone) => status.name().to_owned(),
            _ => signed_percent(row.change.percent()),
        };
        let cells = vec![
            signed_size(difference.bytes),
            change,
            size(row.change.before.bytes),
            size(row.change.after.bytes),
            signed_count(difference.allocations),
        ];
        columns.push(cells, cell(diff, row));
    }
    columns.print(out, style)
}

fn cell(diff: &Diff, row: &Row) -> Cell {
    match row.subject {
        Subject::Stack(stack) => {
            let mut runs = diff.tree.runs(stack);
            let shown = runs.by_ref().take(FRAMES).map(|run| diff.names.location_in_stack(run)).collect();
            Cell::Stack(shown, runs.map(|(_, times)| times).sum())
        }
        Subject::Function(function) => Cell::Place(diff.names.location(function)),
        Subject::Line(function, line) => Cell::Place(diff.names.location_at(function, line)),
        Subject::Module(path) => Cell::Place(Location::of_path(diff.names.latest_path(path))),
        Subject::Package(package) => Cell::Place(Location::new(diff.package(package), "", 0)),
    }
}

impl By {
    /// One of them and several, as heads of columns.
    const fn heads(self) -> (&'static str, &'static str) {
        match self {
            Self::Stack => ("Stack", "Stacks"),
            Self::Function => ("Function", "Functions"),
            Self::Line => ("Place", "Places"),
            Self::Module => ("Module", "Modules"),
            Self::Package => ("Package", "Packages"),
        }
    }
}
