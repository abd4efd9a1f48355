//! A part of a capture as a capture of its own: a range of time, some processes.
//!
//! What is live when the range begins is allocated again at that moment, by the threads and at the sites that it had.

use std::io::{self, Write};

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_capture::file::columns::EventBatch;
use memprof_capture::file::facts::{ClockPoint, Fact, Header, RssSample, Summary};
use memprof_capture::file::joined_tables::Renumbering;
use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::{CaptureReader, EventChunk, Tables};
use memprof_channel::ids::{SiteId, Stamp, ThreadId};
use rustc_hash::FxHashMap;

use crate::aggregated_capture::facts_with_losses;
use crate::event_writer::{EventWriter, Numbers, kept_fact, unknown_free};
use crate::events_needed::EventsNeeded;
use crate::mappings::{MappedPiece, Mappings};
use crate::processes::{Process, Processes};
use crate::slots::SlotId;
use crate::time_bins::BinMark;
use crate::time_range::TimeRange;

/// What to keep.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The range of time. Both ends belong to it.
    pub range: TimeRange,
    /// Its beginning on both clocks, and in nanoseconds since 1970.
    pub begin: (ClockPoint, u64),
    /// Its end on both clocks, where the capture goes on after it.
    pub end: Option<ClockPoint>,
}

/// Writes what some of a capture's processes did in a range of time. Returns the number of bytes.
///
/// # Errors
/// See [`RewriteError`]. An aggregated capture has no events to choose from.
pub fn trim(
    reader: &mut CaptureReader,
    processes: &Processes,
    cut: &Cut,
    out: impl Write,
) -> Result<u64, RewriteError> {
    if reader.aggregate().is_some() {
        return Err(RewriteError::Read(EventsNeeded::OneByOne.into()));
    }
    let kept = KeptImages::of(processes, cut.range);
    let header = header(reader, processes, cut);
    let mut writer = EventWriter::new(out, &header).map_err(RewriteError::Write)?;
    writer.writer.facts(&kept.facts(reader, cut.range)).map_err(RewriteError::Write)?;
    let mut known = Renumbering::default();
    // The reader's tables stay as they are while it reads events; it cannot promise that.
    let tables = reader.tables().clone();
    for &image in &kept.images {
        let mut course = ImageCut::new(header.page_size, cut.range, &tables, &mut known);
        writer.begin_image(image).map_err(RewriteError::Write)?;
        let chunks: Vec<EventChunk> =
            reader.event_chunks().iter().filter(|chunk| chunk.image == image).copied().collect();
        let mut batch = EventBatch::default();
        for chunk in &chunks {
            reader.read_events(chunk, &mut batch).map_err(RewriteError::Read)?;
            course.take(&batch, &mut writer).map_err(RewriteError::Write)?;
            if course.is_through {
                break;
            }
        }
        course.begin(&mut writer).map_err(RewriteError::Write)?;
    }
    let starts_with_it = processes.started().is_some();
    finish(reader, writer, &kept, starts_with_it, cut, &known).map_err(RewriteError::Write)
}

/// What comes after the events.
fn finish<W: Write>(
    reader: &CaptureReader,
    mut writer: EventWriter<W>,
    kept: &KeptImages,
    starts_with_it: bool,
    cut: &Cut,
    known: &Renumbering,
) -> io::Result<u64> {
    writer.end_events()?;
    let mut file = writer.writer;
    let facts = facts_with_losses(reader);
    let late: Vec<Fact> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::NativeStacks { .. } | Fact::Lost { .. } => Some(fact.clone()),
            _ => kept_fact(fact, known),
        })
        .collect();
    if !late.is_empty() {
        file.facts(&late)?;
    }
    let within = |samples: &[RssSample]| -> Vec<RssSample> {
        let is_within = |sample: &&RssSample| (cut.range.from..=cut.range.to).contains(&sample.at.stamp);
        samples.iter().filter(is_within).copied().collect()
    };
    if starts_with_it {
        file.rss(0, &within(reader.rss()))?;
    }
    for (&image, samples) in reader.children_rss().iter().filter(|(image, _)| kept.images.contains(image)) {
        file.rss(image, &within(samples))?;
    }
    let is_whole = cut.end.is_none() && cut.range.from <= reader.header().start.stamp && starts_with_it;
    let (_, bytes) = match reader.summary() {
        Some(summary) => file.finish(&Summary {
            end: cut.end.unwrap_or(summary.end),
            // The kernel's count is that of the whole run, and of the process that was started.
            peak_rss_bytes: if is_whole { summary.peak_rss_bytes } else { 0 },
            ..summary.clone()
        })?,
        None => file.finish_without_end()?,
    };
    Ok(bytes)
}

fn header(reader: &CaptureReader, processes: &Processes, cut: &Cut) -> Header {
    let (start, start_unix_ns) = cut.begin;
    let header = Header { start, start_unix_ns, ..reader.header().clone() };
    match (processes.started(), processes.list().first()) {
        (None, Some(Process { pid, command_line, .. })) => {
            Header { pid: *pid, command_line: command_line.clone(), ..header }
        }
        _ => header,
    }
}

/// The images that have a part in the range.
struct KeptImages {
    images: Vec<u32>,
}

impl KeptImages {
    fn of(processes: &Processes, range: TimeRange) -> Self {
        let mut images = Vec::new();
        for process in processes.list() {
            for (index, image) in process.images.iter().enumerate() {
                let next = process.images.get(index + 1).map(|next| next.start);
                let end = next.or(process.ended).unwrap_or(Stamp(u64::MAX));
                if image.start <= range.to && end >= range.from {
                    images.push(image.number);
                }
            }
        }
        images.sort_unstable();
        Self { images }
    }

    /// What is known about them. Images that began before the range begin with it.
    fn facts(&self, reader: &CaptureReader, range: TimeRange) -> Vec<Fact> {
        let keeps = |image: &u32| self.images.binary_search(image).is_ok();
        let fact = |fact: &Fact| match fact {
            Fact::Image { image, stamp, pid } => {
                let (image, pid) = (*image, *pid);
                keeps(&image).then_some(Fact::Image { image, stamp: (*stamp).max(range.from), pid })
            }
            Fact::Process { image, .. } => keeps(image).then(|| fact.clone()),
            Fact::ProcessEnded { image, at } => (keeps(image) && *at <= range.to).then(|| fact.clone()),
            Fact::Python { .. } => Some(fact.clone()),
            _ => None,
        };
        reader.facts().iter().filter_map(fact).collect()
    }
}

/// A block or a mapping that is live.
#[derive(Clone, Copy)]
struct Live {
    thread: ThreadId,
    site: SiteId,
    size: u64,
    /// In the new capture.
    number: AllocationNumber,
}

/// The events of an image on their way into the new capture.
struct ImageCut<'a> {
    range: TimeRange,
    tables: &'a Tables,
    known: &'a mut Renumbering,
    has_begun: bool,
    is_through: bool,
    /// By the numbers of the old capture.
    blocks: FxHashMap<AllocationNumber, Live>,
    mappings: Mappings,
    /// Whose each mapping is, by its slot; and the other way round.
    mapped: Vec<(ThreadId, SiteId)>,
    slots: FxHashMap<(ThreadId, SiteId), SlotId>,
    numbers: Numbers,
}

impl<'a> ImageCut<'a> {
    fn new(page_size: u32, range: TimeRange, tables: &'a Tables, known: &'a mut Renumbering) -> Self {
        Self {
            range,
            tables,
            known,
            has_begun: false,
            is_through: false,
            blocks: FxHashMap::default(),
            mappings: Mappings::new(page_size),
            mapped: Vec::new(),
            slots: FxHashMap::default(),
            numbers: Numbers::default(),
        }
    }

    fn take<W: Write>(&mut self, batch: &EventBatch, writer: &mut EventWriter<W>) -> io::Result<()> {
        let mut events = batch.events.iter();
        for turn in &batch.turns {
            for timed in events.by_ref().take(turn.events as usize) {
                if timed.stamp > self.range.to {
                    self.is_through = true;
                    return Ok(());
                }
                if timed.stamp >= self.range.from {
                    self.begin(writer)?;
                }
                if self.has_begun {
                    self.pass(turn.thread, *timed, writer)?;
                } else {
                    self.note(turn.thread, timed.event);
                }
            }
        }
        Ok(())
    }

    /// An event before the range.
    fn note(&mut self, thread: ThreadId, event: ResolvedEvent) {
        let live = |site, size| Live { thread, site, size, number: AllocationNumber(0) };
        match event {
            ResolvedEvent::Allocation { number, size, site } => {
                self.blocks.insert(number, live(site, size));
            }
            ResolvedEvent::Free { number } | ResolvedEvent::UnseenFree { number } => {
                self.blocks.remove(&number);
            }
            ResolvedEvent::Resize { old, number, size, site } => {
                self.blocks.remove(&old);
                self.blocks.insert(number, live(site, size));
            }
            ResolvedEvent::Map { address, size, site } => {
                self.mappings.unmap(address, size.max(1), |_| {});
                let next = SlotId(self.mapped.len() as u32);
                let slot = *self.slots.entry((thread, site)).or_insert(next);
                if slot == next {
                    self.mapped.push((thread, site));
                }
                self.mappings.map(address, size, slot, BinMark::default(), None);
            }
            ResolvedEvent::Unmap { address, size } => {
                self.mappings.unmap(address, size, |_| {});
            }
            ResolvedEvent::UnknownFree { .. } => {}
        }
    }

    /// The range begins: what is live is allocated. Once.
    fn begin<W: Write>(&mut self, writer: &mut EventWriter<W>) -> io::Result<()> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        // Before anything that happens at that moment, also in other processes.
        let stamp = Stamp(self.range.from.0.saturating_sub(1));
        let pieces: Vec<MappedPiece> = self.mappings.pieces().collect();
        for MappedPiece { address, size, slot, offset } in pieces {
            let (thread, site) = self.mapped[slot.0 as usize];
            let event = ResolvedEvent::Map { address, size, site };
            writer.push_piece((self.tables, self.known), thread, Timed { stamp, event }, offset)?;
        }
        // The oldest first, as they were allocated.
        let mut blocks: Vec<(AllocationNumber, Live)> = self.blocks.drain().collect();
        blocks.sort_unstable_by_key(|block| block.0);
        for (old, live) in blocks {
            let number = self.numbers.take();
            self.blocks.insert(old, Live { number, ..live });
            let event = ResolvedEvent::Allocation { number, size: live.size, site: live.site };
            writer.push((self.tables, self.known), live.thread, Timed { stamp, event })?;
        }
        Ok(())
    }

    /// An event in the range, with the numbers that blocks have in the new capture.
    fn pass<W: Write>(
        &mut self,
        thread: ThreadId,
        Timed { stamp, event }: Timed<ResolvedEvent>,
        writer: &mut EventWriter<W>,
    ) -> io::Result<()> {
        let event = match event {
            ResolvedEvent::Allocation { number, size, site } => {
                let new = self.numbers.take();
                self.blocks.insert(number, Live { thread, site, size, number: new });
                ResolvedEvent::Allocation { number: new, size, site }
            }
            ResolvedEvent::Free { number } => match self.blocks.remove(&number) {
                Some(live) => ResolvedEvent::Free { number: live.number },
                None => unknown_free(stamp).event,
            },
            ResolvedEvent::UnseenFree { number } => match self.blocks.remove(&number) {
                Some(live) => ResolvedEvent::UnseenFree { number: live.number },
                None => unknown_free(stamp).event,
            },
            ResolvedEvent::Resize { old, number, size, site } => {
                let before = self.blocks.remove(&old);
                let new = self.numbers.take();
                self.blocks.insert(number, Live { thread, site, size, number: new });
                match before {
                    Some(live) => ResolvedEvent::Resize { old: live.number, number: new, size, site },
                    None => {
                        writer.push((self.tables, self.known), thread, unknown_free(stamp))?;
                        ResolvedEvent::Allocation { number: new, size, site }
                    }
                }
            }
            other => other,
        };
        writer.push((self.tables, self.known), thread, Timed { stamp, event })
    }
}
