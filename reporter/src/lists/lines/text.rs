//! `lines` for a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};

use memprof_replay::metric::Metric;

use super::list::file_list;
use super::{FileSums, LineSelection, LineSums, SortBy, files};
use crate::formatting::report_title;
use crate::formatting::size_units::{count, counted, size};
use crate::lists::list::{head, sum_in_words};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::text::{Align, Cell, Columns, TextStyle, write_paragraph};

/// A further column is worth it where the source keeps so much room.
const SOURCE_NEEDS: usize = 40;
/// The number of allocations is, where it keeps this.
const SOURCE_NEEDS_AT_LEAST: usize = 24;
/// At most this many lines without figures are shown between two that have some; of more, none.
const CONTEXT: u32 = 3;

/// Writes the lines of the selected file, or all files, as text: `most` of them, or the usual number.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(
    report: &Report,
    (view, metric): (View, Metric),
    selection: &LineSelection,
    sort: SortBy,
    most: Option<usize>,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    report_title::write(report, view, metric, style, out)?;
    let mut files = files(report, view, metric, selection, sort);
    if selection.file().is_none() {
        files.retain(|file| !file.whole.with_callees[metric].is_zero());
        return write_files(report, metric, &files, most.unwrap_or(super::DEFAULT_FILES), style, out);
    }
    files.iter().try_for_each(|file| write_lines(report, metric, selection, sort, most, file, style, out))
}

fn write_files(
    report: &Report,
    metric: Metric,
    files: &[FileSums],
    most: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    file_list(report, metric, files).write_text(most, style, out)
}

/// A line of the list: with figures, without, or a mark for lines that are left out.
enum ListLine<'a> {
    Figures(&'a LineSums),
    Context(u32),
    Gap,
}

#[expect(clippy::too_many_arguments, reason = "what to write, how, and where")]
fn write_lines(
    report: &Report,
    metric: Metric,
    selection: &LineSelection,
    sort: SortBy,
    most: Option<usize>,
    file: &FileSums,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut sources = report.source_lines();
    let (own, total) = (file.whole.own[metric], file.whole.with_callees[metric]);
    let title = format!("{}: {} of its own, {} with all that it called", file.name, size(own.bytes), size(total.bytes));
    writeln!(out)?;
    for line in crate::text::wrap(&title, style.width()) {
        writeln!(out, "{}", style.heading(&line))?;
    }
    let (shown, left) = largest(metric, &file.lines, most);
    let has_source = shown.iter().any(|row| sources.indented(file.name, row.line).is_some());
    let list = if has_source && sort == SortBy::Line {
        let mut list = in_order(&shown, selection.stretches());
        // A damaged line table may name lines that there are not.
        list.retain(|entry| !matches!(entry, ListLine::Context(line) if sources.indented(file.name, *line).is_none()));
        list
    } else {
        shown.iter().map(|row| ListLine::Figures(row)).collect()
    };
    let mut source = |line: u32| sources.indented(file.name, line).unwrap_or_default().replace('\t', "    ");
    let others: Vec<Metric> = Metric::ALL.into_iter().filter(|&other| other != metric).collect();
    let mut layouts = (0..=others.len()).rev().map(|number| (true, number, SOURCE_NEEDS));
    let mut layout =
        |has_allocations: bool, number: usize| columns(metric, has_allocations, &others[..number], &list, &mut source);
    let roomy = layouts.find_map(|(has_allocations, number, needs)| {
        let columns = layout(has_allocations, number);
        let needs = if number == 0 { SOURCE_NEEDS_AT_LEAST } else { needs };
        (columns.room(style) >= needs).then_some(columns)
    });
    let columns = roomy.unwrap_or_else(|| layout(false, 0));
    columns.print(out, style)?;
    if !left.is_empty() {
        let more = counted(left.len() as u64, "more line");
        let rest = format!("and {more}: {} of their own", sum_in_words(left.iter().map(|row| row.own[metric])));
        write_paragraph(&rest, 2, style, out)?;
    }
    match sources.whole(file.name) {
        Err(not_shown) if !file.lines.is_empty() => {
            writeln!(out)?;
            write_paragraph(&format!("The source is not shown: {}.", not_shown.reason()), 0, style, out)
        }
        _ => Ok(()),
    }
}

/// The `most` largest rows, in their order, and the others.
fn largest<'a>(metric: Metric, rows: &'a [LineSums], most: Option<usize>) -> (Vec<&'a LineSums>, Vec<&'a LineSums>) {
    let mut ranked: Vec<usize> = (0..rows.len()).collect();
    ranked.sort_by_key(|&index| SortBy::Total.key(metric, &rows[index]));
    ranked.truncate(most.unwrap_or(rows.len()));
    let mut chosen = vec![false; rows.len()];
    ranked.into_iter().for_each(|index| chosen[index] = true);
    let (shown, left): (Vec<_>, Vec<_>) = rows.iter().zip(chosen).partition(|(_, chosen)| *chosen);
    let only_rows = |rows: Vec<(&'a LineSums, bool)>| rows.into_iter().map(|(row, _)| row).collect();
    (only_rows(shown), only_rows(left))
}

/// Rows by number, with the lines between them, and all lines of the functions that were asked for.
fn in_order<'a>(rows: &[&'a LineSums], stretches: &[(u32, u32)]) -> Vec<ListLine<'a>> {
    let mut lines: BTreeMap<u32, ListLine> = BTreeMap::new();
    // A damaged line table may name any line.
    const LONGEST_STRETCH: u32 = 10_000;
    for &(first, last) in stretches {
        let last = last.min(first.saturating_add(LONGEST_STRETCH));
        lines.extend((first..=last).map(|line| (line, ListLine::Context(line))));
    }
    for row in rows {
        lines.insert(row.line, ListLine::Figures(row));
    }
    let mut list: Vec<ListLine> = Vec::new();
    let mut before: Option<u32> = None;
    for (line, entry) in lines {
        if let Some(before) = before {
            match line - before - 1 {
                0 => {}
                missing if missing <= CONTEXT => list.extend((before + 1..line).map(ListLine::Context)),
                _ => list.push(ListLine::Gap),
            }
        }
        list.push(entry);
        before = Some(line);
    }
    list
}

fn columns(
    metric: Metric,
    has_allocations: bool,
    others: &[Metric],
    list: &[ListLine],
    source: &mut impl FnMut(u32) -> String,
) -> Columns {
    let mut heads = vec![("Line", Align::Right), ("Own", Align::Right), ("Total", Align::Right)];
    heads.extend(has_allocations.then_some(("Allocs", Align::Right)));
    heads.extend(others.iter().map(|&other| (head(other), Align::Right)));
    let mut columns = Columns::new(&heads, "Source");
    for entry in list {
        let mut cells = Vec::with_capacity(heads.len());
        let text = match entry {
            ListLine::Figures(row) => {
                let line = if row.line > 0 { row.line.to_string() } else { "?".to_owned() };
                cells.extend([line, nothing_or(row.own[metric].bytes), nothing_or(row.with_callees[metric].bytes)]);
                let allocations = row.own[metric].allocations;
                let allocations = if allocations == 0 { String::new() } else { count(allocations) };
                cells.extend(has_allocations.then_some(allocations));
                cells.extend(others.iter().map(|&other| nothing_or(row.with_callees[other].bytes)));
                source(row.line)
            }
            ListLine::Context(line) => {
                cells.push(line.to_string());
                source(*line)
            }
            ListLine::Gap => "…".to_owned(),
        };
        cells.resize(heads.len(), String::new());
        columns.push(cells, Cell::Name(text));
    }
    columns
}

/// A size; nothing for none, so that the others stand out.
fn nothing_or(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { size(bytes) }
}
