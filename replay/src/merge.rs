//! Brings the events of all processes into one order, a run of one thread at a time.
//!
//! Those of a process image are in order in the capture, whatever threads made them. The images of a process follow
//! each other: the events of one are due only when those of the one before it are through. A chunk is read when its
//! first event is due and dropped after its last one: what is in memory is one chunk for each process that is active at
//! the moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_channel::ids::Stamp;
use rustc_hash::FxHashMap;

use crate::event_sink::{Due, EventSink, due};
use crate::events_needed::EventsNeeded;
use crate::processes::{Image, Process, ProcessId, Processes};
use crate::strands::{PassingBatch, Strands};

/// A program of a process, and its events.
struct Course {
    number: u32,
    start: Stamp,
    inherits: bool,
    /// Indices into the reader's chunks, the next one last.
    chunks: Vec<u32>,
}

/// A process, and how far its events have been merged.
struct Cursor {
    /// The images that are still to be merged, the present one last.
    images: Vec<Course>,
    ended: Option<Stamp>,
    /// The chunk that is being merged; empty before it is read.
    batch: PassingBatch,
    /// The last event of the present image so far.
    latest: Stamp,
    strands: Strands,
}

impl Cursor {
    fn new(process: ProcessId, known: &Process) -> Self {
        let image = |image: &Image| Course {
            number: image.number,
            start: image.start,
            inherits: image.inherits,
            chunks: Vec::new(),
        };
        Self {
            images: known.images.iter().rev().map(image).collect(),
            ended: known.ended,
            batch: PassingBatch::default(),
            latest: Stamp(0),
            strands: Strands::new(process),
        }
    }

    /// Passes on this many events.
    #[inline]
    fn pass(&mut self, events: usize, sink: &mut impl EventSink) {
        let image = self.images.last().map_or((0, false), |image| (image.number, image.inherits));
        self.batch.pass(events, image, &mut self.strands, sink);
    }
}

/// Feeds the events of `processes` to `sink` in order.
///
/// # Errors
/// When the file cannot be read any more, or is aggregated and has no events. Damaged chunks are left out and counted
/// by the reader.
pub fn merge(
    reader: &mut CaptureReader,
    processes: &Processes,
    end: Stamp,
    sink: &mut impl EventSink,
) -> io::Result<()> {
    merge_until(reader, processes, end, Stamp(u64::MAX), sink)
}

/// The same, without chunks of events that begin after `last`. Later events may still come, out of chunks that began
/// before.
///
/// # Errors
/// See [`merge`].
pub fn merge_until(
    reader: &mut CaptureReader,
    processes: &Processes,
    end: Stamp,
    last: Stamp,
    sink: &mut impl EventSink,
) -> io::Result<()> {
    if reader.aggregate().is_some() {
        return Err(EventsNeeded::OneByOne.into());
    }
    let mut merge = Merge::new(reader, processes, end);
    while merge.order.peek().is_some_and(|due| due.0.stamp <= last) && merge.step(reader, sink)? {}
    Ok(())
}

struct Merge {
    /// By process.
    cursors: Vec<Cursor>,
    order: BinaryHeap<Reverse<Due>>,
    /// The buffer of a finished chunk.
    spare: EventBatch,
    /// No boundary is later: a damaged capture may say anything.
    end: Stamp,
}

fn cursors(reader: &CaptureReader, processes: &Processes) -> Vec<Cursor> {
    let mut cursors: Vec<Cursor> =
        (0..).map(ProcessId).zip(processes.list()).map(|(process, known)| Cursor::new(process, known)).collect();
    let mut courses: FxHashMap<u32, &mut Course> =
        cursors.iter_mut().flat_map(|cursor| &mut cursor.images).map(|course| (course.number, course)).collect();
    for (index, chunk) in reader.event_chunks().iter().enumerate().rev() {
        // Those of other processes than these are not wanted.
        if let Some(course) = courses.get_mut(&chunk.image) {
            course.chunks.push(index as u32);
        }
    }
    cursors
}

impl Merge {
    fn new(reader: &CaptureReader, processes: &Processes, end: Stamp) -> Self {
        let cursors = cursors(reader, processes);
        let mut merge = Self { cursors, order: BinaryHeap::new(), spare: EventBatch::default(), end };
        for process in 0..merge.cursors.len() as u32 {
            merge.await_chunk(reader, process);
        }
        merge
    }

    /// Queues a process for the moment at which its next chunk begins; after its last one, for what follows the image:
    /// the next one, or the end of the process. In a damaged capture either may be stamped before the last event.
    fn await_chunk(&mut self, reader: &CaptureReader, process: u32) {
        let cursor = &self.cursors[process as usize];
        let Some((present, later)) = cursor.images.split_last() else { return };
        if let Some(&chunk) = present.chunks.last() {
            let stamp = reader.event_chunks()[chunk as usize].first;
            // What the first event is will be known when it is read; until then it counts as early.
            self.order.push(Reverse(Due { stamp, allocates: false, is_event: true, process }));
        } else if let Some(stamp) = later.last().map(|next| next.start).or(cursor.ended) {
            let stamp = stamp.max(cursor.latest).min(self.end);
            self.order.push(Reverse(Due { stamp, allocates: false, is_event: false, process }));
        }
    }

    fn pass_boundary(&mut self, reader: &CaptureReader, process: u32, stamp: Stamp, sink: &mut impl EventSink) {
        let cursor = &mut self.cursors[process as usize];
        cursor.images.pop();
        if cursor.images.is_empty() {
            sink.end_process(ProcessId(process), stamp);
        } else {
            sink.start_image(ProcessId(process), stamp);
            self.await_chunk(reader, process);
        }
    }

    /// Merges the next events of one process. False when there is none left.
    fn step(&mut self, reader: &mut CaptureReader, sink: &mut impl EventSink) -> io::Result<bool> {
        let Some(Reverse(Due { stamp, is_event, process, .. })) = self.order.pop() else { return Ok(false) };
        if !is_event {
            self.pass_boundary(reader, process, stamp, sink);
            return Ok(true);
        }
        let cursor = &mut self.cursors[process as usize];
        if cursor.batch.batch.events.is_empty() {
            let Some(index) = cursor.images.last_mut().and_then(|image| image.chunks.pop()) else { return Ok(true) };
            let chunk = reader.event_chunks()[index as usize];
            cursor.batch = PassingBatch::of(std::mem::take(&mut self.spare));
            reader.read_events(&chunk, &mut cursor.batch.batch)?;
            match cursor.batch.rest().first() {
                Some(first) => self.order.push(Reverse(due(process, first))),
                None => self.await_chunk(reader, process),
            }
            return Ok(true);
        }
        let rest = cursor.batch.rest();
        let last = rest[rest.len() - 1].stamp;
        let run = match self.order.peek() {
            Some(&Reverse(bound)) if last >= bound.stamp => {
                // The first event is due, whatever the process's own order makes of ties.
                let later = rest[1..].iter().position(|event| due(process, event) > bound);
                later.map_or(rest.len(), |later| later + 1)
            }
            _ => rest.len(),
        };
        cursor.pass(run, sink);
        match cursor.batch.rest().first() {
            Some(next) => self.order.push(Reverse(due(process, next))),
            None => {
                cursor.latest = last.max(cursor.latest);
                self.spare = std::mem::take(&mut cursor.batch).batch;
                self.spare.clear();
                self.await_chunk(reader, process);
            }
        }
        Ok(true)
    }
}
