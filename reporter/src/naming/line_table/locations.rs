//! `co_linetable` from CPython 3.11 on: entries of one byte (bit 7 set, four bits of kind, three bits of length in code
//! units less one) and what the kind calls for. See CPython's Objects/locations.md (InternalDocs/code_objects.md).

use super::{Columns, LineRange, moved, printable};

const CODE_UNIT: u32 = 2;
const SHORT_LAST: u8 = 9;
const ONE_LINE_FIRST: u8 = 10;
const ONE_LINE_LAST: u8 = 12;
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;

/// See [`super::walk`].
pub(super) fn walk(table: &[u8], first_line: u32, mut visit: impl FnMut(LineRange) -> bool) {
    let mut entries = Entries { bytes: table, line: i64::from(first_line), end: 0 };
    while let Some(range) = entries.next() {
        if !visit(range) {
            return;
        }
    }
}

struct Entries<'a> {
    bytes: &'a [u8],
    line: i64,
    end: u32,
}

impl Entries<'_> {
    fn next(&mut self) -> Option<LineRange> {
        let head = self.byte()?;
        if head & 0x80 == 0 {
            return None;
        }
        self.end = self.end.saturating_add((u32::from(head & 7) + 1) * CODE_UNIT);
        let columns = match head >> 3 & 15 {
            kind @ 0..=SHORT_LAST => {
                let second = u32::from(self.byte()?);
                let start = u32::from(kind) << 3 | second >> 4;
                Some((0, start, start + (second & 15)))
            }
            kind @ ONE_LINE_FIRST..=ONE_LINE_LAST => {
                self.line = moved(self.line, i64::from(kind - ONE_LINE_FIRST));
                Some((0, u32::from(self.byte()?), u32::from(self.byte()?)))
            }
            NO_COLUMNS => {
                self.line = moved(self.line, self.signed()?);
                None
            }
            LONG => {
                self.line = moved(self.line, self.signed()?);
                let (lines, start, end) = (self.number()?, self.number()?, self.number()?);
                // Zero means that there is no column; the others count from one.
                start.checked_sub(1).zip(end.checked_sub(1)).map(|(start, end)| (lines, start, end))
            }
            _ => return Some(LineRange { end: self.end, line: None, columns: None }),
        };
        let line = printable(self.line);
        let columns = columns.zip(line).map(|((lines, start, end), line)| Columns {
            end_line: line.saturating_add(lines),
            start,
            end,
        });
        Some(LineRange { end: self.end, line, columns })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }

    /// Six bits to a byte, the lowest first; bit 6 says that more follow.
    fn number(&mut self) -> Option<u32> {
        let (mut value, mut shift) = (0_u32, 0);
        loop {
            let byte = self.byte()?;
            value |= u32::from(byte & 63).checked_shl(shift).unwrap_or(0);
            if byte & 64 == 0 {
                return Some(value);
            }
            shift += 6;
        }
    }

    /// The sign is the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let coded = self.number()?;
        let magnitude = i64::from(coded >> 1);
        Some(if coded & 1 == 1 { -magnitude } else { magnitude })
    }
}
