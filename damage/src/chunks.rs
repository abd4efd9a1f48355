//! A capture taken to pieces, to be put together again with sound checksums.

use memprof_capture::file::format::{
    CHUNK_HEADER_BYTES, ChunkHeader, ChunkKind, Codec, MAX_CHUNK_BYTES, PREAMBLE_BYTES, TAIL_MAGIC,
};

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its header. Checksum, codec and lengths are computed again when it is written.
    pub header: ChunkHeader,
    /// What it holds, unpacked.
    pub payload: Vec<u8>,
}

impl Chunk {
    /// A chunk of this kind.
    #[must_use]
    pub fn new(kind: ChunkKind, rows: u32, payload: Vec<u8>) -> Self {
        let header = ChunkHeader {
            kind: kind as u8,
            codec: 0,
            checksum: 0,
            stored_bytes: 0,
            payload_bytes: 0,
            rows,
            thread: 0,
            image: 0,
            first: 0,
            last: 0,
        };
        Self { header, payload }
    }

    /// Its bytes in a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.claiming(self.payload.len() as u32)
    }

    /// The same, with a header that promises this many bytes.
    #[must_use]
    pub fn claiming(&self, payload_bytes: u32) -> Vec<u8> {
        let packed = lz4_flex::block::compress(&self.payload);
        let (codec, stored) =
            if packed.len() < self.payload.len() { (Codec::Lz4, &packed) } else { (Codec::Raw, &self.payload) };
        let mut header =
            ChunkHeader { codec: codec as u8, stored_bytes: stored.len() as u32, payload_bytes, ..self.header };
        header.checksum = header.checksum_with(stored);
        [&header.to_bytes()[..], stored].concat()
    }
}

/// The pieces of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenApart {
    /// What comes before the first chunk.
    pub preamble: [u8; PREAMBLE_BYTES],
    /// All chunks but indices.
    pub chunks: Vec<Chunk>,
    /// Whether there is an index, and the tail that leads to it.
    pub has_end: bool,
}

impl TakenApart {
    /// Takes a sound capture apart, or the beginning of one up to where it is damaged.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (&preamble, mut rest) = bytes.split_first_chunk()?;
        let mut chunks = Vec::new();
        while let Some((bytes, after)) = rest.split_first_chunk::<CHUNK_HEADER_BYTES>() {
            let Some(header) = ChunkHeader::parse(bytes) else { break };
            let Some((stored, after)) = after.split_at_checked(header.stored_bytes as usize) else { break };
            rest = after;
            // A long capture has several, and the last one names all that the others do.
            if header.kind == ChunkKind::Index as u8 {
                continue;
            }
            let payload = match header.codec {
                0 => stored.to_vec(),
                _ if header.payload_bytes > MAX_CHUNK_BYTES => break,
                _ => match lz4_flex::block::decompress(stored, header.payload_bytes as usize) {
                    Ok(payload) => payload,
                    Err(_) => break,
                },
            };
            chunks.push(Chunk { header, payload });
        }
        Some(Self { preamble, chunks, has_end: rest.ends_with(&TAIL_MAGIC) })
    }

    /// The first chunk of a kind.
    #[must_use]
    pub fn first_of(&mut self, kind: ChunkKind) -> Option<&mut Chunk> {
        self.chunks.iter_mut().find(|chunk| chunk.header.kind == kind as u8)
    }

    /// The capture, with checksums and an index that fit the chunks.
    #[must_use]
    pub fn put_together(&self) -> Vec<u8> {
        let mut out = self.preamble.to_vec();
        let mut index = Vec::new();
        for chunk in &self.chunks {
            let bytes = chunk.to_bytes();
            index.extend_from_slice(&(out.len() as u64).to_le_bytes());
            index.extend_from_slice(&bytes[..CHUNK_HEADER_BYTES]);
            out.extend(bytes);
        }
        if self.has_end {
            let at = out.len() as u64;
            out.extend(Chunk::new(ChunkKind::Index, self.chunks.len() as u32, index).to_bytes());
            out.extend(at.to_le_bytes());
            out.extend(TAIL_MAGIC);
        }
        out
    }
}
