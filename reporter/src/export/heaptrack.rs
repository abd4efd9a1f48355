//! The format of heaptrack, version 3, for `heaptrack_print` and `heaptrack_gui`: every event of one process.
//!
//! Source: `AccumulatedTraceData::read` of heaptrack 1.4. A line each, with hexadecimal numbers: strings, instructions
//! and stacks are numbered from 1 as they come, pairs of a size and a stack from 0; events name these pairs.

use std::io::{self, Write};
use std::iter::Peekable;
use std::vec;

use memprof_channel::ids::Stamp;
use memprof_replay::timeline::TimelinePoint;
use rustc_hash::FxHashMap;

use super::event_places::EventPlaces;
use super::format::{Format, Metrics, Processes, Source};
use super::lifetimes::{LifetimeSink, Live, beginnings_and_ends, replay_lifetimes};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::naming::places::{PlaceId, PlaceKind};
use crate::naming::strings::{StringId, Strings};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::reading::run_clock::RunClock;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// heaptrack 1.4.0 and its version of the format.
const VERSION: &str = "v 10400 3";
/// How often heaptrack itself writes a time stamp, in milliseconds.
const STAMPED_EVERY_MS: u64 = 10;

/// The lines of an event, and of a stack with what it refers to.
const EVENT_BYTES: u64 = 7;
const CALL_BYTES: u64 = 16;

/// A place, as heaptrack has it.
#[derive(Clone, Copy)]
struct Instruction {
    module: StringId,
    function: StringId,
    file: StringId,
    line: u32,
}

/// Writes events in their order.
struct HeaptrackEvents<'a, W> {
    out: W,
    tree: &'a FlameTree,
    clock: RunClock,
    page_size: u64,
    resident: Peekable<vec::IntoIter<TimelinePoint>>,
    /// The last time stamp that was written, in milliseconds.
    stamped_ms: u64,
    strings: Strings,
    /// By place.
    instructions: Vec<Instruction>,
    /// How many strings have been written, and the numbers of what else has: 0 where it has not.
    strings_written: u32,
    instruction_numbers: Vec<u32>,
    instructions_written: u32,
    stack_numbers: Vec<u32>,
    stacks_written: u32,
    pairs: FxHashMap<(u64, NodeId), u32>,
}

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "heaptrack",
    help: "heaptrack's, every event: for heaptrack_print and heaptrack_gui",
    extension: "txt",
    metrics: Metrics::All,
    processes: Processes::One,
    source: Source::Events(write),
};

/// Writes the process of a report, which must be the only one.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
fn write(report: &mut Report, view: View, out: &mut dyn SizedWrite) -> io::Result<()> {
    let places = EventPlaces::of(report, view);
    let page_size = u64::from(report.page_size().max(1));
    let calls = places.tree.nodes().len() as u64;
    out.expect(ExpectedSize::About(beginnings_and_ends(report) * EVENT_BYTES + calls * CALL_BYTES))?;
    writeln!(out, "{VERSION}")?;
    writeln!(out, "X {}", one_line(&report.metadata().command_line))?;
    // How many pages the machine has is not known.
    writeln!(out, "I {page_size:x} 0")?;
    let (strings, instructions) = instructions(report);
    let events = HeaptrackEvents {
        out,
        tree: &places.tree,
        clock: *report.clock(),
        page_size,
        resident: report.rss().to_vec().into_iter().peekable(),
        stamped_ms: 0,
        strings,
        instruction_numbers: vec![0; instructions.len()],
        instructions,
        strings_written: 0,
        instructions_written: 0,
        stack_numbers: vec![0; places.tree.nodes().len()],
        stacks_written: 0,
        pairs: FxHashMap::default(),
    };
    let mut events = replay_lifetimes(report, &places, events)?;
    events.resident_sets(Stamp(u64::MAX))?;
    let end = milliseconds(report.clock(), report.end());
    writeln!(events.out, "c {:x}", end.max(events.stamped_ms))
}

/// The places of a report, by number.
fn instructions(report: &Report) -> (Strings, Vec<Instruction>) {
    let places = report.places();
    let mut strings = Strings::default();
    // The empty one is nobody's: it is left out by its number, 0.
    strings.intern("");
    let mut instruction = |place: PlaceId| {
        let (function, file) = (places.function(place), places.file(place));
        let module = match places.get(place).kind {
            PlaceKind::Python => file,
            _ => places.module(place).unwrap_or(""),
        };
        let [module, function, file] = [module, function, file].map(|text| strings.intern(&one_line(text)));
        Instruction { module, function, file, line: places.line(place) }
    };
    let instructions = places.ids().map(&mut instruction).collect();
    (strings, instructions)
}

/// What is between two line breaks would be a line of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Since the start of the run.
fn milliseconds(clock: &RunClock, at: Stamp) -> u64 {
    (clock.seconds(at) * 1e3) as u64
}

impl<W: Write> HeaptrackEvents<'_, W> {
    fn resident_sets(&mut self, before: Stamp) -> io::Result<()> {
        while let Some(sample) = self.resident.next_if(|sample| sample.at < before) {
            self.stamp(milliseconds(&self.clock, sample.at))?;
            writeln!(self.out, "R {:x}", sample.bytes / self.page_size)?;
        }
        Ok(())
    }

    fn stamp(&mut self, now: u64) -> io::Result<()> {
        if now > self.stamped_ms {
            self.stamped_ms = now;
            writeln!(self.out, "c {now:x}")?;
        }
        Ok(())
    }

    fn advance(&mut self, at: Stamp) -> io::Result<()> {
        self.resident_sets(at)?;
        let now = milliseconds(&self.clock, at);
        if now >= self.stamped_ms + STAMPED_EVERY_MS { self.stamp(now) } else { Ok(()) }
    }

    fn event(&mut self, at: Stamp, kind: char, size: u64, node: NodeId) -> io::Result<()> {
        self.advance(at)?;
        let pair = match self.pairs.get(&(size, node)) {
            Some(&pair) => pair,
            None => {
                let stack = self.stack(node)?;
                writeln!(self.out, "a {size:x} {stack:x}")?;
                let pair = self.pairs.len() as u32;
                self.pairs.insert((size, node), pair);
                pair
            }
        };
        writeln!(self.out, "{kind} {pair:x}")
    }

    /// The number of a stack, which is written with all of its callers where it is new.
    fn stack(&mut self, node: NodeId) -> io::Result<u32> {
        let tree = self.tree;
        let new: Vec<NodeId> = tree.callers(node).take_while(|call| self.stack_numbers[call.index()] == 0).collect();
        for call in new.into_iter().rev() {
            let callers = self.stack_numbers[tree.nodes()[call.index()].parent.index()];
            let instruction = self.instruction(tree.nodes()[call.index()].place)?;
            writeln!(self.out, "t {instruction:x} {callers:x}")?;
            self.stacks_written += 1;
            self.stack_numbers[call.index()] = self.stacks_written;
        }
        Ok(self.stack_numbers[node.index()])
    }

    fn instruction(&mut self, place: PlaceId) -> io::Result<u32> {
        if self.instruction_numbers[place.index()] == 0 {
            let Instruction { module, function, file, line } = self.instructions[place.index()];
            // Numbers as they were interned: the empty string is 0 and not written.
            let last = module.0.max(function.0).max(file.0);
            while self.strings_written < last {
                self.strings_written += 1;
                let text = self.strings.get(StringId(self.strings_written));
                writeln!(self.out, "s {:x} {text}", text.len())?;
            }
            self.instructions_written += 1;
            self.instruction_numbers[place.index()] = self.instructions_written;
            // Places have no addresses; their numbers distinguish them.
            let address = self.instructions_written;
            writeln!(self.out, "i {address:x} {:x} {:x} {:x} {line:x}", module.0, function.0, file.0)?;
        }
        Ok(self.instruction_numbers[place.index()])
    }
}

impl<W: Write> LifetimeSink for HeaptrackEvents<'_, W> {
    fn begin(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        self.event(at, '+', live.size, live.node)
    }

    /// heaptrack knows no parts: what is left is another allocation.
    fn shrink(&mut self, at: Stamp, live: &Live, bytes: u64) -> io::Result<()> {
        self.event(at, '-', live.size, live.node)?;
        self.event(at, '+', live.size.saturating_sub(bytes), live.node)
    }

    fn end(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        self.event(at, '-', live.size, live.node)
    }
}
