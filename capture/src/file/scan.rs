//! Finds the chunks of a file: by its index, or by looking for them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{CHUNK_HEADER_BYTES, CHUNK_MAGIC, ChunkHeader, ChunkKind, MAX_CHUNK_BYTES, TAIL_BYTES, TAIL_MAGIC};

/// What could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Chunks whose checksum or content is wrong.
    pub chunks: u64,
    /// Events in them, as far as their headers say.
    pub events: u64,
    /// Bytes outside any whole chunk.
    pub bytes: u64,
    /// Rows of tables that refer to rows which are not there, although the file has all its chunks.
    pub references: u64,
}

impl Damage {
    /// Adds what could not be read elsewhere.
    pub const fn add(&mut self, other: &Self) {
        self.chunks = self.chunks.saturating_add(other.chunks);
        self.events = self.events.saturating_add(other.events);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.references = self.references.saturating_add(other.references);
    }

    /// Whether everything could be read.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.chunks == 0 && self.bytes == 0 && self.references == 0
    }
}

/// Reads a chunk's payload and checks it. False when it is damaged.
pub(super) fn read_chunk(
    file: &File,
    offset: u64,
    header: &ChunkHeader,
    stored: &mut Vec<u8>,
    payload: &mut Vec<u8>,
) -> io::Result<bool> {
    if header.stored_bytes > MAX_CHUNK_BYTES || header.payload_bytes > MAX_CHUNK_BYTES {
        return Ok(false);
    }
    stored.resize(header.stored_bytes as usize, 0);
    match file.read_exact_at(stored, offset + CHUNK_HEADER_BYTES as u64) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    if header.checksum_with(stored) != header.checksum {
        return Ok(false);
    }
    Ok(decompress(header, stored, payload))
}

/// Makes a chunk's payload of what is stored of it. False when it cannot be.
pub(super) fn decompress(header: &ChunkHeader, stored: &[u8], payload: &mut Vec<u8>) -> bool {
    payload.resize(header.payload_bytes as usize, 0);
    match header.codec {
        0 if stored.len() == payload.len() => {
            payload.copy_from_slice(stored);
            true
        }
        1 => lz4_flex::block::decompress_into(stored, payload).is_ok_and(|length| length == payload.len()),
        _ => false,
    }
}

/// Finds the chunks of a file.
pub(super) struct Scan<'a> {
    pub file: &'a File,
    pub bytes: u64,
    pub damage: Damage,
}

impl Scan<'_> {
    /// The chunks that the index names, if the file is complete.
    pub fn index(&self) -> Option<Vec<(u64, ChunkHeader)>> {
        let mut tail = [0; TAIL_BYTES];
        self.file.read_exact_at(&mut tail, self.bytes.checked_sub(TAIL_BYTES as u64)?).ok()?;
        let (offset, magic) = tail.split_first_chunk::<8>()?;
        if magic != TAIL_MAGIC {
            return None;
        }
        let offset = u64::from_le_bytes(*offset);
        let mut entries = Vec::new();
        // Each chunk once, and none beyond the file: otherwise it would take longer to read than its size says.
        let mut end = 0;
        let mut check_order = |(start, header): &(u64, ChunkHeader)| {
            let is_next = *start >= end;
            end = start.checked_add(CHUNK_HEADER_BYTES as u64 + u64::from(header.stored_bytes))?;
            (is_next && end <= self.bytes).then_some(())
        };
        for entry in self.index_entries(offset)? {
            // One level is enough for any file.
            if entry.1.kind == ChunkKind::Index as u8 {
                for before in self.index_entries(entry.0)? {
                    check_order(&before)?;
                    entries.push(before);
                }
            }
            check_order(&entry)?;
            entries.push(entry);
        }
        Some(entries)
    }

    /// The chunks that the index at `offset` names.
    fn index_entries(&self, offset: u64) -> Option<Vec<(u64, ChunkHeader)>> {
        let header = self.header_at(offset).filter(|header| header.kind == ChunkKind::Index as u8)?;
        let (mut stored, mut payload) = (Vec::new(), Vec::new());
        if !read_chunk(self.file, offset, &header, &mut stored, &mut payload).ok()? {
            return None;
        }
        let (entries, rest) = payload.as_chunks::<{ 8 + CHUNK_HEADER_BYTES }>();
        if !rest.is_empty() || entries.len() != header.rows as usize {
            return None;
        }
        entries
            .iter()
            .map(|entry| {
                let (offset, header) = entry.split_first_chunk::<8>()?;
                Some((u64::from_le_bytes(*offset), ChunkHeader::parse(header.try_into().ok()?)?))
            })
            .collect()
    }

    fn header_at(&self, offset: u64) -> Option<ChunkHeader> {
        let mut bytes = [0; CHUNK_HEADER_BYTES];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        ChunkHeader::parse(&bytes)
    }

    /// All whole chunks from `offset` on. What lies between them is counted as damage.
    pub fn chunks(&mut self, mut offset: u64) -> Vec<(u64, ChunkHeader)> {
        let mut found = Vec::new();
        let (mut stored, mut payload) = (Vec::new(), Vec::new());
        // What looks like a chunk may claim to be long, again and again, and have to be read before it turns out to be
        // none. Beyond this the rest of the file is given up.
        let mut patience = self.bytes.saturating_mul(16).saturating_add(4 * u64::from(MAX_CHUNK_BYTES));
        while offset < self.bytes {
            // Only a sound chunk's length can be trusted to lead to the next one.
            let room = self.bytes - offset;
            let sound = |header: &ChunkHeader| {
                if u64::from(header.stored_bytes) > room {
                    return false;
                }
                let is_sound = read_chunk(self.file, offset, header, &mut stored, &mut payload).unwrap_or(false);
                if !is_sound {
                    let claimed = u64::from(header.stored_bytes) + u64::from(header.payload_bytes);
                    patience = patience.saturating_sub(claimed.min(2 * u64::from(MAX_CHUNK_BYTES)));
                }
                is_sound
            };
            match self.header_at(offset).filter(sound) {
                Some(header) => {
                    found.push((offset, header));
                    offset += CHUNK_HEADER_BYTES as u64 + u64::from(header.stored_bytes);
                }
                None => {
                    let next = if patience > 0 { self.next_magic(offset + 1) } else { self.bytes };
                    self.damage.bytes += next - offset;
                    offset = next;
                }
            }
        }
        found
    }

    /// Where the next chunk could start.
    fn next_magic(&self, mut offset: u64) -> u64 {
        let mut window = [0; 64 * 1024];
        while offset < self.bytes {
            let length = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX).min(window.len());
            if self.file.read_exact_at(&mut window[..length], offset).is_err() {
                break;
            }
            if let Some(at) = window[..length].windows(CHUNK_MAGIC.len()).position(|bytes| bytes == CHUNK_MAGIC) {
                return offset + at as u64;
            }
            // The magic may lie across the end of this window.
            offset += length.saturating_sub(CHUNK_MAGIC.len() - 1).max(1) as u64;
        }
        self.bytes
    }
}
