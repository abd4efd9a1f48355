//! What there is to know about a row: its figures, and the source around its line.

use memprof_reporter::places::{PlaceId, PlaceKind};
use memprof_reporter::size_units::{counted, size};
use memprof_reporter::text::{harmless, keep_end, keep_start, text_width, wrap};
use memprof_reporter::tree::{CallId, What, label, share};
use ratatui::text::{Line, Span};

use crate::screen::TreeScreen;

/// How many columns a tab goes to.
const TAB: &str = "    ";

/// A pane with fewer lines than this has a name and source only.
const ROOMY: usize = 8;

/// The lines of the pane for the row under the cursor.
pub(crate) fn details(screen: &mut TreeScreen, width: usize, height: usize) -> Vec<Line<'static>> {
    let call = screen.tree.get(screen.rows.call(screen.cursor)).clone();
    let whole = screen.tree.get(CallId::ROOT).amount;
    let mut lines = Vec::new();
    if height < ROOMY {
        // The row says the rest.
        let name = label(screen.report, call.what, screen.options.inverted, width);
        lines.push(Line::styled(name, screen.palette.heading()));
        lines.extend(source(screen, call.what, width, height.saturating_sub(1)));
        lines.truncate(height);
        return lines;
    }
    let name = match call.what {
        What::Call(place) => harmless(screen.report.places().function(place)).into_owned(),
        what => label(screen.report, what, screen.options.inverted, width),
    };
    lines.push(Line::styled(keep_start(&name, width), screen.palette.heading()));
    if let What::Call(place) = call.what {
        lines.extend(position(screen, place).map(|position| Line::raw(keep_end(&position, width))));
    }
    let allocations = counted(call.amount.allocations, "allocation");
    let ranked = share(screen.options.ranking, call.amount, whole);
    let mut figures = format!("{} ({ranked}) in {allocations}", size(call.amount.bytes));
    if !call.own.is_zero() && call.own != call.amount {
        let what = if screen.options.inverted { "without a caller" } else { "own" };
        figures += &format!(", {} {what}", size(call.own.bytes));
    }
    lines.extend(wrap(&figures, width).into_iter().map(Line::raw));
    lines.push(Line::raw(""));
    let left = height.saturating_sub(lines.len());
    lines.extend(source(screen, call.what, width, left));
    lines.truncate(height);
    lines
}

fn position(screen: &TreeScreen, place: PlaceId) -> Option<String> {
    let (file, line) = (screen.report.places().file(place), screen.report.places().line(place));
    match (file.is_empty(), line) {
        (true, _) => None,
        (false, 0) => Some(harmless(file).into_owned()),
        (false, _) => Some(format!("{}:{line}", harmless(file))),
    }
}

fn source(screen: &mut TreeScreen, what: What, width: usize, height: usize) -> Vec<Line<'static>> {
    let What::Call(place) = what else { return Vec::new() };
    if height == 0 || screen.report.places().get(place).kind != PlaceKind::Python {
        return Vec::new();
    }
    let (file, at) = (screen.report.places().file(place), screen.report.places().line(place));
    let lines = match screen.sources.around(file, at, height as u32) {
        Ok(lines) => lines,
        Err(not_shown) => {
            let text = format!("No source: {}.", not_shown.reason());
            return wrap(&text, width).into_iter().map(|line| Line::styled(line, screen.palette.faint())).collect();
        }
    };
    let digits = lines.last().map_or(1, |(number, _)| number.to_string().len());
    let mut out = Vec::new();
    for (number, text) in lines {
        let is_current = number == at;
        let mark = if is_current { '>' } else { ' ' };
        let text = harmless(&text.replace('\t', TAB)).into_owned();
        let number = format!("{mark}{number:>digits$} ");
        let mut text = keep_start(&text, width.saturating_sub(number.len()));
        if is_current {
            text += &" ".repeat(width.saturating_sub(number.len() + text_width(&text)));
        }
        let style = if is_current { screen.palette.cursor() } else { screen.palette.faint() };
        out.push(Line::from(vec![
            Span::styled(number, style),
            Span::styled(text, if is_current { style } else { ratatui::style::Style::new() }),
        ]));
    }
    out
}
