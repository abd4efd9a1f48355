//! `histogram` for a terminal.

use std::io::{self, Write};

use memprof_replay::allocation_sizes::{AllocationSizes, SizeClass};

use super::sum;
use crate::report::Report;
use crate::report_title;
use crate::size_units::{count, counted, percent, size};
use crate::table::LOST_ALLOCATOR;
use crate::text::{Align, BAR, Cell, Columns, TextStyle};

/// The widest bar.
const LONGEST_BAR: usize = 40;
/// Shares have columns of their own where bars keep this.
const BARS_NEED: usize = 16;

/// What the bars show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// How many allocations there were.
    Allocations,
    /// How many bytes.
    Bytes,
}

impl Bars {
    const fn of(self, class: &SizeClass) -> u64 {
        match self {
            Self::Allocations => class.amount.allocations,
            Self::Bytes => class.amount.bytes,
        }
    }
}

/// Writes the sizes as text: of all allocators together, or of each.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    report: &Report,
    sizes: &AllocationSizes,
    by_allocator: bool,
    bars: Bars,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let all = sizes.all();
    let whole = sum(&all);
    let amount = format!("{} in {}", size(whole.bytes), counted(whole.allocations, "allocation"));
    report_title::write_about(report, &format!("{amount} {}, by size", report.span()), style, out)?;
    if !by_allocator {
        writeln!(out)?;
        return write_classes(&all, bars, style, out);
    }
    for (allocator, classes) in sizes.by_allocator() {
        let name = allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name());
        let amount = sum(&classes);
        let heading = format!("{name}: {} in {}", size(amount.bytes), counted(amount.allocations, "allocation"));
        writeln!(out, "\n{}", style.heading(&heading))?;
        write_classes(&classes, bars, style, out)?;
    }
    Ok(())
}

fn write_classes(classes: &[SizeClass], bars: Bars, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    if classes.is_empty() {
        return Ok(());
    }
    let wide = columns(classes, bars, 0, true);
    let has_shares = wide.room(style) >= BARS_NEED;
    let room = if has_shares { wide.room(style) } else { columns(classes, bars, 0, false).room(style) };
    columns(classes, bars, room.min(LONGEST_BAR), has_shares).print(out, style)
}

fn columns(classes: &[SizeClass], bars: Bars, longest: usize, has_shares: bool) -> Columns {
    let whole = sum(classes);
    let most = classes.iter().map(|class| bars.of(class)).max().unwrap_or(0).max(1);
    let heads: &[&str] = if has_shares {
        &["From", "Below", "Allocations", "Share", "Bytes", "Share"]
    } else {
        &["From", "Below", "Allocations", "Bytes"]
    };
    let heads: Vec<(&str, Align)> = heads.iter().map(|head| (*head, Align::Right)).collect();
    let mut columns = Columns::new(&heads, "");
    for class in classes {
        let below = class.max_bytes.checked_add(1).map_or("16.0 EiB".to_owned(), size);
        let mut cells = vec![size(class.min_bytes), below, count(class.amount.allocations)];
        cells.extend(has_shares.then(|| percent(class.amount.allocations, whole.allocations)));
        cells.push(size(class.amount.bytes));
        cells.extend(has_shares.then(|| percent(class.amount.bytes, whole.bytes)));
        // The longest bar fills the room; whatever exists at all shows.
        let bar = (bars.of(class) as f64 / most as f64 * longest as f64).ceil() as usize;
        columns.push(cells, Cell::Text(BAR.to_string().repeat(bar)));
    }
    columns
}
