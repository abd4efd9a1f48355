//! The processes of a recording, and which of them a report is about.

use memprof_capture::file::aggregate::SlotSummary;
use memprof_capture::file::{CaptureReader, Fact};
use memprof_channel::ids::Stamp;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

/// The number of a process among those that a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// The process as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a process came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The recording began with it.
    Start,
    /// A recorded process forked it: it began as a copy of that one.
    Fork,
    /// It began to be recorded as a new program.
    Exec,
    /// A damaged capture no longer says.
    Unknown,
}

/// A program that a process ran, up to its end or its next `exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its number in the capture.
    pub number: u32,
    /// When it began.
    pub start: Stamp,
    /// Whether it began as a copy of its parent, with memory that is the parent's.
    pub inherits: bool,
}

/// A recorded process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number in the kernel; 0 where a damaged capture no longer has it.
    pub pid: u32,
    /// The process that started it, where the capture says.
    pub parent: Option<u32>,
    /// How it began.
    pub origin: Origin,
    /// What it ran last.
    pub command_line: Vec<String>,
    /// The programs that it ran, one after the other. Never empty.
    pub images: Vec<Image>,
    /// When it ended, where the capture says: its memory is gone from then on.
    pub ended: Option<Stamp>,
}

impl Process {
    const fn of_nothing(pid: u32, origin: Origin) -> Self {
        Self { pid, parent: None, origin, command_line: Vec::new(), images: Vec::new(), ended: None }
    }

    /// The number of an image that it ran; 0 where it has none.
    pub(crate) fn any_image(&self) -> u32 {
        self.images.first().map_or(0, |image| image.number)
    }

    /// How reports name it.
    #[must_use]
    pub fn label(&self) -> String {
        if self.pid == 0 { "<lost>".to_owned() } else { self.pid.to_string() }
    }
}

/// The processes that a report is about, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    list: Vec<Process>,
    of_image: FxHashMap<u32, ProcessId>,
    /// The first one of the recording, if it is among them.
    started: Option<ProcessId>,
    recorded: usize,
}

/// A process was asked for that was not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProcess {
    /// What was asked for.
    pub pid: u32,
    /// Those that were recorded.
    pub recorded: Vec<Process>,
}

/// What the facts of a capture say about one image.
#[derive(Clone, Copy, Default)]
struct ImageFacts<'a> {
    start: Option<Stamp>,
    first_event: Option<Stamp>,
    pid: Option<u32>,
    /// Its parent, the image that it was copied from, its arguments.
    process: Option<(u32, Option<u32>, &'a [String])>,
}

impl Processes {
    /// All processes of a capture.
    #[must_use]
    pub fn of(reader: &CaptureReader) -> Self {
        let mut facts: FxHashMap<u32, ImageFacts> = FxHashMap::default();
        for span in reader.image_spans() {
            facts.entry(span.image).or_default().first_event = Some(span.first);
        }
        let mut ended: FxHashMap<u32, Stamp> = FxHashMap::default();
        let mut last_pid = None;
        for fact in reader.facts() {
            match fact {
                Fact::Image { image, stamp, pid } => {
                    let known = facts.entry(*image).or_default();
                    (known.start, known.pid) = (Some(*stamp), Some(*pid));
                    last_pid = Some(*pid);
                }
                Fact::Process { image, pid, parent, forked_from, command_line } => {
                    let known = facts.entry(*image).or_default();
                    (known.pid, known.process) = (Some(*pid), Some((*parent, *forked_from, command_line.as_slice())));
                }
                Fact::ProcessEnded { image, at } => drop(ended.insert(*image, *at)),
                _ => {}
            }
        }
        let mut numbers: Vec<u32> = facts.keys().copied().collect();
        numbers.sort_unstable();
        let mut processes = Self::default();
        if facts.values().any(|image| image.process.is_some()) {
            processes.divide(&numbers, &facts, &ended);
        } else {
            // An old capture, of one process.
            let pid = last_pid.unwrap_or(reader.header().pid);
            processes.enter(Process::of_nothing(pid, Origin::Start));
            for number in numbers {
                processes.add_image(ProcessId(0), number, &facts[&number]);
            }
        }
        if let Some(first) = processes.list.first_mut().filter(|process| process.command_line.is_empty()) {
            first.command_line.clone_from(&reader.header().command_line);
        }
        processes.recorded = processes.list.len();
        processes.started = (!processes.list.is_empty()).then_some(ProcessId(0));
        processes
    }

    /// Images of one pid follow each other by `exec`, unless the process ended in between or the later one is a fork:
    /// then the kernel used the number again.
    fn divide(&mut self, numbers: &[u32], facts: &FxHashMap<u32, ImageFacts>, ended: &FxHashMap<u32, Stamp>) {
        let mut running: FxHashMap<u32, ProcessId> = FxHashMap::default();
        for &number in numbers {
            let image = &facts[&number];
            let forked = matches!(image.process, Some((_, Some(_), _)));
            let successor = image.pid.filter(|_| !forked).and_then(|pid| running.get(&pid).copied());
            let process = successor.unwrap_or_else(|| {
                let origin = match image.process {
                    Some((_, Some(_), _)) => Origin::Fork,
                    _ if self.list.is_empty() => Origin::Start,
                    // In a merged capture, one of those that the recordings began with.
                    Some((0, ..)) => Origin::Start,
                    Some(_) => Origin::Exec,
                    None => Origin::Unknown,
                };
                self.enter(Process::of_nothing(image.pid.unwrap_or(0), origin))
            });
            self.add_image(process, number, image);
            if let Some(&at) = ended.get(&number) {
                self.list[process.index()].ended = Some(at);
                image.pid.map(|pid| running.remove(&pid));
            } else if let Some(pid) = image.pid {
                running.insert(pid, process);
            }
        }
    }

    fn enter(&mut self, process: Process) -> ProcessId {
        self.list.push(process);
        ProcessId(self.list.len() as u32 - 1)
    }

    fn add_image(&mut self, process: ProcessId, number: u32, facts: &ImageFacts) {
        let known = &mut self.list[process.index()];
        // The recorder names the first event that it saw; another thread's may be older.
        let start = [facts.start, facts.first_event].into_iter().flatten().min().unwrap_or_default();
        let mut inherits = false;
        if let Some((parent, forked_from, command_line)) = facts.process {
            inherits = forked_from.is_some();
            known.parent = Some(parent).filter(|&parent| parent != 0);
            known.command_line = command_line.to_vec();
        }
        known.images.push(Image { number, start, inherits });
        self.of_image.insert(number, process);
    }

    /// Those with these pids; all when none is named.
    ///
    /// # Errors
    /// When one of them was not recorded.
    pub fn only(self, pids: &[u32]) -> Result<Self, UnknownProcess> {
        if pids.is_empty() {
            return Ok(self);
        }
        if let Some(&pid) = pids.iter().find(|&&pid| !self.list.iter().any(|process| process.pid == pid)) {
            return Err(UnknownProcess { pid, recorded: self.list });
        }
        let wanted: FxHashSet<u32> = pids.iter().copied().collect();
        let chosen = self.ids().filter(|&process| wanted.contains(&self.get(process).pid)).collect::<Vec<_>>();
        Ok(self.choose(&chosen))
    }

    /// One of them alone.
    #[must_use]
    pub fn alone(&self, process: ProcessId) -> Self {
        self.choose(&[process])
    }

    /// These, which are in order.
    fn choose(&self, chosen: &[ProcessId]) -> Self {
        let started = self.started.filter(|started| chosen.contains(started));
        let list: Vec<Process> = chosen.iter().map(|&process| self.get(process).clone()).collect();
        let of_image = (0..)
            .zip(&list)
            .flat_map(|(id, process)| process.images.iter().map(move |image| (image.number, ProcessId(id))))
            .collect();
        // It comes first in any selection that it is part of.
        Self { list, of_image, started: started.map(|_| ProcessId(0)), recorded: self.recorded }
    }

    /// Their numbers, in order.
    pub fn ids(&self) -> impl Iterator<Item = ProcessId> + use<> {
        (0..self.list.len() as u32).map(ProcessId)
    }

    /// A name for each that no other one has: its pid, and `.2` after it where the kernel had used that before.
    #[must_use]
    pub fn distinct_names(&self) -> Vec<String> {
        let mut used: FxHashMap<u32, u32> = FxHashMap::default();
        let name = |process: &Process| {
            let times = used.entry(process.pid).or_default();
            *times += 1;
            if *times == 1 { process.pid.to_string() } else { format!("{}.{times}", process.pid) }
        };
        self.list.iter().map(name).collect()
    }

    /// The processes, in order.
    #[must_use]
    pub fn list(&self) -> &[Process] {
        &self.list
    }

    /// A process.
    #[must_use]
    pub fn get(&self, process: ProcessId) -> &Process {
        &self.list[process.index()]
    }

    /// The process that ran an image, if the report is about it.
    #[must_use]
    pub fn of_image(&self, image: u32) -> Option<ProcessId> {
        self.of_image.get(&image).copied()
    }

    /// The process of a slot of theirs.
    ///
    /// # Panics
    /// When it is another process's.
    #[must_use]
    pub fn of_slot(&self, slot: &SlotSummary) -> ProcessId {
        self.of_image[&slot.image]
    }

    /// The process that the recording began with, if the report is about it.
    #[must_use]
    pub const fn started(&self) -> Option<ProcessId> {
        self.started
    }

    /// Whether there are several: then reports say which is which.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.list.len() > 1
    }

    /// How many the capture has.
    #[must_use]
    pub const fn recorded(&self) -> usize {
        self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_had_the_same_number_have_different_names() {
        let list = [7, 8, 7, 7].map(|pid| Process::of_nothing(pid, Origin::Fork)).to_vec();
        let processes = Processes { recorded: list.len(), list, ..Processes::default() };
        assert_eq!(processes.distinct_names(), ["7", "8", "7.2", "7.3"]);
        let alone = processes.alone(ProcessId(2));
        assert_eq!((alone.list().len(), alone.recorded()), (1, 4));
    }
}
