//! A capture once more, with other names of its native frames. Everything else is copied as it is.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::allowance::Allowance;
use super::facts::{Fact, Header};
use super::format::{
    CHUNK_HEADER_BYTES, ChunkHeader, ChunkKind, Codec, LAST_VERSION_WITH_ADDRESSES, MAX_CHUNK_BYTES, PREAMBLE_BYTES,
    TAIL_MAGIC,
};
use super::scan::{Damage, Scan, read_chunk};
use super::tables::FrameSymbols;
use super::writer::{CaptureWriter, index_payload};

/// The names of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Those of its frames.
    pub symbols: &'a [FrameSymbols],
    /// Where they come from: [`Fact::ModuleSymbols`].
    pub sources: &'a [Fact],
}

/// Why a capture was not written once more.
#[derive(Debug)]
pub enum RewriteError {
    /// It cannot be read any more.
    Read(io::Error),
    /// The new one cannot be written.
    Write(io::Error),
}

/// Copies the capture at `from` to `out`, with `names` in place of those that it has. `header` is its own. Returns the
/// number of bytes written.
///
/// A capture without an end has none afterwards either, and is found damaged where it was.
///
/// # Errors
/// See [`RewriteError`].
pub fn rewrite(from: &Path, header: &Header, names: Names<'_>, out: impl Write) -> Result<u64, RewriteError> {
    let file = File::open(from).map_err(RewriteError::Read)?;
    let bytes = file.metadata().map_err(RewriteError::Read)?.len();
    let mut scan = Scan { file: &file, bytes, damage: Damage::default() };
    let indexed = scan.index();
    let is_complete = indexed.is_some();
    let chunks = indexed.unwrap_or_else(|| scan.chunks(PREAMBLE_BYTES as u64));
    let mut copy =
        Copy { file: &file, out, offset: 0, index: Vec::new(), is_complete, allowance: Allowance::for_file(bytes) };
    copy.preamble()?;
    let mut names = Some(encoded(header, names)?);
    let mut end = PREAMBLE_BYTES as u64;
    for (offset, chunk) in chunks {
        if !is_complete {
            // What is no chunk stays, so that nobody takes the rest for the whole.
            copy.range(end, offset.saturating_sub(end))?;
        }
        end = offset + CHUNK_HEADER_BYTES as u64 + u64::from(chunk.stored_bytes);
        match ChunkKind::from_code(chunk.kind) {
            Some(ChunkKind::Symbols | ChunkKind::Index) => {}
            Some(ChunkKind::Facts) => copy.facts(header, offset, &chunk)?,
            Some(ChunkKind::Summary) => {
                copy.encoded(&names.take().unwrap_or_default())?;
                copy.chunk(offset, &chunk)?;
            }
            _ => copy.chunk(offset, &chunk)?,
        }
    }
    if !is_complete {
        copy.range(end, bytes.saturating_sub(end))?;
    }
    copy.encoded(&names.unwrap_or_default())?;
    copy.finish()
}

/// The chunks for these names.
fn encoded(header: &Header, names: Names<'_>) -> Result<Vec<u8>, RewriteError> {
    chunks_of(header, |writer| {
        if !names.sources.is_empty() {
            writer.facts(names.sources)?;
        }
        batches(names.symbols).try_for_each(|batch| writer.symbols(batch))
    })
}

/// Divides names such that no chunk of them comes near the limit on its size, however long they are.
pub fn batches(symbols: &[FrameSymbols]) -> impl Iterator<Item = &[FrameSymbols]> {
    let bytes = |symbols: &FrameSymbols| {
        symbols.functions.iter().map(|function| function.name.len() + function.file.len() + 32).sum::<usize>() + 32
    };
    let mut rest = symbols;
    std::iter::from_fn(move || {
        let mut room = MAX_CHUNK_BYTES as usize / 4;
        let fitting = rest.iter().take_while(|symbols| {
            let fits = bytes(symbols) <= room;
            room = room.saturating_sub(bytes(symbols));
            fits
        });
        let batch;
        (batch, rest) = rest.split_at(fitting.count().max(1).min(rest.len()));
        (!batch.is_empty()).then_some(batch)
    })
}

/// What a writer makes of this, without the beginning that it gives to a file.
fn chunks_of(
    header: &Header,
    write: impl FnOnce(&mut CaptureWriter<Vec<u8>>) -> io::Result<()>,
) -> Result<Vec<u8>, RewriteError> {
    let encode = || {
        let mut writer = CaptureWriter::new(Vec::new(), header)?;
        let start = writer.get_mut().len();
        write(&mut writer)?;
        Ok(writer.get_mut().split_off(start))
    };
    encode().map_err(RewriteError::Write)
}

/// A copy in the making.
struct Copy<'a, W> {
    file: &'a File,
    out: W,
    offset: u64,
    index: Vec<(u64, ChunkHeader)>,
    is_complete: bool,
    allowance: Allowance,
}

impl<W: Write> Copy<'_, W> {
    fn preamble(&mut self) -> Result<(), RewriteError> {
        let mut preamble = [0; PREAMBLE_BYTES];
        self.file.read_exact_at(&mut preamble, 0).map_err(RewriteError::Read)?;
        // A reader of the versions before would not know what to make of the names. The events stay as they are.
        let version = u32::from_le_bytes([preamble[8], preamble[9], preamble[10], preamble[11]]);
        let version = version.max(LAST_VERSION_WITH_ADDRESSES);
        preamble[8..12].copy_from_slice(&version.to_le_bytes());
        self.write(&preamble)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RewriteError> {
        self.out.write_all(bytes).map_err(RewriteError::Write)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Copies bytes of the file.
    fn range(&mut self, mut from: u64, mut bytes: u64) -> Result<(), RewriteError> {
        let mut buffer = vec![0; 1 << 18];
        while bytes > 0 {
            let part = buffer.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut buffer[..part], from).map_err(RewriteError::Read)?;
            self.write(&buffer[..part])?;
            from += part as u64;
            bytes -= part as u64;
        }
        Ok(())
    }

    /// Copies a chunk, whether it is sound or not.
    fn chunk(&mut self, offset: u64, header: &ChunkHeader) -> Result<(), RewriteError> {
        self.index.push((self.offset, *header));
        self.range(offset, CHUNK_HEADER_BYTES as u64 + u64::from(header.stored_bytes))
    }

    /// Copies facts but for those about names.
    fn facts(&mut self, header: &Header, offset: u64, chunk: &ChunkHeader) -> Result<(), RewriteError> {
        let (mut stored, mut payload) = (Vec::new(), Vec::new());
        let is_sound = read_chunk(self.file, offset, chunk, &mut stored, &mut payload).map_err(RewriteError::Read)?;
        let facts = is_sound.then(|| self.allowance.rows::<Fact>(&payload)).flatten();
        let Some(mut facts) = facts else { return self.chunk(offset, chunk) };
        let before = facts.len();
        facts.retain(|fact| !matches!(fact, Fact::ModuleSymbols { .. }));
        match facts.len() {
            all if all == before => self.chunk(offset, chunk),
            0 => Ok(()),
            _ => self.encoded(&chunks_of(header, |writer| writer.facts(&facts))?),
        }
    }

    /// Writes chunks that have been encoded.
    fn encoded(&mut self, chunks: &[u8]) -> Result<(), RewriteError> {
        let mut rest = chunks;
        while let Some(header) = rest.first_chunk().and_then(ChunkHeader::parse) {
            let (chunk, after) = rest.split_at(CHUNK_HEADER_BYTES + header.stored_bytes as usize);
            self.index.push((self.offset, header));
            self.write(chunk)?;
            rest = after;
        }
        Ok(())
    }

    /// Writes the index and the tail, if the capture had them.
    fn finish(mut self) -> Result<u64, RewriteError> {
        if self.is_complete {
            let index_offset = self.offset;
            let payload = index_payload(&self.index);
            let count =
                |number: usize| u32::try_from(number).map_err(|error| RewriteError::Write(io::Error::other(error)));
            let mut header = ChunkHeader {
                kind: ChunkKind::Index as u8,
                codec: Codec::Raw as u8,
                checksum: 0,
                stored_bytes: count(payload.len())?,
                payload_bytes: count(payload.len())?,
                rows: count(self.index.len())?,
                thread: 0,
                image: 0,
                first: 0,
                last: 0,
            };
            header.checksum = header.checksum_with(&payload);
            self.write(&header.to_bytes())?;
            self.write(&payload)?;
            self.write(&index_offset.to_le_bytes())?;
            self.write(&TAIL_MAGIC)?;
        }
        self.out.flush().map_err(RewriteError::Write)?;
        Ok(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::Function;
    use super::*;
    use memprof_channel::ids::FrameId;

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes to fill so much memory")]
    fn long_names_come_in_several_batches() {
        let named = |bytes: usize| FrameSymbols {
            frame: FrameId(0),
            functions: vec![Function { name: "n".repeat(bytes), file: String::new(), line: 0 }],
        };
        let lengths = |names: &[FrameSymbols]| batches(names).map(<[_]>::len).collect::<Vec<_>>();
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[named(1), named(2)]), [2]);
        assert_eq!(lengths(&[named(10 << 20), named(10 << 20), named(20 << 20), named(1)]), [1, 1, 1, 1]);
        assert_eq!(lengths(&[named(10 << 20), named(1 << 20), named(10 << 20)]), [2, 1]);
    }
}
