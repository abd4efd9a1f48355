//! What `leaks` shows of stacks, where it is a table.

use std::io;

use memprof_replay::metric::Metric;

use super::{LeakSettings, Leaks, json, text};
use crate::formatting::expected_size::SizedWrite;
use crate::lists::list::{Column, List, ListFormat, Room, Subject, sum_in_words};
use crate::naming::allocator_name::allocator_name;
use crate::reading::report::Report;
use crate::sums::stacks::StackGroup;
use crate::text::TextStyle;

/// Writes the stacks: as text the first `most`, of each at most `frames` lines, in Markdown the first `most`.
///
/// # Errors
/// What `out` answers to a write.
pub fn write(
    report: &Report,
    settings: &LeakSettings,
    (most, frames): (usize, usize),
    (format, style): (ListFormat, &TextStyle),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    match format {
        ListFormat::Text => text::write(report, settings, most, frames, style, out),
        ListFormat::Json => json::write(report, settings, out),
        ListFormat::Markdown | ListFormat::Csv => {
            let leaks = Leaks::of(report, settings);
            let list = list(report, &leaks);
            if format == ListFormat::Markdown { list.write_markdown(most, out) } else { list.write_csv(out) }
        }
    }
}

type StackColumn<'a> = Column<'a, StackGroup>;

fn list<'a>(report: &'a Report, Leaks { paths, groups: rows, ages }: &'a Leaks) -> List<'a, StackGroup> {
    let whole = report.total(Metric::Leaks);
    let between = |row: &StackGroup| ages.get(row.path, row.allocator);
    let allocator = |row: &StackGroup| allocator_name(row.allocator);
    let room = if rows.iter().any(|row| between(row).is_some()) { Room::Always } else { Room::Never };
    List {
        report,
        rows,
        unit: "stack",
        subject: Subject::Stack(paths, Box::new(|row| row.path)),
        columns: vec![
            StackColumn::bytes("Bytes", |row| row.amount.bytes).named("bytes"),
            StackColumn::share(move |row| (row.amount.bytes, whole.bytes)),
            StackColumn::count("Allocs", |row| row.amount.allocations).named("allocations"),
            StackColumn::text("Allocator", move |row| allocator(row).into()).named("allocator"),
            StackColumn::seconds("From", move |row| between(row).map(|between| between.from_s))
                .named("allocated_from_s")
                .with_room(room),
            StackColumn::seconds("To", move |row| between(row).map(|between| between.to_s))
                .named("allocated_to_s")
                .with_room(room),
        ],
        sum: Box::new(|rows| sum_in_words(rows.iter().map(|row| row.amount))),
        subject_needs: 0,
    }
}
