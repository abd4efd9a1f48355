//! Line tables of code objects.

use memprof_channel::code::LineTableFormat;
use memprof_reporter::line_table::{LineIndex, find_line};

/// Looks an offset up in two ways, which must agree. The first nine bytes are the format, the first line and the
/// offset.
///
/// # Panics
/// When a reader of tables is at fault.
pub fn run(bytes: &[u8]) {
    let Some((head, table)) = bytes.split_first_chunk::<9>() else { return };
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let Some(format) = LineTableFormat::from_number(head[0] % 3 + 1) else { return };
    let (first_line, offset) = (number(1), number(5));
    let mut index = LineIndex::default();
    index.load(format, table, first_line);
    for offset in [offset, 0, offset % 64, u32::MAX] {
        assert_eq!(index.find(offset).copied(), find_line(format, table, first_line, offset), "{format:?} {offset}");
    }
}
