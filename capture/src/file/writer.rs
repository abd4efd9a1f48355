//! Writes a capture file, chunk by chunk.

use std::collections::BTreeMap;
use std::io::{self, Write};

use memprof_channel::ids::FrameId;
use serde::Serialize;

use super::aggregate::{SlotSummary, StoredAggregate};
use super::columns::ColumnEncoder;
use super::facts::{Fact, Header, RssSample, Summary};
use super::format::{
    CHUNK_HEADER_BYTES, ChunkHeader, ChunkKind, Codec, Contents, FILE_MAGIC, FILE_VERSION, PREAMBLE_BYTES, TAIL_MAGIC,
};
use super::rewrite::batches;
use super::stored_rows::StoredRow;
use super::tables::{Code, Frame, FrameSymbols, MappedPart, Module, PackagedFile, Site, StackNode, Tables, Thread};

/// Writes chunks and remembers where they are.
pub struct CaptureWriter<W: Write> {
    out: W,
    offset: u64,
    /// The chunks that no index names yet.
    index: Vec<(u64, ChunkHeader)>,
    /// The indices so far.
    parts: Vec<(u64, ChunkHeader)>,
    most_index_entries: usize,
    payload: Vec<u8>,
    stored: Vec<u8>,
    /// By the kind of chunk: rows of a table written so far.
    rows: BTreeMap<ChunkKind, u64>,
}

/// At most this many chunks are kept in mind; the memory of a recording does not grow with its length.
const MOST_INDEX_ENTRIES: usize = 1 << 12;

/// The fields of a chunk's header that depend on what it holds.
#[derive(Default)]
struct Labels {
    rows: usize,
    image: u32,
    first: u64,
    last: u64,
}

/// What an index says of these chunks: where they begin, and their headers.
pub(super) fn index_payload(entries: &[(u64, ChunkHeader)]) -> Vec<u8> {
    let entry = |(offset, header): &(u64, ChunkHeader)| {
        let mut entry = [0; 8 + CHUNK_HEADER_BYTES];
        entry[..8].copy_from_slice(&offset.to_le_bytes());
        entry[8..].copy_from_slice(&header.to_bytes());
        entry
    };
    entries.iter().flat_map(entry).collect()
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a file of events.
    ///
    /// # Errors
    /// As all methods here: what `out` answers to a write.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        Self::with(Contents::Events, out, header)
    }

    /// Starts an aggregated file.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn aggregated(out: W, header: &Header) -> io::Result<Self> {
        Self::with(Contents::Sums, out, header)
    }

    fn with(contents: Contents, mut out: W, header: &Header) -> io::Result<Self> {
        let mut preamble = [0; PREAMBLE_BYTES];
        preamble[..8].copy_from_slice(&FILE_MAGIC);
        preamble[8..12].copy_from_slice(&FILE_VERSION.to_le_bytes());
        preamble[12] = contents as u8;
        out.write_all(&preamble)?;
        let mut writer =
            Self { offset: PREAMBLE_BYTES as u64, most_index_entries: MOST_INDEX_ENTRIES, ..Self::of_chunks(out) };
        writer.serialized(ChunkKind::Header, header, Labels { rows: 1, ..Labels::default() })?;
        Ok(writer)
    }

    /// Writes chunks alone, without what makes them a file.
    pub(super) const fn of_chunks(out: W) -> Self {
        Self {
            out,
            offset: 0,
            index: Vec::new(),
            parts: Vec::new(),
            most_index_entries: usize::MAX,
            payload: Vec::new(),
            stored: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    /// Where the chunks begin, their headers, and what they were written to.
    pub(super) fn into_chunks(self) -> (Vec<(u64, ChunkHeader)>, W) {
        (self.index, self.out)
    }

    /// Bytes written so far, all of them whole chunks.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.offset
    }

    /// What is written to.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes what turned out.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn facts(&mut self, facts: &[Fact]) -> io::Result<()> {
        self.serialized(ChunkKind::Facts, facts, Labels { rows: facts.len(), ..Labels::default() })
    }

    /// Writes the next rows of the table of code objects.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn codes(&mut self, rows: &[Code]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the next rows of the table of frames.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn frames(&mut self, rows: &[Frame]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the next rows of the table of stacks.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn stacks(&mut self, rows: &[StackNode]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the next rows of the table of sites.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn sites(&mut self, rows: &[Site]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the next rows of the table of modules.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn modules(&mut self, rows: &[Module]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the next rows of the table of parts. They must come before sites that have them.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn parts(&mut self, rows: &[MappedPart]) -> io::Result<()> {
        self.table(rows)
    }

    /// Writes the names of native frames. For a frame that has names already, these replace them.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn symbols(&mut self, symbols: &[FrameSymbols]) -> io::Result<()> {
        for part in symbols.chunks(4096) {
            self.serialized(ChunkKind::Symbols, part, Labels { rows: part.len(), ..Labels::default() })?;
        }
        Ok(())
    }

    /// Writes the packages of files.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn packages(&mut self, files: &[PackagedFile]) -> io::Result<()> {
        for part in files.chunks(4096) {
            self.serialized(ChunkKind::Packages, part, Labels { rows: part.len(), ..Labels::default() })?;
        }
        Ok(())
    }

    fn table<'a, R: StoredRow + 'a>(&mut self, rows: impl IntoIterator<Item = &'a R>) -> io::Result<()> {
        let mut rows = rows.into_iter();
        loop {
            let part: Vec<&R> = rows.by_ref().take(R::MOST_IN_A_CHUNK).collect();
            if part.is_empty() {
                return Ok(());
            }
            let written = self.rows.entry(R::KIND).or_default();
            let first = *written;
            *written += part.len() as u64;
            let labels = Labels { rows: part.len(), first, last: *written - 1, ..Labels::default() };
            let payload = R::encode(first, &part).map_err(io::Error::other)?;
            self.chunk(R::KIND, &payload, labels)?;
        }
    }

    /// Writes whole tables. Rows that they lack are lacking in the file, too.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn tables(&mut self, tables: &Tables) -> io::Result<()> {
        self.rows_to_come(tables)?;
        self.names_and_threads(tables)
    }

    /// Writes the rows of tables, but for names, packages and threads, that have not been written yet.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn rows_to_come(&mut self, tables: &Tables) -> io::Result<()> {
        self.table_with_gaps(&tables.codes)?;
        self.table_with_gaps(&tables.modules)?;
        self.table_with_gaps(&tables.frames)?;
        self.table_with_gaps(&tables.stacks)?;
        self.table_with_gaps(&tables.parts)?;
        self.table_with_gaps(&tables.sites)
    }

    /// Writes the names of native frames, the packages of files, and the threads.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn names_and_threads(&mut self, tables: &Tables) -> io::Result<()> {
        let named = (0..).map(FrameId).zip(&tables.symbols).filter(|(_, functions)| !functions.is_empty());
        let symbols: Vec<FrameSymbols> =
            named.map(|(frame, functions)| FrameSymbols { frame, functions: functions.clone() }).collect();
        batches(&symbols).try_for_each(|batch| self.symbols(batch))?;
        let packaged = tables.packages.iter();
        let packages: Vec<PackagedFile> =
            packaged.map(|(file, package)| PackagedFile { file: file.clone(), package: package.clone() }).collect();
        self.packages(&packages)?;
        // A table of threads is replaced as a whole, so that all of its rows are there or none.
        let threads: Vec<Thread> = tables.threads.iter().flatten().cloned().collect();
        if threads.is_empty() { Ok(()) } else { self.threads(&threads) }
    }

    /// Writes the rows from the first that has not been written on.
    fn table_with_gaps<R: StoredRow>(&mut self, rows: &[Option<R>]) -> io::Result<()> {
        let written = self.rows.get(&R::KIND).copied().unwrap_or(0);
        let from = usize::try_from(written).unwrap_or(usize::MAX).min(rows.len());
        for run in rows[from..].chunk_by(|one, other| one.is_some() == other.is_some()) {
            match run {
                [Some(_), ..] => self.table(run.iter().flatten())?,
                lost => *self.rows.entry(R::KIND).or_default() += lost.len() as u64,
            }
        }
        Ok(())
    }

    /// Writes what an aggregated file has beside its slots.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn run_sums(&mut self, aggregate: &StoredAggregate) -> io::Result<()> {
        let payload = aggregate.encode_run().map_err(io::Error::other)?;
        self.chunk(ChunkKind::RunSums, &payload, Labels { rows: 1, ..Labels::default() })
    }

    /// Writes the slots of an aggregated file.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn slots(&mut self, slots: &[SlotSummary]) -> io::Result<()> {
        for part in slots.chunks(1 << 15) {
            self.serialized(ChunkKind::Slots, part, Labels { rows: part.len(), ..Labels::default() })?;
        }
        Ok(())
    }

    /// Writes all threads known so far, from the first; they replace what was written before.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn threads(&mut self, threads: &[Thread]) -> io::Result<()> {
        self.serialized(ChunkKind::Threads, threads, Labels { rows: threads.len(), ..Labels::default() })
    }

    /// Writes samples of the resident set of the process that runs an image; 0 means the one that was started.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn rss(&mut self, image: u32, samples: &[RssSample]) -> io::Result<()> {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Ok(()) };
        let labels = Labels { rows: samples.len(), image, first: first.at.stamp.0, last: last.at.stamp.0 };
        self.serialized(ChunkKind::Rss, samples, labels)
    }

    /// Writes the events gathered from a process image, and empties `events`.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn events(&mut self, image: u32, events: &mut ColumnEncoder) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let labels = Labels { rows: events.len(), image, first: events.first().0, last: events.last().0 };
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        events.finish(&mut payload);
        let written = self.chunk(ChunkKind::Events, &payload, labels);
        self.payload = payload;
        written
    }

    /// Ends the file with what is known at the end, an index and the tail.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn finish(mut self, summary: &Summary) -> io::Result<(W, u64)> {
        self.serialized(ChunkKind::Summary, summary, Labels { rows: 1, ..Labels::default() })?;
        self.finish_without_end()
    }

    /// Ends a file that is whole although the recording has no end, or not yet: with an index and the tail.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn finish_without_end(mut self) -> io::Result<(W, u64)> {
        let index_offset = self.offset;
        self.write_index()?;
        let mut tail = index_offset.to_le_bytes().to_vec();
        tail.extend_from_slice(&TAIL_MAGIC);
        self.out.write_all(&tail)?;
        self.out.flush()?;
        self.offset += tail.len() as u64;
        Ok((self.out, self.offset))
    }

    /// Writes an index of the chunks since the last one. Its own entry takes their place: one level is enough for any
    /// file.
    fn write_part_of_index(&mut self) -> io::Result<()> {
        let entries = std::mem::take(&mut self.index);
        self.chunk(ChunkKind::Index, &index_payload(&entries), Labels { rows: entries.len(), ..Labels::default() })?;
        self.parts.append(&mut self.index);
        Ok(())
    }

    /// Writes an index of everything.
    fn write_index(&mut self) -> io::Result<()> {
        let mut entries = std::mem::take(&mut self.parts);
        entries.append(&mut self.index);
        self.chunk(ChunkKind::Index, &index_payload(&entries), Labels { rows: entries.len(), ..Labels::default() })
    }

    fn serialized<T: Serialize + ?Sized>(&mut self, kind: ChunkKind, value: &T, labels: Labels) -> io::Result<()> {
        let payload = postcard::to_stdvec(value).map_err(io::Error::other)?;
        self.chunk(kind, &payload, labels)
    }

    fn chunk(&mut self, kind: ChunkKind, payload: &[u8], labels: Labels) -> io::Result<()> {
        if self.index.len() >= self.most_index_entries {
            self.write_part_of_index()?;
        }
        self.stored.resize(lz4_flex::block::get_maximum_output_size(payload.len()), 0);
        let compressed = lz4_flex::block::compress_into(payload, &mut self.stored).map_err(io::Error::other)?;
        let (codec, stored) =
            if compressed < payload.len() { (Codec::Lz4, &self.stored[..compressed]) } else { (Codec::Raw, payload) };
        let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
        let mut header = ChunkHeader {
            kind: kind as u8,
            codec: codec as u8,
            checksum: 0,
            stored_bytes: length(stored.len())?,
            payload_bytes: length(payload.len())?,
            rows: length(labels.rows)?,
            thread: 0,
            image: labels.image,
            first: labels.first,
            last: labels.last,
        };
        header.checksum = header.checksum_with(stored);
        self.out.write_all(&header.to_bytes())?;
        self.out.write_all(stored)?;
        self.index.push((self.offset, header));
        self.offset += (CHUNK_HEADER_BYTES + stored.len()) as u64;
        Ok(())
    }
}
