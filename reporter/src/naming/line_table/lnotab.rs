//! `co_lnotab` of CPython 3.9: pairs of a byte-code delta (unsigned) and a line delta (signed). See CPython's
//! Objects/lnotab_notes.txt.

use super::{LineRange, moved, printable};

/// See [`super::walk`].
pub(super) fn walk(table: &[u8], first_line: u32, mut visit: impl FnMut(LineRange) -> bool) {
    let (mut line, mut end) = (i64::from(first_line), 0_u32);
    for &[bytes, lines] in table.as_chunks::<2>().0 {
        end = end.saturating_add(u32::from(bytes));
        // The delta of the line holds from `end` on; what came before has the line so far.
        if bytes > 0 && !visit(LineRange { end, line: printable(line), columns: None }) {
            return;
        }
        line = moved(line, i64::from(lines.cast_signed()));
    }
    // The last line holds to the end of the bytecode, whose length the table does not say.
    visit(LineRange { end: u32::MAX, line: printable(line), columns: None });
}
