//! Brings the events of all threads of all processes into one order, a run of one thread at a time.
//!
//! A thread's chunk is read when its first event is due and dropped after its last one: what is in memory is one chunk
//! for each thread that is active at the moment. The images of a process follow each other: the events of one are due
//! only when those of the one before it are through.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;

use memprof_capture::event::{Event, TimedEvent};
use memprof_capture::file::{CaptureReader, EventChunk};
use memprof_capture::ids::{Stamp, ThreadId};

use crate::processes::{Image, Process, ProcessId, Processes};

/// A thread of a process, within one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strand {
    /// The process.
    pub process: ProcessId,
    /// The thread.
    pub thread: ThreadId,
    /// Counts the threads of the process, over all its images.
    pub number: u32,
    /// Whether the process began this image as a copy of its parent, with memory that is the parent's.
    pub inherits: bool,
}

/// Where merged events go.
pub trait EventSink {
    /// Takes the next events, all of them by one thread.
    fn events(&mut self, strand: &Strand, events: &[TimedEvent]);

    /// A process became another program: all its memory is gone at once.
    fn start_image(&mut self, process: ProcessId, stamp: Stamp);

    /// A process ended: what was live is leaked, and gone.
    fn end_process(&mut self, process: ProcessId, stamp: Stamp);
}

/// The place of an event in the order of all events: by stamp; on a tie what gives memory back comes before what hands
/// it out, for a block is given back before it is handed out again; then by process and thread.
///
/// A thread's own events stay in their order whatever their stamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    stamp: Stamp,
    hands_out: bool,
    /// Whose turn it is. The first numbers are the processes', to become another program or to end; then come the
    /// cursors'.
    turn: u32,
}

/// One thread's chunks within one image, and how far they have been merged.
struct Cursor {
    strand: Strand,
    /// Indices into the reader's chunks, the next one last.
    chunks: Vec<u32>,
    /// The chunk being merged; empty before it is read.
    events: Vec<TimedEvent>,
    position: usize,
}

const fn hands_out(event: &Event) -> bool {
    !matches!(event, Event::Free { .. } | Event::Unmap { .. })
}

#[inline]
const fn due(turn: u32, event: &TimedEvent) -> Due {
    Due { stamp: event.stamp, hands_out: hands_out(&event.event), turn }
}

/// The images of a process that are still to be merged.
struct Course {
    /// When each image began, and its cursors; the present one last.
    images: Vec<(Stamp, Range<u32>)>,
    ended: Option<Stamp>,
    /// Cursors of the present image that have events left.
    open: usize,
    /// The last event of a thread that has none left.
    latest: Stamp,
}

/// Feeds the events of `processes` to `sink` in order.
///
/// # Errors
/// When the file cannot be read any more. Damaged chunks are left out and counted by the reader.
pub fn merge(
    reader: &mut CaptureReader,
    processes: &Processes,
    end: Stamp,
    sink: &mut impl EventSink,
) -> io::Result<()> {
    let mut merge = Merge::new(reader, processes, end);
    while merge.step(reader, sink)? {}
    Ok(())
}

struct Merge {
    /// By process, image and thread.
    cursors: Vec<Cursor>,
    courses: Vec<Course>,
    order: BinaryHeap<Reverse<Due>>,
    /// A buffer that a finished chunk left behind.
    spare: Vec<TimedEvent>,
    /// No boundary is later: a damaged capture may say anything.
    end: Stamp,
}

/// A chunk to be merged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    process: ProcessId,
    image: u32,
    thread: ThreadId,
    /// Its index among the reader's: those of one thread stay in order.
    chunk: u32,
}

/// The cursors by process, image and thread, and for each process the ranges of its images.
fn cursors(reader: &CaptureReader, processes: &Processes) -> (Vec<Cursor>, Vec<Vec<Range<u32>>>) {
    let want = |(chunk, of): (u32, &EventChunk)| {
        Some(Wanted { process: processes.of_image(of.image)?, image: of.image, thread: of.thread, chunk })
    };
    let mut wanted: Vec<Wanted> = (0..).zip(reader.event_chunks()).filter_map(want).collect();
    wanted.sort_unstable();
    let mut rest = wanted.as_slice();
    let mut cursors = Vec::new();
    let mut ranges = Vec::new();
    for (process, known) in (0..).map(ProcessId).zip(processes.list()) {
        let of_process = take_while(&mut rest, |wanted| wanted.process == process);
        let mut threads: Vec<ThreadId> = of_process.iter().map(|wanted| wanted.thread).collect();
        threads.sort_unstable();
        threads.dedup();
        let mut of_images = of_process;
        let mut range_of = |image: &Image| {
            let first = cursors.len() as u32;
            let of_image = take_while(&mut of_images, |wanted| wanted.image == image.number);
            for run in of_image.chunk_by(|a, b| a.thread == b.thread) {
                let thread = run[0].thread;
                let number = threads.partition_point(|&before| before < thread) as u32;
                cursors.push(Cursor {
                    strand: Strand { process, thread, number, inherits: image.inherits },
                    chunks: run.iter().rev().map(|wanted| wanted.chunk).collect(),
                    events: Vec::new(),
                    position: 0,
                });
            }
            first..cursors.len() as u32
        };
        ranges.push(known.images.iter().map(&mut range_of).collect());
    }
    (cursors, ranges)
}

/// Splits off the first elements of `rest`, as long as they belong.
fn take_while<'a, T>(rest: &mut &'a [T], belongs: impl Fn(&T) -> bool) -> &'a [T] {
    let (taken, left) = rest.split_at(rest.partition_point(belongs));
    *rest = left;
    taken
}

impl Merge {
    fn new(reader: &CaptureReader, processes: &Processes, end: Stamp) -> Self {
        let (cursors, ranges) = cursors(reader, processes);
        let course = |(process, ranges): (&Process, Vec<Range<u32>>)| Course {
            images: process.images.iter().map(|image| image.start).zip(ranges).rev().collect(),
            ended: process.ended,
            open: 0,
            latest: Stamp(0),
        };
        let courses = processes.list().iter().zip(ranges).map(course).collect();
        let mut merge = Self { cursors, courses, order: BinaryHeap::new(), spare: Vec::new(), end };
        for process in 0..merge.courses.len() as u32 {
            merge.begin_image(reader, process);
        }
        merge
    }

    /// Queues the threads of a process's present image.
    fn begin_image(&mut self, reader: &CaptureReader, process: u32) {
        let course = &mut self.courses[process as usize];
        let Some((_, cursors)) = course.images.last().cloned() else { return };
        course.open = cursors.len();
        for cursor in cursors.clone() {
            self.await_chunk(reader, cursor);
        }
        if cursors.is_empty() {
            self.await_boundary(process);
        }
    }

    /// Queues a cursor for the moment at which its next chunk begins; after its last one, perhaps the image's end.
    fn await_chunk(&mut self, reader: &CaptureReader, number: u32) {
        let cursor = &self.cursors[number as usize];
        if let Some(&chunk) = cursor.chunks.last() {
            let stamp = reader.event_chunks()[chunk as usize].first;
            // What the first event is will be known when it is read; until then it counts as early.
            let turn = self.courses.len() as u32 + number;
            self.order.push(Reverse(Due { stamp, hands_out: false, turn }));
            return;
        }
        let process = cursor.strand.process;
        let course = &mut self.courses[process.index()];
        course.open -= 1;
        if course.open == 0 {
            self.await_boundary(process.0);
        }
    }

    /// Queues what follows an image whose events are through: the next one, or the end of the process. In a damaged
    /// capture either may be dated before those events.
    fn await_boundary(&mut self, process: u32) {
        let course = &self.courses[process as usize];
        let next = course.images.iter().rev().nth(1).map(|(start, _)| *start).or(course.ended);
        if let Some(stamp) = next {
            let stamp = stamp.max(course.latest).min(self.end);
            self.order.push(Reverse(Due { stamp, hands_out: false, turn: process }));
        }
    }

    fn pass_boundary(&mut self, reader: &CaptureReader, process: u32, stamp: Stamp, sink: &mut impl EventSink) {
        let course = &mut self.courses[process as usize];
        course.images.pop();
        if course.images.is_empty() {
            sink.end_process(ProcessId(process), stamp);
        } else {
            sink.start_image(ProcessId(process), stamp);
            self.begin_image(reader, process);
        }
    }

    /// Merges the next run of events by one thread. False when there is none left.
    fn step(&mut self, reader: &mut CaptureReader, sink: &mut impl EventSink) -> io::Result<bool> {
        let Some(Reverse(Due { stamp, turn, .. })) = self.order.pop() else { return Ok(false) };
        let Some(number) = turn.checked_sub(self.courses.len() as u32) else {
            self.pass_boundary(reader, turn, stamp, sink);
            return Ok(true);
        };
        let cursor = &mut self.cursors[number as usize];
        if cursor.events.is_empty() {
            let Some(index) = cursor.chunks.pop() else { return Ok(true) };
            let chunk = reader.event_chunks()[index as usize];
            cursor.events = std::mem::take(&mut self.spare);
            cursor.position = 0;
            reader.read_events(&chunk, &mut cursor.events)?;
            match cursor.events.first() {
                Some(first) => self.order.push(Reverse(due(turn, first))),
                None => self.await_chunk(reader, number),
            }
            return Ok(true);
        }
        let rest = &cursor.events[cursor.position..];
        let last = rest[rest.len() - 1].stamp;
        let run = match self.order.peek() {
            Some(&Reverse(bound)) if last >= bound.stamp => {
                // The first event is due, whatever its own thread's order makes of ties.
                let later = rest[1..].iter().position(|event| due(turn, event) > bound);
                later.map_or(rest.len(), |later| later + 1)
            }
            _ => rest.len(),
        };
        sink.events(&cursor.strand, &rest[..run]);
        cursor.position += run;
        match cursor.events.get(cursor.position) {
            Some(next) => self.order.push(Reverse(due(turn, next))),
            None => {
                let latest = &mut self.courses[cursor.strand.process.index()].latest;
                *latest = last.max(*latest);
                self.spare = std::mem::take(&mut cursor.events);
                self.spare.clear();
                self.await_chunk(reader, number);
            }
        }
        Ok(true)
    }
}
