//! A list as a table in GitHub's Markdown.

use std::io::{self, Write};

use super::List;
use crate::formatting::markdown::{code, plain};
use crate::formatting::size_units::counted;
use crate::text::Align;

impl<R> List<'_, R> {
    /// Writes the first `most` rows, and what the others have together. Writes nothing where there is none.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub(crate) fn write_markdown(&self, most: usize, out: &mut impl Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let shown: Vec<_> = self.columns.iter().filter(|column| column.is_shown()).collect();
        let heads: String = shown.iter().map(|column| format!("| {} ", column.head)).collect();
        let aligns = shown.iter().map(|column| if column.align == Align::Right { "|--:" } else { "|:--" });
        writeln!(out, "{heads}| {} |\n{}|:--|", self.subject.head(), aligns.collect::<String>())?;
        for row in self.rows.iter().take(most) {
            for column in &shown {
                write!(out, "| {} ", plain(&column.in_words(row)))?;
            }
            let (lines, more) = self.subject.in_words(self.report, row);
            let mut subject: Vec<String> = lines.iter().map(|line| code(line)).collect();
            if more > 0 {
                subject.push(format!("and {}", counted(more as u64, "more caller")));
            }
            writeln!(out, "| {} |", subject.join("<br>"))?;
        }
        match self.more(most) {
            Some(more) => writeln!(out, "\nAnd {}.", plain(&more)),
            None => Ok(()),
        }
    }
}
