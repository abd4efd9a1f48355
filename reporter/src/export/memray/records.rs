//! The records of memray's capture format, version 13: their layout, and what the writer and the reader both remember.
//!
//! Source: `record_writer.cpp` and `records.h` of memray 1.20. Numbers are little-endian. A *varint* has seven bits a
//! byte, the lowest first; a *delta* is the zigzagged varint of the difference to the last value of its kind.

use std::io::{self, Write};

use memprof_channel::allocator::Allocator;

use crate::export::varint::{write_varint, zigzag};

/// The version of the format.
const VERSION: i32 = 13;
/// The tag of the record that ends a file.
const TRAILER: u8 = 1;
const MEMORY_RECORD: u8 = 2;
const THREAD_RECORD: u8 = 10;
const CONTEXT_SWITCH: u8 = 12;
const CODE_OBJECT: u8 = 14;
const FRAME_POP: u8 = 16;
const FRAME_PUSH: u8 = 64;
const ALLOCATION: u8 = 128;
/// At most this many frames fit into one [`FRAME_POP`].
const MOST_POPS: usize = 16;
/// How many addresses can be named by their place among the last ones. This place says that it is none of them.
const RECENT: usize = 15;

/// What made or ended an allocation, as memray numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Function {
    PymallocFree = 1,
    PymallocMalloc = 2,
    PymallocCalloc = 3,
    PymallocRealloc = 4,
    Free = 5,
    Malloc = 6,
    Realloc = 7,
    Calloc = 8,
    PosixMemalign = 9,
    AlignedAlloc = 10,
    Memalign = 11,
    Valloc = 12,
    Pvalloc = 13,
    Mmap = 14,
    Munmap = 15,
}

impl Function {
    /// What memray calls an allocator, or what comes nearest to it.
    pub(super) const fn of(allocator: Allocator) -> Self {
        match allocator {
            Allocator::Malloc | Allocator::Jemalloc | Allocator::Mimalloc => Self::Malloc,
            Allocator::Calloc => Self::Calloc,
            Allocator::Realloc => Self::Realloc,
            Allocator::PosixMemalign => Self::PosixMemalign,
            Allocator::AlignedAlloc => Self::AlignedAlloc,
            Allocator::Memalign => Self::Memalign,
            Allocator::Valloc => Self::Valloc,
            Allocator::Pvalloc => Self::Pvalloc,
            Allocator::Mmap
            | Allocator::Mremap
            | Allocator::Sbrk
            | Allocator::MmapFile
            | Allocator::MmapShared
            | Allocator::MmapReserved
            | Allocator::Mprotect => Self::Mmap,
            Allocator::PymallocMalloc => Self::PymallocMalloc,
            Allocator::PymallocCalloc => Self::PymallocCalloc,
            Allocator::PymallocRealloc => Self::PymallocRealloc,
        }
    }

    /// What frees what an allocator allocated.
    pub(super) const fn release_of(allocator: Allocator) -> Self {
        match allocator {
            Allocator::PymallocMalloc | Allocator::PymallocCalloc | Allocator::PymallocRealloc => Self::PymallocFree,
            _ => Self::Free,
        }
    }

    /// Releases of blocks have no size.
    const fn has_size(self) -> bool {
        !matches!(self, Self::Free | Self::PymallocFree)
    }
}

/// What the header says about the run.
pub(super) struct Header<'a> {
    /// As `PY_VERSION_HEX` has it; 0 where no Python ran.
    pub python_version: u32,
    /// How many records of allocations there are; memray only measures its progress by it.
    pub allocations: u64,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    pub end_ms: u64,
    pub command_line: &'a str,
    pub pid: u32,
    pub main_thread: u64,
    /// The name of Python's allocator.
    pub python_allocator: &'a str,
    pub traces_python_allocators: bool,
}

/// Writes records one after the other.
pub(super) struct RecordWriter<W> {
    out: W,
    thread: Option<u64>,
    /// The last addresses that were not among these, the youngest first.
    recent: [u64; RECENT],
    /// The last address that was written, in units of eight bytes.
    last_address: u64,
    last_first_line: u32,
}

impl<W: Write> RecordWriter<W> {
    /// Writes the header of a file.
    pub(super) fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, thread: None, recent: [0; RECENT], last_address: 0, last_first_line: 0 };
        writer.header(header)?;
        Ok(writer)
    }

    fn header(&mut self, header: &Header) -> io::Result<()> {
        let python_allocator = match header.python_allocator {
            "pymalloc" => 1,
            "pymalloc_debug" => 2,
            "malloc" => 3,
            "mimalloc" => 5,
            "mimalloc_debug" => 6,
            _ => 4_u8,
        };
        self.out.write_all(b"memray\0")?;
        self.out.write_all(&VERSION.to_le_bytes())?;
        self.out.write_all(&header.python_version.to_le_bytes())?;
        // No native traces: all frames have names already. All allocations, not sums of them.
        self.out.write_all(&[0, 0])?;
        for number in [header.allocations, 0, header.start_ms, header.end_ms] {
            self.out.write_all(&number.to_le_bytes())?;
        }
        self.text(header.command_line)?;
        self.out.write_all(&header.pid.to_le_bytes())?;
        self.out.write_all(&header.main_thread.to_le_bytes())?;
        // No frame of the main thread is to be left out.
        self.out.write_all(&0_u64.to_le_bytes())?;
        // No lifetimes of objects.
        self.out.write_all(&[python_allocator, header.traces_python_allocators.into(), 0])?;
        // Where modules are searched is not known: no standard library, no folders of packages, no other ones.
        self.out.write_all(&[0, 0, 0])
    }

    /// What follows was done by this thread.
    pub(super) fn switch_to(&mut self, thread: u64) -> io::Result<()> {
        if self.thread != Some(thread) {
            self.thread = Some(thread);
            self.out.write_all(&[CONTEXT_SWITCH])?;
            self.out.write_all(&thread.to_le_bytes())?;
        }
        Ok(())
    }

    /// Names the thread.
    pub(super) fn thread_name(&mut self, name: &str) -> io::Result<()> {
        self.out.write_all(&[THREAD_RECORD])?;
        self.text(name)
    }

    /// Describes code that has one line only; 0 where that is not known.
    pub(super) fn code(&mut self, id: u32, function: &str, file: &str, line: u32) -> io::Result<()> {
        // An entry without a change of line, that covers the first instruction: so in lnotab, linetable and locations.
        const ONE_LINE: &[u8] = &[0xef, 0];
        self.out.write_all(&[CODE_OBJECT])?;
        self.varint(id.into())?;
        self.text(function)?;
        self.text(file)?;
        let before = std::mem::replace(&mut self.last_first_line, line);
        self.signed(i64::from(line) - i64::from(before))?;
        // memray shows code without a table at line 0.
        let table = if line == 0 { &[] } else { ONE_LINE };
        self.varint(table.len() as u64)?;
        self.out.write_all(table)
    }

    /// The thread calls code.
    pub(super) fn push(&mut self, code: u32) -> io::Result<()> {
        self.out.write_all(&[FRAME_PUSH])?;
        self.varint(code.into())?;
        // Its first instruction.
        self.signed(0)
    }

    /// The thread returns from this many calls.
    pub(super) fn pop(&mut self, mut frames: usize) -> io::Result<()> {
        while frames > 0 {
            let these = frames.min(MOST_POPS);
            self.out.write_all(&[FRAME_POP | (these - 1) as u8])?;
            frames -= these;
        }
        Ok(())
    }

    /// The thread allocates memory or frees it. The address is rounded down to eight bytes; the size does not matter
    /// for a released block.
    pub(super) fn allocation(&mut self, function: Function, address: u64, size: u64) -> io::Result<()> {
        let address = address & !7;
        let known = self.recent.iter().position(|&recent| recent == address);
        // What has a larger number follows in a byte of its own.
        let short = if (function as u8) < 8 { function as u8 } else { 0 };
        self.out.write_all(&[ALLOCATION | (known.unwrap_or(RECENT) as u8) << 3 | short])?;
        if known.is_none() {
            self.recent.rotate_right(1);
            self.recent[0] = address;
            let before = std::mem::replace(&mut self.last_address, address >> 3);
            self.signed((self.last_address as i64).wrapping_sub(before as i64))?;
        }
        if short == 0 {
            self.out.write_all(&[function as u8])?;
        }
        if function.has_size() { self.varint(size) } else { Ok(()) }
    }

    /// What the kernel counted for the process, this many milliseconds after the start.
    pub(super) fn resident_set(&mut self, bytes: u64, after_ms: u64) -> io::Result<()> {
        self.out.write_all(&[MEMORY_RECORD])?;
        self.varint(bytes)?;
        self.varint(after_ms)
    }

    /// Ends the file.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.write_all(&[TRAILER])
    }

    fn varint(&mut self, number: u64) -> io::Result<()> {
        write_varint(&mut self.out, number)
    }

    fn signed(&mut self, number: i64) -> io::Result<()> {
        self.varint(zigzag(number))
    }

    /// Texts end with a zero, and so can have none.
    fn text(&mut self, text: &str) -> io::Result<()> {
        for part in text.split('\0') {
            self.out.write_all(part.as_bytes())?;
        }
        self.out.write_all(&[0])
    }
}
