//! Stacks as lines of text, the innermost function first.

use std::io::{self, Write};

use crate::places::PlaceId;
use crate::report::Report;
use crate::size_units::counted;
use crate::text::TextStyle;

/// Writes a stack, a line for each function. A function that called itself over and over has one line that counts; beyond
/// `most` lines the callers are counted, too.
pub(crate) fn write(
    report: &Report,
    frames: impl Iterator<Item = PlaceId>,
    most: usize,
    indent: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let room = style.width() - indent;
    let mut frames = frames.peekable();
    let mut lines = 0;
    while let Some(place) = frames.next() {
        if lines == most {
            let left = counted(1 + frames.count() as u64, "more caller");
            return writeln!(out, "{:indent$}{}", "", style.faint(&format!("and {left}")));
        }
        let mut times = 1_u64;
        while frames.next_if_eq(&place).is_some() {
            times += 1;
        }
        let suffix = if times > 1 { format!(", {} in a row", counted(times, "call")) } else { String::new() };
        let location = report.location(place).fit(room.saturating_sub(suffix.len()));
        writeln!(out, "{:indent$}{}{suffix}", "", style.drawn(location))?;
        lines += 1;
    }
    Ok(())
}
