//! Rows of cells under each other. All columns but the last are as wide as their widest cell; the last one, a place in
//! the program, takes what is left or, where that is too little, a line of its own.

use std::io::{self, Write};

use super::TextStyle;
use super::fitting::{Location, harmless, keep_start, text_width};
use crate::formatting::size_units::counted;

/// Where a cell's text is within its column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// What a row ends with.
pub(crate) enum Cell {
    /// A text that is printed whole.
    Text(String),
    /// A name of any length, of which what does not fit is left out.
    Name(String),
    /// A place, shortened to what is left.
    Place(Location),
    /// A text and a place, on a line each.
    Lines(String, Location),
    /// Places, innermost first, and how many more there are, on a line each.
    Stack(Vec<Location>, usize),
}

const INDENT: &str = "  ";
const GAP: &str = "  ";
/// A place that would have fewer columns than this is put on a line of its own.
const PLACE_NEEDS: usize = 30;

/// Gathers rows and prints them.
pub(crate) struct Columns {
    heads: Vec<(&'static str, Align)>,
    last_head: &'static str,
    rows: Vec<(Vec<String>, Cell)>,
}

impl Columns {
    /// The columns' heads. All may be empty: then no line is printed for them.
    pub(crate) fn new(heads: &[(&'static str, Align)], last_head: &'static str) -> Self {
        Self { heads: heads.to_vec(), last_head, rows: Vec::new() }
    }

    /// Appends a row, with a text for each head and the last cell.
    pub(crate) fn push(&mut self, cells: Vec<String>, last: Cell) {
        let cells = cells.into_iter().map(|cell| harmless(&cell).into_owned()).collect();
        self.rows.push((cells, last));
    }

    /// Whether all columns but the last fit.
    pub(crate) fn fit(&self, style: &TextStyle) -> bool {
        let widths = self.widths();
        INDENT.len() + widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1) <= style.width()
    }

    /// Columns that are left for the last cell.
    pub(crate) fn room(&self, style: &TextStyle) -> usize {
        let taken: usize = self.widths().iter().map(|width| width + GAP.len()).sum();
        style.width().saturating_sub(INDENT.len() + taken)
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.heads.len())
            .map(|column| {
                let cells = self.rows.iter().map(|(cells, _)| text_width(&cells[column]));
                cells.chain([text_width(self.heads[column].0)]).max().unwrap_or(0)
            })
            .collect()
    }

    /// Prints the rows under their heads.
    pub(crate) fn print(&self, out: &mut impl Write, style: &TextStyle) -> io::Result<()> {
        let widths = self.widths();
        let room = self.room(style);
        let places = self.rows.iter().filter_map(|(_, last)| match last {
            Cell::Place(place) => Some(place.width()),
            Cell::Text(_) | Cell::Name(_) | Cell::Lines(..) | Cell::Stack(..) => None,
        });
        let own_line = room < PLACE_NEEDS && places.max().is_some_and(|widest| widest > room);
        let indent = INDENT.len() * 3;
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        if heads.iter().any(|head| !head.is_empty()) {
            let last = if own_line || room < text_width(self.last_head) { "" } else { self.last_head };
            writeln!(out, "{}", style.drawn(self.line(&heads, last, &widths)))?;
        }
        for (cells, last) in &self.rows {
            match last {
                Cell::Text(text) => writeln!(out, "{}", style.drawn(self.line(cells, text, &widths)))?,
                Cell::Name(name) => {
                    let name = keep_start(&harmless(name), room);
                    writeln!(out, "{}", style.drawn(self.line(cells, &name, &widths)))?;
                }
                Cell::Place(place) if own_line => {
                    writeln!(out, "{}", style.drawn(self.line(cells, "", &widths)))?;
                    writeln!(out, "{:indent$}{}", "", style.drawn(place.fit(style.width() - indent)))?;
                }
                Cell::Lines(text, place) => {
                    let room = style.width() - indent;
                    writeln!(out, "{}", style.drawn(self.line(cells, "", &widths)))?;
                    writeln!(out, "{:indent$}{}", "", style.drawn(Location::new(text, "", 0).fit(room)))?;
                    writeln!(out, "{:indent$}{}", "", style.drawn(place.fit(room)))?;
                }
                Cell::Place(place) => {
                    writeln!(out, "{}", style.drawn(self.line(cells, &place.fit(room), &widths)))?;
                }
                Cell::Stack(places, more) => {
                    writeln!(out, "{}", style.drawn(self.line(cells, "", &widths)))?;
                    for place in places {
                        writeln!(out, "{:indent$}{}", "", style.drawn(place.fit(style.width() - indent)))?;
                    }
                    if *more > 0 {
                        writeln!(out, "{:indent$}and {}", "", counted(*more as u64, "more caller"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&self, cells: &[String], last: &str, widths: &[usize]) -> String {
        let mut line = INDENT.to_owned();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.heads) {
            let padding = " ".repeat(width - text_width(cell));
            let (before, after) =
                if *align == Align::Right { (padding, String::new()) } else { (String::new(), padding) };
            line.push_str(&before);
            line.push_str(cell);
            line.push_str(&after);
            line.push_str(GAP);
        }
        line.push_str(last);
        line.truncate(line.trim_end().len());
        line
    }
}
