//! From the events of a replay to memray's records.

use std::io::{self, Write};
use std::iter::Peekable;
use std::vec;

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_replay::event_sink::{EventSink, Strand};
use memprof_replay::live_blocks::{Block, LiveBlocks};
use memprof_replay::mappings::Mappings;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::SlotId;
use memprof_replay::time_bins::BinMark;
use memprof_replay::timeline::TimelinePoint;

use super::records::{Function, RecordWriter};
use super::{milliseconds, thread_number};
use crate::export::event_places::EventPlaces;
use crate::naming::places::Places;
use crate::reading::run_clock::RunClock;
use crate::sums::node::NodeId;

/// Where the addresses of a program end on Linux, with pages of five levels.
const ADDRESS_SPACE: u64 = 1 << 56;
/// Heap blocks have no addresses in a capture. They get some beyond those of all mappings, in the order of their
/// numbers.
const FIRST_BLOCK: u64 = 1 << 60;
/// Between the addresses of two blocks: a unit of memray's.
const BLOCK_STEP: u64 = 8;

/// No thread has this number: they count from 1.
const NO_THREAD: u64 = 0;

/// Writes events in their order.
pub(super) struct MemrayEvents<'a, W> {
    records: RecordWriter<W>,
    places: EventPlaces,
    names: &'a Places,
    clock: RunClock,
    resident: Peekable<vec::IntoIter<TimelinePoint>>,
    page_size: u64,
    /// By thread: the call that memray has it in; nothing before its first event.
    calls: Vec<Option<NodeId>>,
    /// By place: whether memray knows it.
    described: Vec<bool>,
    /// With the code of their allocators in the slots.
    blocks: LiveBlocks,
    mappings: Mappings,
    failure: Option<io::Error>,
}

impl<'a, W: Write> MemrayEvents<'a, W> {
    /// For a process with pages of this size, and these samples of its resident set.
    pub(super) fn new(
        records: RecordWriter<W>,
        places: EventPlaces,
        names: &'a Places,
        clock: RunClock,
        resident: Vec<TimelinePoint>,
        page_size: u32,
    ) -> Self {
        Self {
            records,
            places,
            names,
            clock,
            resident: resident.into_iter().peekable(),
            page_size: page_size.max(1).into(),
            calls: Vec::new(),
            described: vec![false; names.len()],
            blocks: LiveBlocks::default(),
            mappings: Mappings::new(page_size),
            failure: None,
        }
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        for sample in self.resident.by_ref() {
            self.records.resident_set(sample.bytes, milliseconds(&self.clock, sample.at))?;
        }
        self.records.end()
    }

    fn event(&mut self, thread: ThreadId, timed: &Timed<ResolvedEvent>) -> io::Result<()> {
        while let Some(sample) = self.resident.next_if(|sample| sample.at < timed.stamp) {
            self.records.resident_set(sample.bytes, milliseconds(&self.clock, sample.at))?;
        }
        match timed.event {
            ResolvedEvent::Allocation { number, size, site } => self.allocate(thread, number, size, site),
            ResolvedEvent::Free { number } | ResolvedEvent::UnseenFree { number } => self.free(thread, number),
            ResolvedEvent::Resize { old, number, size, site } => {
                self.free(thread, old)?;
                self.allocate(thread, number, size, site)
            }
            ResolvedEvent::Map { address, size, site } => self.map(thread, address, size, site),
            ResolvedEvent::Unmap { address, size } => self.unmap(thread, address, size),
            // Of memory that it has not seen, memray would not know what to make either.
            ResolvedEvent::UnknownFree { .. } => Ok(()),
        }
    }

    fn allocate(&mut self, thread: ThreadId, number: AllocationNumber, size: u64, site: SiteId) -> io::Result<()> {
        let Some(place) = self.places.get(thread, site) else { return Ok(()) };
        let allocator = place.allocator.unwrap_or(Allocator::Malloc);
        self.enter(thread, place.node)?;
        self.blocks.insert(number, Block { size, slot: SlotId(allocator.code().into()) });
        self.records.allocation(Function::of(allocator), address_of(number), size)
    }

    fn free(&mut self, thread: ThreadId, number: AllocationNumber) -> io::Result<()> {
        let Some(block) = self.blocks.remove(number) else { return Ok(()) };
        self.turn_to(thread)?;
        self.release(number, block)
    }

    fn release(&mut self, number: AllocationNumber, block: Block) -> io::Result<()> {
        let allocator = Allocator::from_code(block.slot.0 as u8).unwrap_or(Allocator::Malloc);
        self.records.allocation(Function::release_of(allocator), address_of(number), 0)
    }

    fn map(&mut self, thread: ThreadId, address: Address, size: u64, site: SiteId) -> io::Result<()> {
        // memray would count what was mapped there twice.
        self.unmap(thread, address, size.max(1))?;
        let Some(place) = self.places.get(thread, site) else { return Ok(()) };
        self.enter(thread, place.node)?;
        self.mappings.map(address, size, SlotId(0), BinMark::default(), None);
        self.records.allocation(Function::of(place.allocator.unwrap_or(Allocator::Mmap)), address.0, size)
    }

    fn unmap(&mut self, thread: ThreadId, address: Address, size: u64) -> io::Result<()> {
        if !self.mappings.unmap(address, size, |_| {}) {
            return Ok(());
        }
        self.turn_to(thread)?;
        // memray takes sizes as they are, the kernel up to the end of the page.
        let end = address.0.saturating_add(size).div_ceil(self.page_size).saturating_mul(self.page_size);
        self.records.allocation(Function::Munmap, address.0, end - address.0)
    }

    /// Has the thread be where it made its next event.
    fn turn_to(&mut self, thread: ThreadId) -> io::Result<()> {
        self.records.switch_to(thread_number(thread))?;
        if self.calls.len() <= thread.index() {
            self.calls.resize(thread.index() + 1, None);
        }
        let call = &mut self.calls[thread.index()];
        if call.is_none() {
            *call = Some(NodeId::ROOT);
            let name = self.places.thread_name(thread);
            if !name.is_empty() {
                self.records.thread_name(name)?;
            }
        }
        Ok(())
    }

    /// Has the thread be in this call: it returns from what it is in to the last one that both have in common.
    fn enter(&mut self, thread: ThreadId, node: NodeId) -> io::Result<()> {
        self.turn_to(thread)?;
        let Some(mut from) = self.calls[thread.index()].replace(node) else { return Ok(()) };
        let (mut to, mut left, mut entered) = (node, 0, Vec::new());
        let nodes = self.places.tree.nodes();
        while from != to {
            // Callers have lower numbers than what they call.
            if from > to {
                left += 1;
                from = nodes[from.index()].parent;
            } else {
                entered.push(nodes[to.index()].place);
                to = nodes[to.index()].parent;
            }
        }
        self.records.pop(left)?;
        for &place in entered.iter().rev() {
            if !std::mem::replace(&mut self.described[place.index()], true) {
                let (function, file, line) =
                    (self.names.function(place), self.names.file(place), self.names.line(place));
                self.records.code(place.0, function, file, line)?;
            }
            self.records.push(place.0)?;
        }
        Ok(())
    }

    /// All memory is gone at once: the process runs another program. What a thread frees could be temporary; this is
    /// nobody's doing.
    fn drop_all(&mut self) -> io::Result<()> {
        self.records.switch_to(NO_THREAD)?;
        let mut blocks: Vec<(AllocationNumber, Block)> = self.blocks.iter().collect();
        blocks.sort_unstable_by_key(|&(number, _)| number);
        self.blocks.clear();
        for (number, block) in blocks {
            self.release(number, block)?;
        }
        if !self.mappings.is_empty() {
            self.mappings.clear();
            self.records.allocation(Function::Munmap, 0, ADDRESS_SPACE)?;
        }
        Ok(())
    }

    /// What is not written any more after a failure need not be made.
    fn unless_failed(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(self).err();
        }
    }
}

const fn address_of(number: AllocationNumber) -> u64 {
    FIRST_BLOCK.wrapping_add(number.0.wrapping_mul(BLOCK_STEP))
}

impl<W: Write> EventSink for MemrayEvents<'_, W> {
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]) {
        self.unless_failed(|sink| events.iter().try_for_each(|event| sink.event(strand.thread, event)));
    }

    fn start_image(&mut self, _: ProcessId, _: Stamp) {
        self.unless_failed(Self::drop_all);
    }

    /// What it had is leaked, and memray takes it for that at the end of a file.
    fn end_process(&mut self, _: ProcessId, _: Stamp) {}
}
