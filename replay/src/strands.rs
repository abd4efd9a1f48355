//! The threads of a process, and batches of their events on their way to a sink.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::columns::{EventBatch, Turn};
use memprof_channel::ids::ThreadId;
use rustc_hash::FxHashMap;

use crate::event_sink::{EventSink, Strand};
use crate::processes::ProcessId;

/// Numbers the threads of a process.
pub(crate) struct Strands {
    /// The thread whose turn it is.
    present: Strand,
    numbers: FxHashMap<ThreadId, u32>,
}

impl Strands {
    pub fn new(process: ProcessId) -> Self {
        let present = Strand { process, image: 0, thread: ThreadId(0), number: 0, inherits: false };
        Self { present, numbers: FxHashMap::default() }
    }

    /// Gives the turn to a thread of an image.
    #[inline]
    fn turn_to(&mut self, thread: ThreadId, image: u32, inherits: bool) {
        if self.numbers.is_empty() || (self.present.thread, self.present.image) != (thread, image) {
            let next = self.numbers.len() as u32;
            self.present.number = *self.numbers.entry(thread).or_insert(next);
            (self.present.thread, self.present.image) = (thread, image);
            self.present.inherits = inherits;
        }
    }
}

/// The events of an image, some of which have been passed on.
#[derive(Default)]
pub(crate) struct PassingBatch {
    pub batch: EventBatch,
    position: usize,
    /// The turn of the next event, and how many of its events have been passed on.
    turn: usize,
    of_turn: usize,
}

impl PassingBatch {
    /// None of these has been passed on.
    pub fn of(batch: EventBatch) -> Self {
        Self { batch, ..Self::default() }
    }

    /// Those that have not been passed on.
    #[inline]
    pub fn rest(&self) -> &[Timed<ResolvedEvent>] {
        &self.batch.events[self.position..]
    }

    /// Passes on the next events, of an image that did or did not begin with its parent's memory.
    #[inline]
    pub fn pass(
        &mut self,
        mut events: usize,
        (image, inherits): (u32, bool),
        strands: &mut Strands,
        sink: &mut impl EventSink,
    ) {
        while events > 0 {
            let Some(&Turn { thread, events: of_turn }) = self.batch.turns.get(self.turn) else { break };
            strands.turn_to(thread, image, inherits);
            let left = of_turn as usize - self.of_turn;
            let run = events.min(left);
            sink.events(&strands.present, &self.batch.events[self.position..self.position + run]);
            self.position += run;
            events -= run;
            if run == left {
                (self.turn, self.of_turn) = (self.turn + 1, 0);
            } else {
                self.of_turn += run;
            }
        }
    }

    /// Drops what has been passed on.
    pub fn compact(&mut self) {
        self.batch.events.drain(..self.position);
        self.batch.turns.drain(..self.turn);
        if let Some(first) = self.batch.turns.first_mut() {
            first.events -= self.of_turn as u32;
        }
        (self.position, self.turn, self.of_turn) = (0, 0, 0);
    }
}
