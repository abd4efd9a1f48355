//! `co_linetable` of CPython 3.10 (PEP 626): pairs of the length of a stretch in bytes (unsigned) and the delta of its
//! line to the one before (signed); -128 marks a stretch without a line.

use super::{LineRange, moved, printable};

const NO_LINE: i8 = -128;

/// See [`super::walk`].
pub(super) fn walk(table: &[u8], first_line: u32, mut visit: impl FnMut(LineRange) -> bool) {
    let (mut line, mut end) = (i64::from(first_line), 0_u32);
    for &[bytes, lines] in table.as_chunks::<2>().0 {
        end = end.saturating_add(u32::from(bytes));
        let here = match lines.cast_signed() {
            NO_LINE => None,
            delta => {
                line = moved(line, i64::from(delta));
                printable(line)
            }
        };
        // An empty stretch only carries a part of a large delta.
        if bytes > 0 && !visit(LineRange { end, line: here, columns: None }) {
            return;
        }
    }
}
