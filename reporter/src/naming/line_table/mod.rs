//! From an instruction of a code object to its line, for every table format that CPython 3.9 to 3.15 writes.
//!
//! Offsets are bytes from the start of the bytecode, whatever unit the table counts in.

mod lines;
mod lnotab;
mod locations;

use memprof_channel::code::LineTableFormat;

/// A stretch of bytecode that belongs to one place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// The first byte after the stretch. It starts where the one before ends.
    pub end: u32,
    /// Its line; nothing for instructions that belong to none.
    pub line: Option<u32>,
    /// Its columns, where the table has them.
    pub columns: Option<Columns>,
}

/// Where within its lines a piece of source is, in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The line on which it ends.
    pub end_line: u32,
    /// The first column, from 0.
    pub start: u32,
    /// The column after the last.
    pub end: u32,
}

/// Calls `visit` for each stretch of the table in order, until it returns false. A malformed table ends early.
fn walk(format: LineTableFormat, table: &[u8], first_line: u32, visit: impl FnMut(LineRange) -> bool) {
    match format {
        LineTableFormat::Lnotab => lnotab::walk(table, first_line, visit),
        LineTableFormat::Lines => lines::walk(table, first_line, visit),
        LineTableFormat::Locations => locations::walk(table, first_line, visit),
    }
}

/// The stretches of a code object, to look up many offsets in. Keeps its memory from one table to the next.
#[derive(Default)]
pub struct LineIndex {
    ranges: Vec<LineRange>,
}

impl LineIndex {
    /// Takes in the table of another code object.
    pub fn load(&mut self, format: LineTableFormat, table: &[u8], first_line: u32) {
        self.ranges.clear();
        walk(format, table, first_line, |range| {
            self.ranges.push(range);
            true
        });
    }

    /// The last line that any instruction belongs to.
    #[must_use]
    pub fn last_line(&self) -> Option<u32> {
        self.ranges.iter().filter_map(|range| range.line).max()
    }

    /// The stretch that the instruction at `offset` belongs to.
    #[must_use]
    pub fn find(&self, offset: u32) -> Option<&LineRange> {
        self.ranges.get(self.ranges.partition_point(|range| range.end <= offset))
    }
}

/// The place of one instruction.
#[must_use]
pub fn find_line(format: LineTableFormat, table: &[u8], first_line: u32, offset: u32) -> Option<LineRange> {
    let mut found = None;
    walk(format, table, first_line, |range| {
        if offset < range.end {
            found = Some(range);
        }
        found.is_none()
    });
    found
}

/// A line moved by a delta. Lines start at 1; a malformed table must not wrap around.
fn moved(line: i64, delta: i64) -> i64 {
    line.saturating_add(delta).clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

/// A computed line as reports print it.
fn printable(line: i64) -> Option<u32> {
    u32::try_from(line).ok()
}
