//! The table of allocations, a column at a time.

use std::io::{self, Write};

use memprof_channel::ids::Stamp;

use super::RunClock;
use crate::export::lifetimes::{LifetimeSink, Live};
use crate::sums::node::NodeId;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Milliseconds since the start.
    Time,
    /// Bytes that were allocated or, below zero, deallocated.
    Weight,
    /// Where the memory was allocated, also for what deallocates it.
    Stack,
    /// Identifies the allocation. No address: captures have none.
    MemoryAddress,
    /// Not used by the profiler.
    ThreadId,
}

impl Column {
    pub(super) const ALL: [Self; 5] = [Self::Time, Self::Weight, Self::Stack, Self::MemoryAddress, Self::ThreadId];

    /// Its name in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Weight => "weight",
            Self::Stack => "stack",
            Self::MemoryAddress => "memoryAddress",
            Self::ThreadId => "threadId",
        }
    }
}

/// Writes a column.
pub(super) struct ColumnWriter<W> {
    column: Column,
    clock: RunClock,
    out: W,
    rows: u64,
}

impl<W: Write> ColumnWriter<W> {
    /// Of this kind, without its brackets.
    pub(super) const fn new(column: Column, clock: RunClock, out: W) -> Self {
        Self { column, clock, out, rows: 0 }
    }

    /// How many rows there have been.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    fn row(&mut self, at: Stamp, live: &Live, sign: &str, bytes: u64) -> io::Result<()> {
        if self.rows > 0 {
            self.out.write_all(b",")?;
        }
        self.rows += 1;
        match self.column {
            Column::Time => write!(self.out, "{}", (self.clock.seconds(at) * 1e6).round() / 1e3),
            Column::Weight => write!(self.out, "{sign}{bytes}"),
            Column::Stack if live.node == NodeId::ROOT => write!(self.out, "null"),
            // The root is none of the profiler's stacks.
            Column::Stack => write!(self.out, "{}", live.node.0 - 1),
            Column::MemoryAddress => write!(self.out, "{}", live.number),
            Column::ThreadId => write!(self.out, "0"),
        }
    }
}

impl<W: Write> LifetimeSink for ColumnWriter<W> {
    fn begin(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        self.row(at, live, "", live.size)
    }

    /// The profiler knows no parts: what is left is allocated again.
    fn shrink(&mut self, at: Stamp, live: &Live, bytes: u64) -> io::Result<()> {
        self.row(at, live, "-", live.size)?;
        self.row(at, live, "", live.size.saturating_sub(bytes))
    }

    fn end(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        self.row(at, live, "-", live.size)
    }
}
