//! Reads a capture file: complete ones by their index, others by scanning for whole chunks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::allowance::Allowance;
use super::columns::ColumnDecoder;
use super::facts::{Fact, Header, RssSample, Summary};
use super::format::{ChunkHeader, ChunkKind, FILE_MAGIC, FILE_VERSION, MAX_CHUNK_EVENTS, PREAMBLE_BYTES};
use super::open_error::OpenError;
use super::scan::{Damage, Scan, read_chunk};
use super::tables::{FrameSymbols, Function, StoredSite, Tables, Thread};
use super::varint;
use crate::event::TimedEvent;
use crate::ids::{Stamp, ThreadId};

/// A chunk of events, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventChunk {
    /// Whose events.
    pub thread: ThreadId,
    /// Of which image of the process, from 1.
    pub image: u32,
    /// How many.
    pub rows: u32,
    /// The first one's stamp.
    pub first: Stamp,
    /// The last one's stamp.
    pub last: Stamp,
    offset: u64,
    header: ChunkHeader,
}

/// An open capture: its facts and tables in memory, its events on disk.
pub struct CaptureReader {
    path: PathBuf,
    file: File,
    bytes: u64,
    header: Header,
    facts: Vec<Fact>,
    tables: Tables,
    rss: Vec<RssSample>,
    children_rss: BTreeMap<u32, Vec<RssSample>>,
    summary: Option<Summary>,
    events: Vec<EventChunk>,
    /// Numbers of threads from here on are damage.
    most_threads: u32,
    allowance: Allowance,
    damage: Damage,
    stored: Vec<u8>,
    payload: Vec<u8>,
    decoder: ColumnDecoder,
}

impl CaptureReader {
    /// Opens a capture and reads everything but its events.
    ///
    /// # Errors
    /// When it is no capture, or one that this version cannot read. Damage further in is no error: see
    /// [`Self::damage`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io_error = |error| OpenError::Io(path.to_owned(), error);
        // A pipe that nobody writes to would keep the reader waiting.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if metadata.is_dir() {
            return Err(OpenError::Directory(path.to_owned()));
        }
        if !metadata.is_file() {
            return Err(OpenError::NoFile(path.to_owned()));
        }
        let bytes = metadata.len();
        let mut preamble = [0; PREAMBLE_BYTES];
        let head = usize::try_from(bytes).unwrap_or(PREAMBLE_BYTES).min(PREAMBLE_BYTES);
        file.read_exact_at(&mut preamble[..head], 0).map_err(io_error)?;
        if head == 0 {
            return Err(OpenError::Empty(path.to_owned()));
        }
        let magic = FILE_MAGIC.len().min(head);
        if preamble[..magic] != FILE_MAGIC[..magic] {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let version = u32::from_le_bytes([preamble[8], preamble[9], preamble[10], preamble[11]]);
        if version > FILE_VERSION {
            return Err(OpenError::Newer(path.to_owned(), version));
        }
        let mut scan = Scan { file: &file, bytes, damage: Damage::default() };
        let indexed = scan.index();
        let chunks = indexed.unwrap_or_else(|| scan.chunks(PREAMBLE_BYTES as u64));
        let damage = scan.damage;
        // A thread has a number because it made an event, so that there are no more of them than chunks, but for those
        // that are lost.
        const MOST_LOST_THREADS: u32 = 1 << 16;
        let most_threads = u32::try_from(chunks.len()).unwrap_or(u32::MAX).saturating_add(MOST_LOST_THREADS);
        let mut reader = Self {
            path: path.to_owned(),
            file,
            bytes,
            header: placeholder_header(),
            facts: Vec::new(),
            tables: Tables::default(),
            rss: Vec::new(),
            children_rss: BTreeMap::new(),
            summary: None,
            events: Vec::new(),
            most_threads,
            allowance: Allowance::for_file(bytes),
            damage,
            stored: Vec::new(),
            payload: Vec::new(),
            decoder: ColumnDecoder::default(),
        };
        let mut has_header = false;
        for (offset, header) in chunks {
            has_header |= reader.load(offset, &header).map_err(io_error)? == Some(ChunkKind::Header);
        }
        if !has_header {
            return Err(OpenError::NoHeader(path.to_owned()));
        }
        // Where chunks are lost, or not written any more, so is what others refer to; that is told anyway.
        if reader.damage.is_none() && reader.summary.is_some() {
            reader.damage.references = reader.tables.dangling_references();
        }
        Ok(reader)
    }

    /// Reads a chunk into memory, unless it holds events, and says what it was.
    fn load(&mut self, offset: u64, header: &ChunkHeader) -> io::Result<Option<ChunkKind>> {
        let Some(kind) = ChunkKind::from_code(header.kind) else { return Ok(None) };
        if kind == ChunkKind::Events {
            if header.thread >= self.most_threads || header.rows > MAX_CHUNK_EVENTS {
                self.damage.chunks += 1;
                let believable = header.rows <= MAX_CHUNK_EVENTS;
                self.damage.events += if believable { u64::from(header.rows) } else { 0 };
                return Ok(None);
            }
            self.events.push(EventChunk {
                thread: ThreadId(header.thread),
                image: header.image,
                rows: header.rows,
                first: Stamp(header.first),
                last: Stamp(header.last),
                offset,
                header: *header,
            });
            return Ok(Some(kind));
        }
        if kind == ChunkKind::Index {
            return Ok(Some(kind));
        }
        let understood = self.read_payload(offset, header)? && self.take_payload(kind, header).is_some();
        if !understood {
            self.damage.chunks += 1;
            return Ok(None);
        }
        Ok(Some(kind))
    }

    fn take_payload(&mut self, kind: ChunkKind, header: &ChunkHeader) -> Option<()> {
        let (payload, allowance) = (self.payload.as_slice(), &mut self.allowance);
        match kind {
            ChunkKind::Header => self.header = parse(payload)?,
            ChunkKind::Facts => self.facts.extend(allowance.rows::<Fact>(payload)?),
            ChunkKind::Codes => place(&mut self.tables.codes, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Frames => place(&mut self.tables.frames, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Stacks => place(&mut self.tables.stacks, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Sites => {
                let sites: Vec<StoredSite> = allowance.rows(payload)?;
                let sites: Option<Vec<_>> = sites.into_iter().map(StoredSite::into_site).collect();
                place(&mut self.tables.sites, header, sites?, allowance)?;
            }
            ChunkKind::Threads => {
                self.tables.threads = allowance.rows::<Thread>(payload)?.into_iter().map(Some).collect();
            }
            ChunkKind::Modules => place(&mut self.tables.modules, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Symbols => {
                allowance.take(functions_in(payload)?, size_of::<Function>())?;
                let symbols = allowance.rows::<FrameSymbols>(payload)?;
                let (frames, known) = (self.tables.frames.len(), self.tables.symbols.len());
                allowance.take(frames.saturating_sub(known), size_of::<Vec<Function>>())?;
                self.tables.symbols.resize(frames.max(known), Vec::new());
                for FrameSymbols { frame, functions } in symbols {
                    // Frames come before their names; any other number is damage.
                    if let Some(known) = self.tables.symbols.get_mut(frame.index()) {
                        *known = functions;
                    }
                }
            }
            ChunkKind::Rss => {
                let samples = match header.image {
                    0 => &mut self.rss,
                    image => self.children_rss.entry(image).or_default(),
                };
                samples.extend(allowance.rows::<RssSample>(payload)?);
            }
            ChunkKind::Summary => self.summary = Some(parse(payload)?),
            ChunkKind::Events | ChunkKind::Index => {}
        }
        Some(())
    }

    /// Reads and decompresses a chunk into `self.payload`. False when it is damaged.
    fn read_payload(&mut self, offset: u64, header: &ChunkHeader) -> io::Result<bool> {
        read_chunk(&self.file, offset, header, &mut self.stored, &mut self.payload)
    }

    /// Appends the events of a chunk to `out`, in the order in which their thread made them.
    ///
    /// Events of a damaged chunk are left out and counted in [`Self::damage`].
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn read_events(&mut self, chunk: &EventChunk, out: &mut Vec<TimedEvent>) -> io::Result<()> {
        let before = out.len();
        let whole = self.read_payload(chunk.offset, &chunk.header)?
            && self.decoder.decode(&self.payload, chunk.first, chunk.rows, self.tables.sites.len(), out).is_ok();
        if !whole {
            out.truncate(before);
            self.damage.chunks += 1;
            self.damage.events += u64::from(chunk.rows);
        }
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was known when the recording started.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What turned out.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Code objects, frames, stacks, sites, threads.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Samples of the resident set of the process that was started, in order.
    #[must_use]
    pub fn rss(&self) -> &[RssSample] {
        &self.rss
    }

    /// Likewise of the processes that it started in turn, by their images.
    #[must_use]
    pub const fn children_rss(&self) -> &BTreeMap<u32, Vec<RssSample>> {
        &self.children_rss
    }

    /// What was known at the end; nothing when the file was cut off.
    #[must_use]
    pub const fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// The chunks of events. Those of one thread are in order.
    #[must_use]
    pub fn event_chunks(&self) -> &[EventChunk] {
        &self.events
    }

    /// What could not be read so far.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        &self.damage
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    postcard::from_bytes(payload).ok()
}

/// How many functions a list of [`FrameSymbols`] holds: rows within rows, whose number is in no chunk's header.
fn functions_in(mut payload: &[u8]) -> Option<usize> {
    let mut functions = 0_usize;
    for _row in 0..varint::take(&mut payload)? {
        let _frame = varint::take(&mut payload)?;
        for _function in 0..varint::take(&mut payload)? {
            for _text in ["name", "file"] {
                let bytes = usize::try_from(varint::take(&mut payload)?).ok()?;
                payload = payload.get(bytes..)?;
            }
            let _line = varint::take(&mut payload)?;
            functions += 1;
        }
    }
    Some(functions)
}

/// Puts rows where the chunk says. Rows that were lost in between stay `None`.
fn place<T: Clone>(
    table: &mut Vec<Option<T>>,
    header: &ChunkHeader,
    rows: Vec<T>,
    allowance: &mut Allowance,
) -> Option<()> {
    // More than this has no place in a u32, and would be damage.
    let first = usize::try_from(u32::try_from(header.first).ok()?).ok()?;
    if rows.len() != header.rows as usize {
        return None;
    }
    let end = first + rows.len();
    if table.len() < end {
        allowance.take(end - table.len(), size_of::<Option<T>>())?;
        table.resize(end, None);
    }
    for (slot, row) in table[first..].iter_mut().zip(rows) {
        *slot = Some(row);
    }
    Some(())
}

fn placeholder_header() -> Header {
    use super::facts::ClockPoint;
    Header {
        memprof_version: String::new(),
        command_line: Vec::new(),
        pid: 0,
        start_unix_ns: 0,
        start: ClockPoint { stamp: Stamp(0), monotonic_ns: 0 },
        clock: crate::clock::ClockKind::Monotonic,
        page_size: 4096,
        machine: String::new(),
        native_stacks: false,
        python_allocators_traced: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FrameId;

    #[test]
    fn functions_are_counted_as_they_are_read() {
        let function = |name: &str| Function { name: name.repeat(200), file: "f".to_owned(), line: 70_000 };
        let symbols = [
            FrameSymbols { frame: FrameId(300), functions: vec![function("a"), function("")] },
            FrameSymbols { frame: FrameId(1), functions: Vec::new() },
            FrameSymbols { frame: FrameId(2), functions: vec![function("b")] },
        ];
        let payload = postcard::to_stdvec(&symbols[..]).unwrap();
        assert_eq!(functions_in(&payload), Some(3));
        assert_eq!(functions_in(&payload[..payload.len() - 1]), None);
    }
}
