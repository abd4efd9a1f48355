//! Brings the events of all threads into one order, a run of one thread at a time.
//!
//! A thread's chunk is read when its first event is due and dropped after its last one: what is in memory is one chunk
//! for each thread that is active at the moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use memprof_capture::event::{Event, TimedEvent};
use memprof_capture::file::CaptureReader;
use memprof_capture::ids::{Stamp, ThreadId};

/// Where merged events go.
pub trait EventSink {
    /// Takes the next events, all of them by `thread`.
    fn events(&mut self, thread: ThreadId, events: &[TimedEvent]);
}

/// The place of an event in the order of all events: by stamp; on a tie what gives memory back comes before what hands
/// it out, for a block is given back before it is handed out again; then by thread.
///
/// A thread's own events stay in their order whatever their stamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    stamp: Stamp,
    hands_out: bool,
    cursor: u32,
}

/// One thread's chunks, and how far they have been merged.
struct Cursor {
    thread: ThreadId,
    /// Indices into the reader's chunks, the next one last.
    chunks: Vec<u32>,
    /// The chunk being merged; empty before it is read.
    events: Vec<TimedEvent>,
    position: usize,
}

const fn hands_out(event: &Event) -> bool {
    !matches!(event, Event::Free { .. } | Event::Unmap { .. })
}

impl Cursor {
    fn due(&self, cursor: u32, event: &TimedEvent) -> Due {
        Due { stamp: event.stamp, hands_out: hands_out(&event.event), cursor }
    }
}

/// Feeds the events of the process image `image` to `sink` in order.
///
/// # Errors
/// When the file cannot be read any more. Damaged chunks are left out and counted by the reader.
pub fn merge(reader: &mut CaptureReader, image: u32, sink: &mut impl EventSink) -> io::Result<()> {
    let mut merge = Merge::new(reader, image);
    while merge.step(reader, sink)? {}
    Ok(())
}

struct Merge {
    /// By ascending thread.
    cursors: Vec<Cursor>,
    order: BinaryHeap<Reverse<Due>>,
    /// A buffer that a finished chunk left behind.
    spare: Vec<TimedEvent>,
}

impl Merge {
    fn new(reader: &CaptureReader, image: u32) -> Self {
        let chunks = reader.event_chunks();
        let mut of_image: Vec<u32> =
            (0..).zip(chunks).filter(|(_, chunk)| chunk.image == image).map(|(index, _)| index).collect();
        // Stable: chunks of one thread stay in order.
        of_image.sort_by_key(|&index| chunks[index as usize].thread);
        let cursors = of_image
            .chunk_by(|&a, &b| chunks[a as usize].thread == chunks[b as usize].thread)
            .map(|run| Cursor {
                thread: chunks[run[0] as usize].thread,
                chunks: run.iter().rev().copied().collect(),
                events: Vec::new(),
                position: 0,
            })
            .collect();
        let mut merge = Self { cursors, order: BinaryHeap::new(), spare: Vec::new() };
        for cursor in 0..merge.cursors.len() as u32 {
            merge.await_chunk(reader, cursor);
        }
        merge
    }

    /// Queues a cursor for the moment at which its next chunk begins, if there is one.
    fn await_chunk(&mut self, reader: &CaptureReader, cursor: u32) {
        if let Some(&chunk) = self.cursors[cursor as usize].chunks.last() {
            let stamp = reader.event_chunks()[chunk as usize].first;
            // What the first event is will be known when it is read; until then it counts as early.
            self.order.push(Reverse(Due { stamp, hands_out: false, cursor }));
        }
    }

    /// Merges the next run of events by one thread. False when there is none left.
    fn step(&mut self, reader: &mut CaptureReader, sink: &mut impl EventSink) -> io::Result<bool> {
        let Some(Reverse(Due { cursor: number, .. })) = self.order.pop() else { return Ok(false) };
        let cursor = &mut self.cursors[number as usize];
        if cursor.events.is_empty() {
            let Some(index) = cursor.chunks.pop() else { return Ok(true) };
            let chunk = reader.event_chunks()[index as usize];
            cursor.events = std::mem::take(&mut self.spare);
            cursor.position = 0;
            reader.read_events(&chunk, &mut cursor.events)?;
            match cursor.events.first() {
                Some(first) => {
                    let due = cursor.due(number, first);
                    self.order.push(Reverse(due));
                }
                None => self.await_chunk(reader, number),
            }
            return Ok(true);
        }
        let rest = &cursor.events[cursor.position..];
        let run = match self.order.peek() {
            Some(&Reverse(bound)) if rest[rest.len() - 1].stamp >= bound.stamp => {
                // The first event is due, whatever its own thread's order makes of ties.
                let later = rest[1..].iter().position(|event| cursor.due(number, event) > bound);
                later.map_or(rest.len(), |later| later + 1)
            }
            _ => rest.len(),
        };
        sink.events(cursor.thread, &rest[..run]);
        cursor.position += run;
        match cursor.events.get(cursor.position) {
            Some(next) => {
                let due = cursor.due(number, next);
                self.order.push(Reverse(due));
            }
            None => {
                self.spare = std::mem::take(&mut cursor.events);
                self.spare.clear();
                self.await_chunk(reader, number);
            }
        }
        Ok(true)
    }
}
