//! Reads a capture file: complete ones by their index, others by scanning for whole chunks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memprof_channel::ids::{Stamp, ThreadId};
use memprof_channel::object_tracing::ObjectTracing;
use serde::de::DeserializeOwned;

use super::aggregate::{ImageSpan, SlotSummary, StoredAggregate};
use super::allowance::Allowance;
use super::columns::{ColumnDecoder, EventBatch, Limits};
use super::event_rewriting::EventRewriting;
use super::facts::{Fact, Header, RssSample, Summary};
use super::format::{
    ChunkHeader, ChunkKind, Contents, FILE_MAGIC, FILE_VERSION, LAST_VERSION_WITH_ADDRESSES, MAX_CHUNK_EVENTS,
    PREAMBLE_BYTES,
};
use super::open_error::OpenError;
use super::repeated_rows;
use super::scan::{Damage, Scan, decompress, read_chunk};
use super::site_numbers::{SiteGroups, SiteNumbers, SiteWindow, SitesForTotals};
use super::stored_rows::RowFormat;
use super::table_rows::{functions_in, place};
use super::tables::{FrameSymbols, Function, PackagedFile, Tables, Thread};
use super::thread_columns::ThreadColumnDecoder;

/// A chunk of events, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventChunk {
    /// Which image's events, from 1.
    pub image: u32,
    /// How many.
    pub rows: u32,
    /// The first one's stamp.
    pub first: Stamp,
    /// The last one's stamp.
    pub last: Stamp,
    at: Place,
    header: ChunkHeader,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the file, with its header.
    File(u64),
    /// Among the payloads of an old capture's events, which were rewritten.
    Rewritten(usize),
}

impl EventChunk {
    const fn of(header: &ChunkHeader, at: Place) -> Self {
        let (first, last) = (Stamp(header.first), Stamp(header.last));
        Self { image: header.image, rows: header.rows, first, last, at, header: *header }
    }
}

/// What is called with each chunk of events that is read.
pub type ChunkObserver = Box<dyn FnMut(&EventChunk)>;

/// An open capture: its facts and tables in memory, its events on disk. Those of an old version are rewritten as this
/// one has them, in memory and compressed.
pub struct CaptureReader {
    path: PathBuf,
    file: File,
    bytes: u64,
    header: Header,
    facts: Vec<Fact>,
    tables: Tables,
    /// Whether there may be several rows for one stack, and for one site.
    has_repeated_rows: bool,
    /// The numbers of sites, where they are others than in the file.
    site_numbers: Option<SiteNumbers>,
    /// Which of them are distinguished at present, if not all.
    site_window: Option<SiteWindow>,
    /// The sites, while the file is opened for totals alone.
    totals: Option<SitesForTotals>,
    rss: Vec<RssSample>,
    children_rss: BTreeMap<u32, Vec<RssSample>>,
    summary: Option<Summary>,
    events: Vec<EventChunk>,
    /// How many slots an aggregated capture had, and the rest of it.
    run: Option<(u64, StoredAggregate)>,
    slots: Vec<SlotSummary>,
    aggregate: Option<StoredAggregate>,
    rewritten: Vec<u8>,
    /// Numbers of threads from here on are damage.
    most_threads: u32,
    row_format: RowFormat,
    allowance: Allowance,
    damage: Damage,
    stored: Vec<u8>,
    payload: Vec<u8>,
    decoder: ColumnDecoder,
    /// Called with each chunk of events that is read.
    observer: Option<ChunkObserver>,
}

impl CaptureReader {
    /// Opens a capture and reads everything but its events.
    ///
    /// # Errors
    /// When it is no capture, or one that this version cannot read. Damage further in is no error: see
    /// [`Self::damage`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut reader = Self::open_with_repeated_rows(path)?;
        if std::mem::take(&mut reader.has_repeated_rows) {
            reader.unite_repeated_rows();
        }
        Ok(reader)
    }

    /// Likewise, for somebody who does not distinguish stacks: there may be several rows for one stack, and for one
    /// site. To make them one takes time and memory for each.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_with_repeated_rows(path: &Path) -> Result<Self, OpenError> {
        Self::read(path, None)
    }

    /// Likewise, for somebody who wants totals alone: there are no stacks and no names, and of all sites that count
    /// alike there is one. Memory does not grow with their number.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_for_totals(path: &Path) -> Result<Self, OpenError> {
        Self::read(path, Some(SitesForTotals::default()))
    }

    fn read(path: &Path, totals: Option<SitesForTotals>) -> Result<Self, OpenError> {
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
        // A thread has a number because it made an event, so that there are no more of them than events, but for those
        // that are lost.
        const MOST_LOST_THREADS: u32 = 1 << 16;
        let events = chunks.iter().filter(|(_, header)| header.kind == ChunkKind::Events as u8);
        let rows = events.map(|(_, header)| u64::from(header.rows.min(MAX_CHUNK_EVENTS))).sum::<u64>();
        let most_threads = u32::try_from(rows).unwrap_or(u32::MAX).saturating_add(MOST_LOST_THREADS);
        let mut reader = Self {
            path: path.to_owned(),
            file,
            bytes,
            header: placeholder_header(),
            facts: Vec::new(),
            tables: Tables::default(),
            has_repeated_rows: false,
            site_numbers: None,
            site_window: None,
            totals,
            rss: Vec::new(),
            children_rss: BTreeMap::new(),
            summary: None,
            events: Vec::new(),
            run: None,
            slots: Vec::new(),
            aggregate: None,
            rewritten: Vec::new(),
            most_threads,
            row_format: RowFormat::of(version),
            allowance: Allowance::for_file(bytes),
            damage,
            stored: Vec::new(),
            payload: Vec::new(),
            decoder: ColumnDecoder::default(),
            observer: None,
        };
        let mut has_header = false;
        for (offset, header) in chunks {
            has_header |= reader.load(offset, &header).map_err(io_error)? == Some(ChunkKind::Header);
        }
        if !has_header {
            return Err(OpenError::NoHeader(path.to_owned()));
        }
        let is_for_totals = reader.totals.is_some();
        if let Some(sites) = reader.totals.take() {
            reader.group_sites(sites.finish());
        }
        if version <= LAST_VERSION_WITH_ADDRESSES {
            reader.rewrite_events().map_err(io_error)?;
        }
        // Where chunks are lost, or not written any more, so is what others refer to; that is reported anyway.
        let is_whole = reader.damage.is_none() && reader.summary.is_some() && !is_for_totals;
        let references = if is_whole { reader.tables.dangling_references() } else { 0 };
        reader.tables.lose_stacks_without_callers();
        reader.has_repeated_rows = reader.facts.contains(&Fact::RowsRepeat);
        reader.facts.retain(|fact| *fact != Fact::RowsRepeat);
        if Contents::of(&preamble) == Contents::Sums {
            let Some((slots, rest)) = reader.run.take() else { return Err(OpenError::NoSums(path.to_owned())) };
            // Where a copy of the file was cut off, there is no trace of what came after.
            let lacks_slots = (reader.slots.len() as u64) < slots;
            reader.damage.chunks += u64::from(lacks_slots && reader.damage.is_none());
            reader.aggregate = Some(StoredAggregate { slots: std::mem::take(&mut reader.slots), ..rest });
            reader.events.clear();
        }
        if reader.damage.is_none() {
            reader.damage.references = references;
        }
        Ok(reader)
    }

    /// Makes equal rows of tables one.
    fn unite_repeated_rows(&mut self) {
        let rows = self.tables.stacks.len() + self.tables.sites.len();
        if self.allowance.take(rows, repeated_rows::BYTES_A_ROW).is_none() {
            self.damage.chunks += 1;
            return;
        }
        let numbers = repeated_rows::unite(&mut self.tables);
        self.renumber_sites(numbers);
    }

    /// Makes the sites of each group one: the first of them.
    pub fn group_sites(&mut self, SiteGroups { numbers, first_sites }: SiteGroups) {
        self.tables.sites = first_sites;
        self.renumber_sites(numbers);
    }

    /// From now on, distinguishes only the sites that a window distinguishes. The sums of an aggregated capture stay as
    /// they are.
    pub fn set_site_window(&mut self, window: SiteWindow) {
        self.site_window = Some(window);
    }

    /// Reads events that have been read before. What cannot be read was counted then.
    pub fn reread<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let damage = self.damage.clone();
        let outcome = read(self);
        self.damage = damage;
        outcome
    }

    /// Drops the stacks: there is not one of them in the tables any more.
    pub fn drop_stacks(&mut self) {
        self.tables.stacks = Vec::new();
    }

    fn renumber_sites(&mut self, numbers: SiteNumbers) {
        let slots = self.aggregate.as_mut().map_or(&mut self.slots, |aggregate| &mut aggregate.slots);
        slots.iter_mut().for_each(|slot| slot.site = numbers.of(slot.site));
        self.site_numbers = Some(match self.site_numbers.take() {
            Some(before) => before.then(&numbers),
            None => numbers,
        });
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
            self.events.push(EventChunk::of(header, Place::File(offset)));
            return Ok(Some(kind));
        }
        use ChunkKind::{Codes, Frames, Index, Modules, Packages, Stacks, Symbols};
        let is_of_stacks = matches!(kind, Codes | Frames | Modules | Packages | Stacks | Symbols);
        if kind == Index || (is_of_stacks && self.totals.is_some()) {
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
            ChunkKind::Facts => {
                let facts = allowance.rows::<Fact>(payload)?;
                for fact in &facts {
                    if let Fact::Lost { chunks, events, bytes, references } = *fact {
                        self.damage.add(&Damage { chunks, events, bytes, references });
                    }
                }
                self.facts.extend(facts);
            }
            ChunkKind::Codes => place(&mut self.tables.codes, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Frames => place(&mut self.tables.frames, header, allowance.rows(payload)?, allowance)?,
            ChunkKind::Stacks => {
                let rows = self.row_format.stacks(header.first, payload, allowance)?;
                place(&mut self.tables.stacks, header, rows, allowance)?;
            }
            ChunkKind::Sites => {
                let rows = self.row_format.sites(payload, allowance)?;
                match &mut self.totals {
                    Some(sites) if rows.len() == header.rows as usize => sites.add(header.first, &rows)?,
                    Some(_) => return None,
                    None => place(&mut self.tables.sites, header, rows, allowance)?,
                }
            }
            ChunkKind::Parts => place(&mut self.tables.parts, header, allowance.rows(payload)?, allowance)?,
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
            ChunkKind::Packages => {
                let files = allowance.rows::<PackagedFile>(payload)?;
                // A table of keys and values takes as much again.
                allowance.take(files.len(), size_of::<PackagedFile>())?;
                self.tables.add_packages(files);
            }
            ChunkKind::Rss => {
                let samples = match header.image {
                    0 => &mut self.rss,
                    image => self.children_rss.entry(image).or_default(),
                };
                samples.extend(allowance.rows::<RssSample>(payload)?);
            }
            ChunkKind::Summary => self.summary = Some(parse(payload)?),
            ChunkKind::RunSums => {
                // What takes a byte here takes eight in memory, and as much again while a list grows.
                allowance.take(payload.len(), 16)?;
                self.run = Some(StoredAggregate::decode_run(payload)?);
            }
            ChunkKind::Slots => self.slots.extend(allowance.rows::<SlotSummary>(payload)?),
            ChunkKind::Events | ChunkKind::Index => {}
        }
        Some(())
    }

    /// Reads and decompresses a chunk into `self.payload`. False when it is damaged.
    fn read_payload(&mut self, offset: u64, header: &ChunkHeader) -> io::Result<bool> {
        read_chunk(&self.file, offset, header, &mut self.stored, &mut self.payload)
    }

    /// Puts the events of a chunk into `out`.
    ///
    /// Events of a damaged chunk are left out and counted in [`Self::damage`].
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn read_events(&mut self, chunk: &EventChunk, out: &mut EventBatch) -> io::Result<()> {
        let sound = match chunk.at {
            Place::File(offset) => self.read_payload(offset, &chunk.header)?,
            Place::Rewritten(start) => {
                let stored = &self.rewritten[start..start + chunk.header.stored_bytes as usize];
                decompress(&chunk.header, stored, &mut self.payload)
            }
        };
        let limits = Limits { sites: self.sites_in_file(), threads: self.most_threads };
        if !sound || self.decoder.decode(&self.payload, chunk.first, chunk.rows, limits, out).is_err() {
            out.clear();
            self.count_damage(chunk);
        }
        if let Some(numbers) = &self.site_numbers {
            numbers.apply(&mut out.events);
        }
        if let Some(window) = &self.site_window {
            window.apply(&mut out.events);
        }
        if let Some(observer) = &mut self.observer {
            observer(chunk);
        }
        Ok(())
    }

    /// Calls `observer` from now on for each chunk of events that has been read, sound or not; nobody for `None`.
    pub fn observe(&mut self, observer: Option<ChunkObserver>) {
        self.observer = observer;
    }

    /// How many sites the events of the file may have.
    fn sites_in_file(&self) -> usize {
        self.site_numbers.as_ref().map_or(self.tables.sites.len(), SiteNumbers::len)
    }

    fn count_damage(&mut self, chunk: &EventChunk) {
        self.damage.chunks += 1;
        self.damage.events += u64::from(chunk.rows);
    }

    /// Rewrites the events of an old capture.
    fn rewrite_events(&mut self) -> io::Result<()> {
        let mut old = std::mem::take(&mut self.events);
        let mut decoder = ThreadColumnDecoder::default();
        let mut rewriting = EventRewriting::default();
        old.sort_by_key(|chunk| (chunk.image, chunk.first));
        for (index, chunk) in old.iter().enumerate() {
            // All that comes later in this image is no older than its next chunk.
            let next = old.get(index + 1).filter(|next| next.image == chunk.image);
            let Place::File(offset) = chunk.at else { continue };
            let events = rewriting.queue(ThreadId(chunk.header.thread));
            let (before, sites) = (events.len(), self.sites_in_file());
            let sound = self.read_payload(offset, &chunk.header)?
                && decoder.decode(&self.payload, chunk.first, chunk.rows, sites, events).is_some();
            if !sound {
                events.truncate(before);
                self.count_damage(chunk);
            }
            let more = events.len() - before;
            rewriting.settle(chunk.image, next.map(|next| next.first), more)?;
        }
        let (chunks, payloads) = rewriting.finish();
        self.events = chunks.iter().map(|(start, header)| EventChunk::of(header, Place::Rewritten(*start))).collect();
        // Events may have been stamped less exactly than the ends of their chunks.
        let mut ends: BTreeMap<u32, Stamp> = BTreeMap::new();
        for chunk in &old {
            let end = ends.entry(chunk.image).or_default();
            *end = chunk.last.max(*end);
        }
        for chunk in self.events.iter_mut().rev() {
            chunk.last = ends.remove(&chunk.image).map_or(chunk.last, |end| end.max(chunk.last));
        }
        self.rewritten = payloads;
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

    /// The chunks of events. Those of one image are in order.
    #[must_use]
    pub fn event_chunks(&self) -> &[EventChunk] {
        &self.events
    }

    /// What the events summed up to; nothing where the capture holds the events themselves.
    #[must_use]
    pub const fn aggregate(&self) -> Option<&StoredAggregate> {
        self.aggregate.as_ref()
    }

    /// The images that made events, by number.
    #[must_use]
    pub fn image_spans(&self) -> Vec<ImageSpan> {
        if let Some(aggregate) = &self.aggregate {
            return aggregate.images.clone();
        }
        let mut spans: BTreeMap<u32, ImageSpan> = BTreeMap::new();
        for &EventChunk { image, rows, first, last, .. } in &self.events {
            let span = spans.entry(image).or_insert(ImageSpan { image, events: 0, first, last });
            span.events += u64::from(rows);
            (span.first, span.last) = (span.first.min(first), span.last.max(last));
        }
        spans.into_values().collect()
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

fn placeholder_header() -> Header {
    use super::facts::ClockPoint;
    Header {
        memprof_version: String::new(),
        command_line: Vec::new(),
        pid: 0,
        start_unix_ns: 0,
        start: ClockPoint { stamp: Stamp(0), monotonic_ns: 0 },
        clock: memprof_channel::clock::ClockKind::Monotonic,
        page_size: 4096,
        machine: String::new(),
        native_stacks: false,
        python_allocators_traced: ObjectTracing::Never,
    }
}
