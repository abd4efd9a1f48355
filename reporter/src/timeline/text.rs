//! `timeline` for a terminal: a chart of block characters, or of ASCII.

use std::io::{self, Write};

use super::{Point, Series, axis, columns};
use crate::formatting::report_title;
use crate::formatting::size_units::{seconds, size};
use crate::reading::report::Report;
use crate::text::TextStyle;

/// What a chart is drawn with.
struct Pen {
    /// The live total in a cell, by eighths of it from 1; the last one fills it.
    heap: &'static [char],
    rss: char,
    peak: char,
    upright: char,
    corner: char,
    level: char,
    tick: char,
}

const UNICODE: Pen = Pen {
    heap: &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    rss: '•',
    peak: '▼',
    upright: '│',
    corner: '└',
    level: '─',
    tick: '┴',
};
const ASCII: Pen = Pen { heap: &['#'], rss: 'o', peak: 'v', upright: '|', corner: '+', level: '-', tick: '+' };

/// The labels of the time axis have at least this many columns each.
const TIME_LABEL: usize = 12;
/// A chart of fewer rows shows nothing.
const FEWEST_ROWS: usize = 4;
/// More rows than any terminal has.
const MOST_ROWS: usize = 200;

/// Writes a chart of some `rows` rows as text.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(report: &Report, rows: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let series = Series::of(report);
    let peak = format!("peak of {} after {}", size(series.peak.bytes), seconds(series.peak.at_s));
    report_title::write_about(report, &peak, style, out)?;
    writeln!(out)?;
    let pen = if style.unicode() { &UNICODE } else { &ASCII };
    let rows = rows.clamp(FEWEST_ROWS, MOST_ROWS);
    let scale = axis::sizes(series.largest(), (rows / 3).clamp(2, 6));
    // Each tick is at the top of a row.
    let rows_of_step = (rows / scale.ticks).max(1);
    let rows = rows_of_step * scale.ticks;
    let labels: Vec<String> = (0..=scale.ticks).map(|tick| size(scale.step.saturating_mul(tick as u64))).collect();
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let width = style.width() - margin - 2;
    let bytes_of_row = scale.step as f64 / rows_of_step as f64;
    let [heap, rss] = [&series.heap, &series.rss].map(|points| columns(points, &series, width));
    writeln!(out, "{:margin$}  {}", "", style.heading(&peak_line(&series, width, pen)))?;
    for row in (0..rows).rev() {
        let label = if (row + 1).is_multiple_of(rows_of_step) { &labels[(row + 1) / rows_of_step] } else { "" };
        let mut line = String::new();
        for (heap, rss) in heap.iter().zip(&rss) {
            let rss_here = rss.is_some_and(|bytes| bytes > 0 && row_of(bytes, bytes_of_row) == row);
            line.push(if rss_here { pen.rss } else { heap_cell(heap.unwrap_or(0), row, bytes_of_row, pen) });
        }
        let line = style.accent(line.trim_end());
        writeln!(out, "{}", format!("{label:>margin$} {}{line}", pen.upright).trim_end())?;
    }
    write_time_axis(&series, (&labels[0], margin), width, pen, out)?;
    let full = pen.heap[pen.heap.len() - 1];
    let rss = if series.rss.is_empty() { String::new() } else { format!("   {} resident set", pen.rss) };
    writeln!(out, "\n{:margin$}  {full} live memory{rss}", "")
}

/// The row that the top of a size is in.
fn row_of(bytes: u64, bytes_of_row: f64) -> usize {
    ((bytes as f64 / bytes_of_row).ceil() as usize).saturating_sub(1)
}

/// What a cell shows of the live total: whatever exists at all shows.
fn heap_cell(bytes: u64, row: usize, bytes_of_row: f64, pen: &Pen) -> char {
    let filled = bytes as f64 / bytes_of_row - row as f64;
    if bytes == 0 || (filled <= 0.0) {
        return ' ';
    }
    let eighths = (filled.min(1.0) * pen.heap.len() as f64).ceil() as usize;
    pen.heap[eighths.clamp(1, pen.heap.len()) - 1]
}

/// The peak's mark, at its column, with what it says.
fn peak_line(series: &Series, width: usize, pen: &Pen) -> String {
    let Point { at_s, bytes } = series.peak;
    let column = (((at_s - series.from_s) / series.span_s() * width as f64) as usize).min(width - 1);
    let text = format!("{} at {}", size(bytes), seconds(at_s));
    if column + 2 + text.chars().count() <= width {
        format!("{:column$}{} {text}", "", pen.peak)
    } else {
        let before = column.saturating_sub(text.chars().count() + 1);
        format!("{:before$}{text} {}", "", pen.peak)
    }
}

fn write_time_axis(
    series: &Series,
    (zero, margin): (&str, usize),
    width: usize,
    pen: &Pen,
    out: &mut impl Write,
) -> io::Result<()> {
    let scale = axis::seconds(series.span_s(), width / TIME_LABEL);
    // The first tick after the beginning that is a round number.
    let first = (series.from_s / scale.step).ceil();
    let mut line = vec![pen.level; width];
    let mut labels = String::new();
    for tick in 0..=scale.ticks {
        let at_s = (first + tick as f64) * scale.step;
        let column = ((at_s - series.from_s) / series.span_s() * width as f64).round() as usize;
        let label = axis::seconds_label(at_s, scale.step);
        // Under its tick, as far as there is room.
        let start = column.saturating_sub(label.len() / 2);
        let has_room = start == 0 || start > labels.len();
        if column < width && has_room && start + label.len() <= width {
            line[column] = pen.tick;
            labels.push_str(&" ".repeat(start - labels.len()));
            labels.push_str(&label);
        }
    }
    writeln!(out, "{zero:>margin$} {}{}", pen.corner, line.into_iter().collect::<String>())?;
    writeln!(out, "{:margin$}  {labels}", "")
}
