//! A list for a terminal.

use std::io::{self, Write};

use super::subject::Scale;
use super::{Column, List, Room, Subject};
use crate::text::{Cell, Columns, TextStyle, write_paragraph};

/// The sentence about the rest of a list is this far from the margin.
const INDENT: usize = 2;
/// The longest bar.
const LONGEST_BAR: usize = 40;

/// The columns that are shown, from left to right.
struct Layout<'l, 'a, R> {
    columns: Vec<&'l Column<'a, R>>,
    /// What is on a line of its own, above the subject.
    above: Option<&'l Column<'a, R>>,
    scale: Scale,
}

impl<'a, R> List<'a, R> {
    /// Writes the first `most` rows, and what the others have together.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub(crate) fn write_text(&self, most: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
        let rows = &self.rows[..most.min(self.rows.len())];
        let mut layout = self.fitting(rows, style);
        if let Subject::Bar(of) = &self.subject {
            let room = self.laid_out(rows, &layout).room(style);
            layout.scale = Scale { most: rows.iter().map(of).max().unwrap_or(0), longest: room.min(LONGEST_BAR) };
        }
        self.laid_out(rows, &layout).print(out, style)?;
        match self.more(most) {
            Some(more) => write_paragraph(&format!("and {more}"), INDENT, style, out),
            None => Ok(()),
        }
    }

    /// The columns that there is room for.
    fn fitting(&self, rows: &[R], style: &TextStyle) -> Layout<'_, 'a, R> {
        let columns = self.columns.iter().filter(|column| column.is_shown()).collect();
        let mut layout = Layout { columns, above: None, scale: Scale::default() };
        let optional = |column: &&Column<'a, R>| match column.room {
            Room::IfThereIs(number) => Some(number),
            Room::Always | Room::OwnLine | Room::Never => None,
        };
        while let Some(last) = layout.columns.iter().filter_map(optional).max()
            && self.laid_out(rows, &layout).room(style) < self.subject_needs
        {
            layout.columns.retain(|column| optional(column) != Some(last));
        }
        let own_line = layout.columns.iter().position(|column| column.room == Room::OwnLine);
        if let Some(position) = own_line.filter(|_| self.subject.is_location())
            && !self.laid_out(rows, &layout).fit(style)
        {
            layout.above = Some(layout.columns.remove(position));
        }
        layout
    }

    fn laid_out(&self, rows: &[R], layout: &Layout<'_, 'a, R>) -> Columns {
        let heads: Vec<_> = layout.columns.iter().map(|column| (column.head, column.align)).collect();
        let mut columns = Columns::new(&heads, if layout.above.is_some() { "" } else { self.subject.head() });
        for row in rows {
            let cells = layout.columns.iter().map(|column| column.in_words(row)).collect();
            let last = match (layout.above, self.subject.cell(self.report, row, layout.scale)) {
                (Some(above), Cell::Place(place)) => Cell::Lines(above.in_words(row), place),
                (_, cell) => cell,
            };
            columns.push(cells, last);
        }
        columns
    }
}
