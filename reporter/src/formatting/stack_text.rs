//! Stacks as lines of text, the innermost function first.

use std::io::{self, Write};

use crate::formatting::size_units::counted;
use crate::naming::places::PlaceId;
use crate::reading::report::Report;
use crate::text::TextStyle;

/// Writes a stack, a line for each function. A function that called itself over and over has one line that counts;
/// beyond `most` lines the callers are counted, too. So are the functions of libraries that the place of the stack
/// called, if one is given: there may be more of them than lines.
pub(crate) fn write(
    report: &Report,
    (frames, place): (impl Iterator<Item = PlaceId> + Clone, Option<PlaceId>),
    most: usize,
    indent: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let room = style.width() - indent;
    let within = place.map_or(0, |place| within_libraries(report, frames.clone(), place));
    if within > 0 {
        let text = format!("{}, called by", counted(within as u64, "library function"));
        writeln!(out, "{:indent$}{}", "", style.faint(&text))?;
    }
    let mut frames = frames.skip(within).peekable();
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

/// How many frames are within a native place. One alone is as soon read as counted.
fn within_libraries(report: &Report, mut frames: impl Iterator<Item = PlaceId>, place: PlaceId) -> usize {
    let is_native = report.places().get(place).kind.is_native();
    frames.position(|frame| frame == place).filter(|&within| is_native && within > 1).unwrap_or(0)
}
