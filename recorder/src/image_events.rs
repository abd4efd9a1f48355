//! The events of one process image on their way into the file: from those of each thread, at addresses, to one order in
//! which blocks have numbers.
//!
//! **When the order is settled.** Threads publish their events a moment after they have dated them, and the recorder
//! looks at one thread after the other, so that it cannot know what is still to come. It need not, if it takes only what
//! is dated before the moment at which it began to look. For if two events concern the same memory, the first had been
//! published when the second was dated: an allocation is published before the program gets the block, a release before
//! the memory is really given back. So if the recorder did not see the first, the second was dated after that, and since
//! the recorder's look ends all turns (`channel::turns`), with a date from after it. Where a release can be published only
//! afterwards, the thread says so beforehand (`ChunkWriter::hold`), and nothing from then on is settled. Other events may
//! come too late for their dates, when their thread was interrupted in between; they come as soon as they are seen, before
//! which the program could not go on.

use memprof_capture::event::{ResolvedEvent, TimedEvent};
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes};
use memprof_capture::file::format::MAX_CHUNK_EVENTS;
use memprof_capture::ids::{Stamp, ThreadId};
use memprof_capture::resolution::Resolver;
use memprof_capture::thread_merge::ThreadMerge;

/// How the events of a recording are kept.
#[derive(Clone, Copy)]
pub struct Keeping {
    /// The least time between two dates, in stamp units.
    precision: u64,
    /// So many events make a chunk.
    chunk_events: usize,
}

impl Keeping {
    /// Of one process the order of events is all that counts, and dates some 0.8 ms apart say when.
    pub const ALONE: Self = Self { precision: 1 << 16, chunk_events: MAX_CHUNK_EVENTS as usize };
    /// The events of several processes are merged by their dates, and a report holds a chunk of each.
    pub const FAMILY: Self = Self { precision: 1, chunk_events: 1 << 14 };
}

/// Where events wait, and where they gather.
pub struct ImageEvents {
    keeping: Keeping,
    merge: ThreadMerge,
    gathered: Gathered,
}

/// Events in their final order.
struct Gathered {
    resolver: Resolver,
    encoder: ColumnEncoder,
}

impl Gathered {
    #[inline(always)]
    fn push(&mut self, timed: &TimedEvent, sizes: &mut RecentSizes) {
        let Self { resolver, encoder } = self;
        resolver.resolve(timed.event, |event: ResolvedEvent| encoder.push(timed.stamp, event, sizes));
    }
}

impl ImageEvents {
    /// Of an image that has made none yet.
    pub fn new(keeping: Keeping) -> Self {
        let gathered = Gathered { resolver: Resolver::default(), encoder: ColumnEncoder::new(keeping.precision) };
        Self { keeping, merge: ThreadMerge::default(), gathered }
    }

    /// Where the next events of a thread are to be added.
    pub fn queue(&mut self, thread: ThreadId) -> &mut Vec<TimedEvent> {
        self.merge.queue(thread)
    }

    /// Takes the events for settled that are older than `bound`. `write` is called with whole chunks.
    pub fn settle(&mut self, bound: Stamp, sizes: &mut RecentSizes, mut write: impl FnMut(&mut ColumnEncoder)) {
        let Self { keeping, merge, gathered } = self;
        merge.drain(bound, |thread, run| {
            gathered.encoder.turn_to(thread);
            for timed in run {
                gathered.push(timed, sizes);
                // One event may have become two.
                if gathered.encoder.len() >= keeping.chunk_events - 1 {
                    write(&mut gathered.encoder);
                }
            }
        });
    }

    /// The events that have gathered in order.
    pub const fn gathered(&mut self) -> &mut ColumnEncoder {
        &mut self.gathered.encoder
    }
}
