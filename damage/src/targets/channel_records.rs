//! The channel's consumer: words and descriptors of chunks, as the recorder takes them, until the capture is written.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_recorder::given_channel::{GivenChunk, Taken, record};

use crate::memory_file::MemoryFile;

/// A chunk as it is stored in an input: its descriptor, then a `u16` number of words, and the words.
#[derive(Clone, Debug, Default)]
pub struct ChunkLine {
    /// See [`GivenChunk::thread`].
    pub thread: u32,
    /// See [`GivenChunk::tid`].
    pub tid: u32,
    /// See [`GivenChunk::sequence`].
    pub sequence: u32,
    /// See [`GivenChunk::image`].
    pub image: u32,
    /// See [`GivenChunk::state`].
    pub state: u8,
    /// See [`GivenChunk::words`].
    pub words: Vec<u64>,
}

impl ChunkLine {
    /// Appends the chunk to an input.
    pub fn push_to(&self, bytes: &mut Vec<u8>) {
        for number in [self.thread, self.tid, self.sequence, self.image] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(self.state);
        bytes.extend((self.words.len() as u16).to_le_bytes());
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || {
            let (number, rest) = bytes.split_first_chunk::<4>()?;
            *bytes = rest;
            Some(u32::from_le_bytes(*number))
        };
        let (thread, tid, sequence, image) = (number()?, number()?, number()?, number()?);
        let (&[state, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let (all, _) = rest.as_chunks::<8>();
        let count = usize::from(u16::from_le_bytes([low, high])).min(all.len());
        *bytes = &rest[count * 8..];
        let words = all[..count].iter().map(|word| u64::from_le_bytes(*word)).collect();
        Some(Self { thread, tid, sequence, image, state, words })
    }
}

/// Records the chunks and reads the capture back, which must be sound whatever was in the channel. The first five bytes
/// are the number of threads that the pool claims to have, and how many native frames are kept.
///
/// # Panics
/// When the recorder is at fault, or the system gives no memory.
pub fn run(bytes: &[u8]) {
    let _ = recorded(bytes);
}

/// The same, with what the recorder says; nothing where the input is too short.
///
/// # Panics
/// See [`run`].
#[must_use]
pub fn recorded(bytes: &[u8]) -> Option<Taken> {
    let (head, mut rest) = bytes.split_first_chunk::<5>()?;
    let threads_started = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let mut chunks = Vec::new();
    while let Some(line) = ChunkLine::take(&mut rest) {
        let ChunkLine { thread, tid, sequence, image, state, words } = line;
        // More than there are is as absurd as a number gets here.
        let published = if state & 0x80 == 0 { words.len() as u32 } else { u32::MAX };
        chunks.push(GivenChunk { state: u32::from(state & 3), published, thread, tid, sequence, image, words });
    }
    let file = MemoryFile::of(&[]).expect("a file in memory can be made");
    let output = file.handle().expect("there are descriptors");
    let taken = record(&chunks, threads_started, head[4].into(), output).expect("memory can be written");
    let mut reader = CaptureReader::open(&file.path()).expect("what is recorded can be opened");
    let allocates = |event: &&Timed<ResolvedEvent>| {
        use ResolvedEvent::{Allocation, Map, Resize};
        matches!(event.event, Allocation { .. } | Resize { .. } | Map { .. })
    };
    let (mut allocations, mut batch) = (0, EventBatch::default());
    for chunk in reader.event_chunks().to_vec() {
        reader.read_events(&chunk, &mut batch).expect("memory can be read");
        allocations += batch.events.iter().filter(allocates).count() as u64;
    }
    assert!(reader.damage().is_none(), "{:?}", reader.damage());
    assert_eq!(allocations, taken.allocations);
    Some(taken)
}
