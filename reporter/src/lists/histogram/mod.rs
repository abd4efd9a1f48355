//! The report `histogram`: how large the allocations were.

mod json;
mod list;

use std::io;

use memprof_replay::allocation_sizes::{AllocationSizes, SizeClass};
use memprof_replay::slots::Amount;

use crate::formatting::expected_size::SizedWrite;
use crate::formatting::report_title;
use crate::lists::list::{ListFormat, sum_in_words};
use crate::reading::report::Report;
use crate::text::TextStyle;
use list::{SizeRow, list, rows};

/// What the bars show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// How many allocations there were.
    Allocations,
    /// How many bytes.
    Bytes,
}

/// The sum of classes.
fn sum(classes: impl Iterator<Item = SizeClass>) -> Amount {
    let mut sum = Amount::default();
    classes.for_each(|class| sum.add(class.amount));
    sum
}

/// What people read first: how much there was.
fn heading(rows: &[SizeRow]) -> String {
    sum_in_words(rows.iter().map(|row| row.class.amount))
}

/// Writes the sizes of all allocators together, or of each. JSON has both.
///
/// # Errors
/// What `out` answers to a write.
pub fn write(
    report: &Report,
    sizes: &AllocationSizes,
    (by_allocator, bars): (bool, Bars),
    (format, style): (ListFormat, &TextStyle),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    let rows = rows(sizes, by_allocator);
    let of_allocators = || rows.chunk_by(|a, b| a.allocator == b.allocator);
    match format {
        ListFormat::Json => json::write(report, sizes, out),
        ListFormat::Csv => list(report, &rows, bars).write_csv(out),
        ListFormat::Markdown => of_allocators().try_for_each(|rows| {
            if let Some(allocator) = rows[0].allocator {
                writeln!(out, "#### {allocator}: {}\n", heading(rows))?;
            }
            list(report, rows, bars).write_markdown(usize::MAX, out)?;
            if by_allocator { writeln!(out) } else { Ok(()) }
        }),
        ListFormat::Text => {
            let all = sum_in_words(sizes.all().into_iter().map(|class| class.amount));
            report_title::write_about(report, &format!("{all} {}, by size", report.span()), style, out)?;
            if rows.is_empty() {
                // The empty line ends the title.
                return if by_allocator { Ok(()) } else { writeln!(out) };
            }
            of_allocators().try_for_each(|rows| {
                writeln!(out)?;
                if let Some(allocator) = rows[0].allocator {
                    writeln!(out, "{}", style.heading(&format!("{allocator}: {}", heading(rows))))?;
                }
                list(report, rows, bars).write_text(usize::MAX, style, out)
            })
        }
    }
}
