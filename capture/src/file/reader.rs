//! Reads a capture file: complete ones by their index, others by scanning for whole chunks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::columns::ColumnDecoder;
use super::facts::{Fact, Header, RssSample, Summary};
use super::format::{ChunkHeader, ChunkKind, FILE_MAGIC, FILE_VERSION, PREAMBLE_BYTES};
use super::open_error::OpenError;
use super::scan::{Damage, Scan, read_chunk};
use super::tables::{FrameSymbols, StoredSite, Tables, Thread};
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
        let file = File::open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if metadata.is_dir() {
            return Err(OpenError::Directory(path.to_owned()));
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
            damage,
            stored: Vec::new(),
            payload: Vec::new(),
            decoder: ColumnDecoder::default(),
        };
        let mut has_header = false;
        for (offset, header) in chunks {
            has_header |= reader.load(offset, &header).map_err(io_error)? == Some(ChunkKind::Header);
        }
        if has_header { Ok(reader) } else { Err(OpenError::NoHeader(path.to_owned())) }
    }

    /// Reads a chunk into memory, unless it holds events, and says what it was.
    fn load(&mut self, offset: u64, header: &ChunkHeader) -> io::Result<Option<ChunkKind>> {
        let Some(kind) = ChunkKind::from_code(header.kind) else { return Ok(None) };
        if kind == ChunkKind::Events {
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
        let payload = self.payload.as_slice();
        match kind {
            ChunkKind::Header => self.header = parse(payload)?,
            ChunkKind::Facts => self.facts.extend(parse::<Vec<Fact>>(payload)?),
            ChunkKind::Codes => place(&mut self.tables.codes, header, parse(payload)?)?,
            ChunkKind::Frames => place(&mut self.tables.frames, header, parse(payload)?)?,
            ChunkKind::Stacks => place(&mut self.tables.stacks, header, parse(payload)?)?,
            ChunkKind::Sites => {
                let sites: Vec<StoredSite> = parse(payload)?;
                let sites: Option<Vec<_>> = sites.into_iter().map(StoredSite::into_site).collect();
                place(&mut self.tables.sites, header, sites?)?;
            }
            ChunkKind::Threads => {
                self.tables.threads = parse::<Vec<Thread>>(payload)?.into_iter().map(Some).collect();
            }
            ChunkKind::Modules => place(&mut self.tables.modules, header, parse(payload)?)?,
            ChunkKind::Symbols => {
                self.tables.symbols.resize(self.tables.frames.len(), Vec::new());
                for FrameSymbols { frame, functions } in parse::<Vec<FrameSymbols>>(payload)? {
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
                samples.extend(parse::<Vec<RssSample>>(payload)?);
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

/// Puts rows where the chunk says. Rows that were lost in between stay `None`.
fn place<T: Clone>(table: &mut Vec<Option<T>>, header: &ChunkHeader, rows: Vec<T>) -> Option<()> {
    // More than this has no place in a u32, and would be damage.
    let first = usize::try_from(u32::try_from(header.first).ok()?).ok()?;
    // A hole is a damaged chunk, which has at most so many rows; a larger one comes from a damaged number.
    const LARGEST_HOLE: usize = 1 << 24;
    if rows.len() != header.rows as usize || first > table.len() + LARGEST_HOLE {
        return None;
    }
    let end = first + rows.len();
    if table.len() < end {
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
