//! The events of one process image on their way into the file: from those of each thread, at addresses, to one order in
//! which blocks have numbers.
//!
//! **When the order is settled.** Threads publish their events a moment after they have stamped them, and the recorder
//! polls one thread after the other, so that it cannot know what is still to come. It need not, if it takes only what
//! was stamped before the moment at which the poll began. For if two events concern the same memory, the first had been
//! published when the second was stamped: an allocation is published before the program gets the block, a release
//! before the memory is really released. So if the recorder did not see the first, the second was stamped after that;
//! and since the recorder's poll ends all turns (`channel::turns`), with a stamp from after it. Where a release can be
//! published only afterwards, the thread says so beforehand (`ChunkWriter::hold`), and nothing from then on is settled.
//! Other events may come too late for their stamps, when their thread was interrupted in between; they come as soon as
//! they are seen, before which the program could not go on.

use memprof_channel::ids::{Stamp, ThreadId};

use super::columns::{ColumnEncoder, EventBatch, RecentSizes, Turn};
use super::format::MAX_CHUNK_EVENTS;
use super::site_numbers::SiteNumbers;
use crate::event::{ResolvedEvent, Timed, TimedEvent};
use crate::resolution::{MappedSites, Resolver};
use crate::thread_merge::ThreadMerge;

/// How the events of a recording are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// The least time between two stamps that differ, in stamp units.
    precision: u64,
    /// How many events make a chunk.
    chunk_events: usize,
}

impl Keeping {
    /// Of one process the order of events is all that counts, and stamps some 0.8 ms apart say when.
    pub const ALONE: Self = Self { precision: 1 << 16, chunk_events: MAX_CHUNK_EVENTS as usize };
    /// The events of several processes are merged by their stamps, and a report holds a chunk of each.
    pub const FAMILY: Self = Self { precision: 1, chunk_events: 1 << 14 };
    /// The stamps of an old capture's events may be exact, and are to stay so.
    pub(super) const REWRITTEN: Self = Self { precision: 1, chunk_events: MAX_CHUNK_EVENTS as usize };
}

/// Where events wait, and where they gather in their final order.
pub struct ImageEvents {
    chunk_events: usize,
    merge: ThreadMerge,
    resolver: Resolver,
    encoder: ColumnEncoder,
}

impl ImageEvents {
    /// Of an image that has made none yet.
    #[must_use]
    pub fn new(keeping: Keeping) -> Self {
        let Keeping { precision, chunk_events } = keeping;
        let encoder = ColumnEncoder::new(precision);
        Self { chunk_events, merge: ThreadMerge::default(), resolver: Resolver::default(), encoder }
    }

    /// Where the next events of a thread are to be added.
    pub fn queue(&mut self, thread: ThreadId) -> &mut Vec<TimedEvent> {
        self.merge.queue(thread)
    }

    /// Takes the events for settled that are older than `bound`. `write` is called with whole chunks, and with `sites`.
    pub fn settle<S: MappedSites>(
        &mut self,
        bound: Stamp,
        sites: &mut S,
        sizes: &mut RecentSizes,
        mut write: impl FnMut(&mut ColumnEncoder, &mut S),
    ) {
        let Self { chunk_events, merge, resolver, encoder } = self;
        merge.drain(bound, |thread, run| {
            encoder.turn_to(thread);
            resolver.turn_to(thread);
            for timed in run {
                resolver.resolve(timed.event, sites, |event| encoder.push(timed.stamp, event, sizes));
                // One event may have become two.
                if encoder.len() >= *chunk_events - 1 {
                    write(encoder, sites);
                }
            }
        });
    }

    /// Takes the events for settled that are older than `bound`, and adds them to `out` instead of gathering them in
    /// columns. Stamps do not go back; one that does is taken for `last`, or the one before. Returns how many
    /// allocations they are.
    pub fn settle_into(
        &mut self,
        bound: Stamp,
        last: Stamp,
        sites: &mut impl MappedSites,
        out: &mut EventBatch,
    ) -> u64 {
        let Self { merge, resolver, .. } = self;
        let (mut stamp, mut allocations) = (last, 0);
        merge.drain(bound, |thread, run| {
            let before = out.events.len();
            resolver.turn_to(thread);
            for timed in run {
                stamp = stamp.max(timed.stamp);
                resolver.resolve(timed.event, sites, |event| {
                    use ResolvedEvent::{Allocation, Map, Resize};
                    allocations += u64::from(matches!(event, Allocation { .. } | Resize { .. } | Map { .. }));
                    out.events.push(Timed { stamp, event });
                });
            }
            // So few events wait in a `ThreadMerge` that their number fits.
            let events = (out.events.len() - before) as u32;
            match out.turns.last_mut().filter(|turn| turn.thread == thread) {
                Some(turn) => turn.events += events,
                None => out.turns.push(Turn { thread, events }),
            }
        });
        allocations
    }

    /// Sites have got other numbers, before any events have gathered in columns.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        let Self { merge, resolver, encoder, .. } = self;
        debug_assert!(encoder.is_empty(), "what is in columns keeps its numbers");
        merge.renumber_sites(numbers);
        resolver.renumber_sites(numbers);
    }

    /// The events that have gathered in order.
    pub const fn gathered(&mut self) -> &mut ColumnEncoder {
        &mut self.encoder
    }
}
