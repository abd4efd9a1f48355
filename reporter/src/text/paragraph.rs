//! Sentences on lines that fit.

use std::io::{self, Write};

use super::{TextStyle, wrap};

/// Writes a text, all its lines indented by this many blanks.
pub(crate) fn write_paragraph(text: &str, indent: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    wrap(text, style.width() - indent).iter().try_for_each(|line| writeln!(out, "{:indent$}{line}", ""))
}
