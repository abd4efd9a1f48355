//! The events of captures up to version 3, rewritten as this version has them: all threads of an image in one order,
//! and numbers in place of the addresses of blocks. As the recorder does it today, but in memory.

use std::io;

use memprof_channel::ids::{Stamp, ThreadId};

use super::columns::RecentSizes;
use super::format::{CHUNK_HEADER_BYTES, ChunkHeader};
use super::image_events::{ImageEvents, Keeping};
use super::writer::CaptureWriter;
use crate::event::TimedEvent;

/// After this number of events the order is settled once more. That goes through all threads, of which there may be
/// many.
const WORTH_SETTLING: usize = 1 << 18;

/// Events on their way from the old form to the new one, image by image.
pub(super) struct EventRewriting {
    events: ImageEvents,
    sizes: RecentSizes,
    /// Events since the order was settled last.
    unsettled: usize,
    /// The new chunks: headers and stored payloads, and nothing else.
    chunks: CaptureWriter<Vec<u8>>,
}

impl Default for EventRewriting {
    fn default() -> Self {
        Self {
            events: ImageEvents::new(Keeping::REWRITTEN),
            sizes: RecentSizes::default(),
            unsettled: 0,
            chunks: CaptureWriter::of_chunks(Vec::new()),
        }
    }
}

impl EventRewriting {
    /// Where the next events of a thread are to be added.
    pub fn queue(&mut self, thread: ThreadId) -> &mut Vec<TimedEvent> {
        self.events.queue(thread)
    }

    /// Writes the events of an image up to a moment, if there is enough to settle after `more` more of them. After
    /// its last chunk (`until` is nothing), writes what is left of it.
    pub fn settle(&mut self, image: u32, until: Option<Stamp>, more: usize) -> io::Result<()> {
        self.unsettled += more;
        if until.is_some() && self.unsettled < WORTH_SETTLING {
            return Ok(());
        }
        self.unsettled = 0;
        let Self { events, sizes, chunks, .. } = self;
        let mut written = Ok(());
        events.settle(until.unwrap_or(Stamp(u64::MAX)), &mut (), sizes, |encoder, ()| {
            if written.is_ok() {
                written = chunks.events(image, encoder);
            }
        });
        written?;
        if until.is_none() {
            chunks.events(image, events.gathered())?;
            *events = ImageEvents::new(Keeping::REWRITTEN);
        }
        Ok(())
    }

    /// Where each payload starts, its header, and all payloads.
    pub fn finish(self) -> (Vec<(usize, ChunkHeader)>, Vec<u8>) {
        let (index, bytes) = self.chunks.into_chunks();
        (index.into_iter().map(|(offset, header)| (offset as usize + CHUNK_HEADER_BYTES, header)).collect(), bytes)
    }
}
