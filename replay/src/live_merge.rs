//! Brings the events of several processes into one order while they come.
//!
//! [`merge`](crate::merge) does so with a capture, where all events are at hand. Here only those before a moment can be
//! passed on, up to which the events of every process are known; the others wait.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use memprof_capture::file::Fact;
use memprof_capture::file::columns::EventBatch;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::Stamp;
use rustc_hash::FxHashMap;

use crate::event_sink::{Due, EventSink, due};
use crate::processes::ProcessId;
use crate::strands::{PassingBatch, Strands};

/// At most this many events wait, of 40 bytes each: order is worth some memory, but not any amount.
const MOST_WAITING: usize = 2 << 20;

/// What is known of an image before its first event.
#[derive(Clone, Copy, Default)]
struct Beginning {
    pid: u32,
    start: Stamp,
    inherits: bool,
}

/// An image whose events are not all through.
struct LiveImage {
    number: u32,
    beginning: Beginning,
    events: PassingBatch,
    /// No event of it counts as earlier, whatever its stamp says.
    latest: Stamp,
}

/// A process.
struct LiveProcess {
    pid: u32,
    /// The present image first, and those that follow it by `exec`.
    images: VecDeque<LiveImage>,
    ended: Option<Stamp>,
    strands: Strands,
}

/// The processes of a recording, and what waits of their events.
#[derive(Default)]
pub struct LiveMerge {
    processes: Vec<LiveProcess>,
    /// Images that have been announced, before their first event.
    beginnings: BTreeMap<u32, Beginning>,
    of_image: FxHashMap<u32, ProcessId>,
    /// The present process of each pid.
    running: FxHashMap<u32, ProcessId>,
    /// Events of images that are through.
    late: EventBatch,
    late_events: u64,
}

impl LiveMerge {
    /// Takes note of what a fact says about processes.
    pub fn note(&mut self, fact: &Fact) {
        match *fact {
            Fact::Image { image, stamp, pid } => {
                let known = self.beginnings.entry(image).or_default();
                (known.pid, known.start) = (pid, stamp);
            }
            Fact::Process { image, pid, forked_from, .. } => {
                let known = self.beginnings.entry(image).or_default();
                (known.pid, known.inherits) = (pid, forked_from.is_some());
            }
            Fact::ProcessEnded { image, at } => {
                if let Some(&process) = self.of_image.get(&image) {
                    let process = &mut self.processes[process.index()];
                    process.ended = Some(at);
                    self.running.remove(&process.pid);
                }
            }
            _ => {}
        }
    }

    /// The process that an image belongs to; nothing before its first event.
    #[must_use]
    pub fn process_of(&self, image: u32) -> Option<ProcessId> {
        self.of_image.get(&image).copied()
    }

    /// Where the next events of an image are to be added, each no earlier than the one before. `begin` is called when
    /// it is one of another process than before.
    pub fn queue(&mut self, image: u32, begin: impl FnOnce() -> ProcessId) -> &mut EventBatch {
        let process = self.of_image.get(&image).copied().unwrap_or_else(|| self.enter(image, begin));
        let mut images = self.processes[process.index()].images.iter_mut();
        // Where it is not found, the process is known to run another one, or to have ended.
        images.find(|known| known.number == image).map_or(&mut self.late, |image| &mut image.events.batch)
    }

    /// Sites have got other numbers.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        let images = self.processes.iter_mut().flat_map(|process| &mut process.images);
        let batches = images.map(|image| &mut image.events.batch).chain([&mut self.late]);
        batches.for_each(|batch| numbers.apply(&mut batch.events));
    }

    /// Events that came when their image was through, and were left out.
    #[must_use]
    pub const fn late_events(&self) -> u64 {
        self.late_events
    }

    /// Images of one pid follow each other by `exec`, unless the process ended in between or the later one is a fork:
    /// then the kernel used the number again.
    fn enter(&mut self, image: u32, begin: impl FnOnce() -> ProcessId) -> ProcessId {
        let beginning = self.beginnings.remove(&image).unwrap_or_default();
        let successor = self.running.get(&beginning.pid).copied().filter(|_| !beginning.inherits && beginning.pid != 0);
        let process = successor.unwrap_or_else(|| {
            let process = begin();
            debug_assert_eq!(process.index(), self.processes.len(), "processes are numbered here");
            self.processes.push(LiveProcess {
                pid: beginning.pid,
                images: VecDeque::new(),
                ended: None,
                strands: Strands::new(process),
            });
            process
        });
        self.processes[process.index()].images.push_back(LiveImage::new(image, beginning));
        self.running.insert(beginning.pid, process);
        self.of_image.insert(image, process);
        process
    }

    /// Passes on the events before `bound`, of which no more will come; all of them where too many wait.
    pub fn drain(&mut self, bound: Stamp, sink: &mut impl EventSink) {
        self.late_events += self.late.events.len() as u64;
        self.late.clear();
        let waiting = self.processes.iter().map(LiveProcess::waiting).sum::<usize>();
        let bound = if waiting > MOST_WAITING { Stamp(u64::MAX) } else { bound };
        let dues = self.processes.iter().zip(0..).filter_map(|(process, number)| process.due(number));
        let mut order: BinaryHeap<Reverse<Due>> = dues.filter(|due| due.stamp < bound).map(Reverse).collect();
        while let Some(Reverse(first)) = order.pop() {
            let process = &mut self.processes[first.process as usize];
            if first.is_event {
                let next = order.peek().map(|next| next.0);
                process.pass(first.process, bound, next, sink);
            } else {
                process.pass_boundary(ProcessId(first.process), first.stamp, sink);
            }
            order.extend(process.due(first.process).filter(|due| due.stamp < bound).map(Reverse));
        }
        for image in self.processes.iter_mut().filter_map(|process| process.images.front_mut()) {
            image.events.compact();
        }
    }
}

impl LiveImage {
    fn new(number: u32, beginning: Beginning) -> Self {
        Self { number, beginning, events: PassingBatch::default(), latest: beginning.start }
    }
}

impl LiveProcess {
    fn waiting(&self) -> usize {
        self.images.iter().map(|image| image.events.rest().len()).sum()
    }

    /// What comes next of the process, as far as that is known.
    fn due(&self, number: u32) -> Option<Due> {
        let present = self.images.front()?;
        if let Some(first) = present.events.rest().first() {
            return Some(due(number, first));
        }
        let stamp = self.images.get(1).map(|next| next.beginning.start).or(self.ended)?;
        Some(Due { stamp: stamp.max(present.latest), allocates: false, is_event: false, process: number })
    }

    /// Passes on the next event, and those after it before `bound` and before the next one of another process.
    fn pass(&mut self, number: u32, bound: Stamp, next: Option<Due>, sink: &mut impl EventSink) {
        let Some(present) = self.images.front_mut() else { return };
        let rest = present.events.rest();
        let goes_on = |event| next.is_none_or(|next| due(number, event) < next);
        let run = rest[1..].iter().position(|event| event.stamp >= bound || !goes_on(event));
        let run = run.map_or(rest.len(), |after| after + 1);
        present.latest = present.latest.max(rest[run - 1].stamp);
        present.events.pass(run, (present.number, present.beginning.inherits), &mut self.strands, sink);
    }

    fn pass_boundary(&mut self, process: ProcessId, stamp: Stamp, sink: &mut impl EventSink) {
        self.images.pop_front();
        if self.images.is_empty() {
            self.ended = None;
            sink.end_process(process, stamp);
        } else {
            sink.start_image(process, stamp);
        }
    }
}
