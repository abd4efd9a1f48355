//! The frame of every chunk, and what comes before the first and after the last one.

/// The first bytes of a capture file.
pub const FILE_MAGIC: [u8; 8] = *b"memprof\0";
/// The newest version of the format: counts incompatible changes. Readers open this one and older ones.
pub const FILE_VERSION: u32 = 10;
/// Up to this version, the rows of stacks and sites were written whole.
pub const LAST_VERSION_WITH_WHOLE_ROWS: u32 = 8;
/// Up to this version, sites had no parts, and it alone was the version of aggregated captures.
pub const LAST_VERSION_WITHOUT_PARTS: u32 = 5;
/// Up to this version, chunks of events were each those of one thread, with their addresses.
pub const LAST_VERSION_WITH_ADDRESSES: u32 = 3;
/// Bytes before the first chunk: magic, version, [`Contents`], three zero bytes.
pub const PREAMBLE_BYTES: usize = 16;
/// Comes before every chunk, so that a reader can find the next one after a damaged one.
pub const CHUNK_MAGIC: [u8; 4] = *b"MPck";
/// Bytes of a chunk's header.
pub const CHUNK_HEADER_BYTES: usize = 56;
/// The last bytes of a complete file, after the offset of the index chunk (8 bytes).
pub const TAIL_MAGIC: [u8; 8] = *b"mempEND\0";
/// Bytes of the tail.
pub const TAIL_BYTES: usize = 16;
/// No chunk is larger than this when decompressed: a reader's memory is bounded whatever a damaged length says.
pub const MAX_CHUNK_BYTES: u32 = 64 << 20;
/// No chunk has more events than this: in memory, an event takes some 10 times the bytes that it has in a chunk.
pub const MAX_CHUNK_EVENTS: u32 = 1 << 16;

/// What a file holds, apart from what all have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Contents {
    /// Events.
    Events = 0,
    /// The outcome of their replay.
    Sums = 1,
}

impl Contents {
    /// What the beginning of a file says.
    #[must_use]
    pub fn of(preamble: &[u8; PREAMBLE_BYTES]) -> Self {
        let version = u32::from_le_bytes([preamble[8], preamble[9], preamble[10], preamble[11]]);
        let has_sums = version == LAST_VERSION_WITHOUT_PARTS || preamble[12] == Self::Sums as u8;
        if has_sums { Self::Sums } else { Self::Events }
    }
}

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChunkKind {
    /// A [`Header`](super::Header): the first chunk.
    Header = 1,
    /// [`Fact`](super::Fact)s.
    Facts = 2,
    /// Rows of [`Code`](super::Code).
    Codes = 3,
    /// Rows of [`Frame`](super::Frame).
    Frames = 4,
    /// Rows of [`StackNode`](super::StackNode).
    Stacks = 5,
    /// Rows of [`Site`](super::Site).
    Sites = 6,
    /// Rows of [`Thread`](super::Thread).
    Threads = 7,
    /// [`RssSample`](super::facts::RssSample)s.
    Rss = 8,
    /// Events of one process image ([`columns`](super::columns)).
    Events = 9,
    /// A [`Summary`](super::Summary).
    Summary = 10,
    /// The headers of chunks before it, with their offsets. The last one names all of the file; an entry that is itself
    /// an index represents those that it names.
    Index = 11,
    /// Rows of [`Module`](super::Module).
    Modules = 12,
    /// [`FrameSymbols`](super::FrameSymbols): the names of native frames.
    Symbols = 13,
    /// [`StoredAggregate`](super::aggregate::StoredAggregate) without its slots: the sums of an aggregated capture.
    RunSums = 14,
    /// [`SlotSummary`](super::aggregate::SlotSummary) rows of an aggregated capture.
    Slots = 15,
    /// Rows of [`MappedPart`](super::tables::MappedPart).
    Parts = 16,
    /// [`PackagedFile`](super::tables::PackagedFile)s.
    Packages = 17,
}

impl ChunkKind {
    /// The kind with this code. A reader skips the kinds that it does not know.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Header,
            2 => Self::Facts,
            3 => Self::Codes,
            4 => Self::Frames,
            5 => Self::Stacks,
            6 => Self::Sites,
            7 => Self::Threads,
            8 => Self::Rss,
            9 => Self::Events,
            10 => Self::Summary,
            11 => Self::Index,
            12 => Self::Modules,
            13 => Self::Symbols,
            14 => Self::RunSums,
            15 => Self::Slots,
            16 => Self::Parts,
            17 => Self::Packages,
            _ => return None,
        })
    }
}

/// How a chunk's payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// One LZ4 block.
    Lz4 = 1,
}

/// A chunk's header. All numbers are little-endian.
///
/// | bytes | field |
/// |---|---|
/// | 0..4 | [`CHUNK_MAGIC`] |
/// | 4 | kind |
/// | 5 | codec |
/// | 6..8 | zero |
/// | 8..12 | checksum: CRC-32 of the header with these four bytes zero, followed by the stored payload |
/// | 12..16 | stored bytes of the payload |
/// | 16..20 | bytes of the payload when decompressed |
/// | 20..24 | rows: events, samples or table rows |
/// | 24..28 | zero; up to version 3, the thread (events only) |
/// | 28..32 | image: which program of the process, from 1 (events); likewise of samples, 0 for the process that was started |
/// | 32..40 | first stamp (events, RSS), or the number of the first row (tables) |
/// | 40..48 | last stamp |
/// | 48..56 | zero |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// The kind's code, which may be unknown to this reader.
    pub kind: u8,
    /// How the payload is stored: a [`Codec`] as a number.
    pub codec: u8,
    /// See the table.
    pub checksum: u32,
    /// Bytes that follow the header.
    pub stored_bytes: u32,
    /// Bytes after decompression.
    pub payload_bytes: u32,
    /// Events, samples or table rows.
    pub rows: u32,
    /// Up to version 3, the thread whose events these are.
    pub thread: u32,
    /// The process image that they belong to.
    pub image: u32,
    /// The first stamp, or the number of the first row.
    pub first: u64,
    /// The last stamp.
    pub last: u64,
}

impl ChunkHeader {
    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; CHUNK_HEADER_BYTES] {
        let mut bytes = [0; CHUNK_HEADER_BYTES];
        bytes[..4].copy_from_slice(&CHUNK_MAGIC);
        bytes[4] = self.kind;
        bytes[5] = self.codec;
        for (index, field) in [self.checksum, self.stored_bytes, self.payload_bytes, self.rows, self.thread, self.image]
            .iter()
            .enumerate()
        {
            bytes[8 + index * 4..12 + index * 4].copy_from_slice(&field.to_le_bytes());
        }
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last.to_le_bytes());
        bytes
    }

    /// Reads a header; nothing when the bytes do not start one.
    #[must_use]
    pub fn parse(bytes: &[u8; CHUNK_HEADER_BYTES]) -> Option<Self> {
        if bytes[..4] != CHUNK_MAGIC {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Some(Self {
            kind: bytes[4],
            codec: bytes[5],
            checksum: word(8),
            stored_bytes: word(12),
            payload_bytes: word(16),
            rows: word(20),
            thread: word(24),
            image: word(28),
            first: long(32),
            last: long(40),
        })
    }

    /// The checksum that this header and this stored payload should have.
    #[must_use]
    pub fn checksum_with(&self, stored: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&Self { checksum: 0, ..*self }.to_bytes());
        hasher.update(stored);
        hasher.finalize()
    }
}
