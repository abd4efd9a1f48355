//! Writes events of other captures into a new one, image by image.

use std::io::{self, Write};

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::facts::{Fact, Header};
use memprof_capture::file::joined_tables::{JoinedTables, Renumbering};
use memprof_capture::file::{CaptureWriter, Tables};
use memprof_channel::ids::{Address, Stamp, ThreadId};

/// The number of events in a chunk. A report holds a chunk of each process.
const CHUNK_EVENTS: usize = 1 << 14;

/// A capture of events in the making.
pub(crate) struct EventWriter<W: Write> {
    pub writer: CaptureWriter<W>,
    pub tables: JoinedTables,
    sizes: RecentSizes,
    encoder: ColumnEncoder,
    image: u32,
    /// The number that the image's next allocation has.
    next: AllocationNumber,
}

impl<W: Write> EventWriter<W> {
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        Ok(Self {
            writer: CaptureWriter::new(out, header)?,
            tables: JoinedTables::default(),
            sizes: RecentSizes::default(),
            encoder: ColumnEncoder::new(1),
            image: 0,
            next: AllocationNumber(0),
        })
    }

    /// The events that follow are of this image, from its first allocation on.
    pub fn begin_image(&mut self, image: u32) -> io::Result<()> {
        self.end_chunk()?;
        (self.image, self.encoder, self.next) = (image, ColumnEncoder::new(1), AllocationNumber(0));
        Ok(())
    }

    /// Writes an event of another capture. Its threads and sites become those of this one; its numbers are this one's
    /// already.
    pub fn push(
        &mut self,
        from: (&Tables, &mut Renumbering),
        thread: ThreadId,
        event: Timed<ResolvedEvent>,
    ) -> io::Result<()> {
        self.push_piece(from, thread, event, 0)
    }

    /// Likewise. What it maps is the rest of a mapping that began `offset` bytes before it.
    pub fn push_piece(
        &mut self,
        (from, known): (&Tables, &mut Renumbering),
        thread: ThreadId,
        Timed { stamp, event }: Timed<ResolvedEvent>,
        offset: u64,
    ) -> io::Result<()> {
        use ResolvedEvent::{Allocation, Free, Map, Resize, UnknownFree, UnseenFree};
        if let Allocation { number, .. } | Resize { number, .. } = event
            && number != self.next
        {
            // Others are in a part of the other capture that is damaged. Numbers have no gaps within a chunk.
            self.end_chunk()?;
            self.next = number;
        }
        let next = self.next;
        let Self { tables, encoder, sizes, .. } = self;
        let mut at = |site| tables.site_at_offset(from, known, site, offset);
        // What is released was allocated before, or is in a damaged part.
        let nobody = UnknownFree { address: Address(0) };
        let (before, event) = match event {
            Allocation { number, size, site } => (None, Allocation { number, size, site: at(site) }),
            Resize { old, number, size, site } if old < next => (None, Resize { old, number, size, site: at(site) }),
            Resize { number, size, site, .. } => (Some(nobody), Allocation { number, size, site: at(site) }),
            Map { address, size, site } => (None, Map { address, size, site: at(site) }),
            Free { number } | UnseenFree { number } if number >= next => (None, nobody),
            other => (None, other),
        };
        if let Allocation { number, .. } | Resize { number, .. } = event {
            self.next = AllocationNumber(number.0 + 1);
        }
        encoder.turn_to(tables.thread(from, known, thread));
        for event in before.into_iter().chain([event]) {
            encoder.push(stamp, event, sizes);
        }
        if encoder.len() >= CHUNK_EVENTS { self.end_chunk() } else { Ok(()) }
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        self.writer.rows_to_come(self.tables.tables())?;
        self.writer.events(self.image, &mut self.encoder)
    }

    /// Writes what is left of events and tables.
    pub fn end_events(&mut self) -> io::Result<()> {
        self.end_chunk()?;
        self.writer.names_and_threads(self.tables.tables())
    }
}

/// The facts about modules, and about what was not recorded, as they are in a capture made of one that has this one.
/// Nothing for the others.
pub(crate) fn kept_fact(fact: &Fact, known: &Renumbering) -> Option<Fact> {
    match fact {
        Fact::ModuleSymbols { module, source } => {
            Some(Fact::ModuleSymbols { module: known.known_module(*module)?, source: source.clone() })
        }
        Fact::HiddenAllocator { module, allocator } => {
            Some(Fact::HiddenAllocator { module: known.known_module(*module)?, allocator: *allocator })
        }
        Fact::NotRecorded(_) => Some(fact.clone()),
        _ => None,
    }
}

/// A release of a block that is not known.
pub(crate) const fn unknown_free(stamp: Stamp) -> Timed<ResolvedEvent> {
    Timed { stamp, event: ResolvedEvent::UnknownFree { address: Address(0) } }
}

/// Numbers for the allocations of an image.
#[derive(Default)]
pub(crate) struct Numbers {
    next: AllocationNumber,
}

impl Numbers {
    pub const fn take(&mut self) -> AllocationNumber {
        let number = self.next;
        self.next.0 += 1;
        number
    }
}
