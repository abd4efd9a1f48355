//! Allocations from their beginning to their end: what the formats are made from that have more than sums.

use std::io;

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_replay::event_sink::{EventSink, Strand};
use memprof_replay::live_blocks::{Block, LiveBlocks};
use memprof_replay::mappings::{Mappings, Released};
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::SlotId;
use memprof_replay::time_bins::BinMark;

use super::event_places::EventPlaces;
use crate::reading::report::Report;
use crate::sums::node::NodeId;

/// An allocation while it is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// Counts the allocations of the process, from 0.
    pub number: u64,
    /// What is left of it, in bytes: mappings may lose parts.
    pub size: u64,
    /// When it was made.
    pub began: Stamp,
    /// Where.
    pub node: NodeId,
}

/// Where lifetimes go.
pub(super) trait LifetimeSink {
    /// An allocation is made.
    fn begin(&mut self, at: Stamp, live: &Live) -> io::Result<()>;

    /// A mapping loses a part, and stays. It is passed as it was before.
    fn shrink(&mut self, at: Stamp, live: &Live, bytes: u64) -> io::Result<()>;

    /// An allocation is freed, or dropped by an `exec`.
    fn end(&mut self, at: Stamp, live: &Live) -> io::Result<()>;

    /// An allocation is still live at the end of the recording.
    fn survive(&mut self, _at: Stamp, _live: &Live) -> io::Result<()> {
        Ok(())
    }
}

/// How often an allocation begins or ends, but for mappings that lose a part.
pub(super) fn beginnings_and_ends(report: &Report) -> u64 {
    let (total, leaked) = (report.total(Metric::Total), report.total(Metric::Leaks));
    total.allocations.saturating_add(total.allocations.saturating_sub(leaked.allocations))
}

/// Replays the only process of a report.
///
/// # Errors
/// What the sink or the capture answers.
pub(super) fn replay_lifetimes<S: LifetimeSink>(report: &mut Report, places: &EventPlaces, sink: S) -> io::Result<S> {
    let end = report.end();
    let page_size = report.page_size();
    let lifetimes = Lifetimes {
        sink,
        places,
        page_size,
        blocks: LiveBlocks::default(),
        mappings: Mappings::new(page_size),
        live: Vec::new(),
        vacant: Vec::new(),
        made: 0,
        failure: None,
    };
    let mut lifetimes = report.read_events(|_| lifetimes)?;
    lifetimes.unless_failed(|all| all.finish(end));
    match lifetimes.failure {
        Some(failure) => Err(failure),
        None => Ok(lifetimes.sink),
    }
}

struct Lifetimes<'a, S> {
    sink: S,
    places: &'a EventPlaces,
    page_size: u32,
    /// With numbers of entries of `live` in the slots, as in `mappings`.
    blocks: LiveBlocks,
    mappings: Mappings,
    live: Vec<Live>,
    /// Entries of `live` that are not in use.
    vacant: Vec<u32>,
    made: u64,
    failure: Option<io::Error>,
}

impl<S: LifetimeSink> Lifetimes<'_, S> {
    fn event(&mut self, thread: ThreadId, timed: &Timed<ResolvedEvent>) -> io::Result<()> {
        let at = timed.stamp;
        match timed.event {
            ResolvedEvent::Allocation { number, size, site } => self.allocate(at, thread, number, size, site),
            ResolvedEvent::Free { number } | ResolvedEvent::UnseenFree { number } => self.free(at, number),
            ResolvedEvent::Resize { old, number, size, site } => {
                self.free(at, old)?;
                self.allocate(at, thread, number, size, site)
            }
            ResolvedEvent::Map { address, size, site } => self.map(at, thread, address, size, site),
            ResolvedEvent::Unmap { address, size } => self.unmap(at, address, size),
            ResolvedEvent::UnknownFree { .. } => Ok(()),
        }
    }

    fn allocate(
        &mut self,
        at: Stamp,
        thread: ThreadId,
        number: AllocationNumber,
        size: u64,
        site: SiteId,
    ) -> io::Result<()> {
        let Some(slot) = self.begin(at, thread, size, site)? else { return Ok(()) };
        // Only damaged captures use a number twice.
        match self.blocks.insert(number, Block { size, slot }) {
            Some(old) => self.end(at, old.slot),
            None => Ok(()),
        }
    }

    fn free(&mut self, at: Stamp, number: AllocationNumber) -> io::Result<()> {
        self.blocks.remove(number).map_or(Ok(()), |block| self.end(at, block.slot))
    }

    fn map(&mut self, at: Stamp, thread: ThreadId, address: Address, size: u64, site: SiteId) -> io::Result<()> {
        // What was there is replaced.
        self.unmap(at, address, size.max(1))?;
        if let Some(slot) = self.begin(at, thread, size, site)? {
            self.mappings.map(address, size, slot, BinMark::default(), None);
        }
        Ok(())
    }

    fn unmap(&mut self, at: Stamp, address: Address, size: u64) -> io::Result<()> {
        let mut released = Vec::new();
        self.mappings.unmap(address, size, |part| released.push(part));
        released.into_iter().try_for_each(|part| self.release(at, part))
    }

    fn release(&mut self, at: Stamp, Released { slot, bytes, ended, .. }: Released) -> io::Result<()> {
        if ended {
            return self.end(at, slot);
        }
        let live = &mut self.live[slot.0 as usize];
        let before = *live;
        live.size = live.size.saturating_sub(bytes);
        if bytes > 0 { self.sink.shrink(at, &before, bytes) } else { Ok(()) }
    }

    /// Enters an allocation, if the report is on it.
    fn begin(&mut self, at: Stamp, thread: ThreadId, size: u64, site: SiteId) -> io::Result<Option<SlotId>> {
        let Some(place) = self.places.get(thread, site) else { return Ok(None) };
        let live = Live { number: self.made, size, began: at, node: place.node };
        self.made += 1;
        self.sink.begin(at, &live)?;
        let index = match self.vacant.pop() {
            Some(index) => {
                self.live[index as usize] = live;
                index
            }
            None => {
                self.live.push(live);
                self.live.len() as u32 - 1
            }
        };
        Ok(Some(SlotId(index)))
    }

    fn end(&mut self, at: Stamp, slot: SlotId) -> io::Result<()> {
        self.vacant.push(slot.0);
        self.sink.end(at, &self.live[slot.0 as usize])
    }

    /// The process becomes another program: all its memory is gone.
    fn drop_all(&mut self, at: Stamp) -> io::Result<()> {
        let mut slots: Vec<SlotId> = self.blocks.iter().map(|(_, block)| block.slot).collect();
        self.mappings.unmap_all(|part| slots.extend(part.ended.then_some(part.slot)));
        self.blocks.clear();
        self.mappings = Mappings::new(self.page_size);
        slots.sort_unstable_by_key(|slot| self.live[slot.0 as usize].number);
        slots.into_iter().try_for_each(|slot| self.end(at, slot))
    }

    fn finish(&mut self, at: Stamp) -> io::Result<()> {
        self.vacant.sort_unstable();
        let Self { sink, live, vacant, .. } = self;
        let is_live = |index: u32| vacant.binary_search(&index).is_err();
        (0..).zip(live).filter(|&(index, _)| is_live(index)).try_for_each(|(_, live)| sink.survive(at, live))
    }

    fn unless_failed(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = act(self).err();
        }
    }
}

impl<S: LifetimeSink> EventSink for Lifetimes<'_, S> {
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]) {
        self.unless_failed(|all| events.iter().try_for_each(|event| all.event(strand.thread, event)));
    }

    fn start_image(&mut self, _: ProcessId, stamp: Stamp) {
        self.unless_failed(|all| all.drop_all(stamp));
    }

    /// What it had is leaked: it has no end.
    fn end_process(&mut self, _: ProcessId, _: Stamp) {}
}
