//! One of the captures that become one: how its numbers and stamps are changed.

use std::collections::{BTreeMap, BTreeSet};

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_capture::file::CaptureReader;
use memprof_capture::file::facts::{Fact, RssSample};
use memprof_capture::file::joined_tables::Renumbering;
use memprof_channel::ids::Stamp;

use super::{CLOCK, Joined, START, point};
use crate::event_writer::kept_fact;
use crate::processes::{Origin, Processes};
use crate::replay::end_of;

/// A capture, and what has become of its numbers.
pub(super) struct Source {
    pub reader: CaptureReader,
    pub processes: Processes,
    pub known: Renumbering,
    seconds: Box<dyn Fn(Stamp) -> f64>,
    /// Nanoseconds from the beginning of the first one.
    later_ns: u64,
    /// The numbers that its images have now.
    images: BTreeMap<u32, u32>,
    images_before: u32,
}

impl Source {
    /// A capture after others that have `images_before` images. The first of all captures began at `first_unix_ns`.
    pub fn new(Joined { reader, seconds }: Joined, first_unix_ns: u64, images_before: u32) -> Self {
        let processes = Processes::of(&reader);
        let of_processes = processes.list().iter().flat_map(|process| process.images.iter().map(|image| image.number));
        let all: BTreeSet<u32> = of_processes.chain(reader.children_rss().keys().copied()).collect();
        Self {
            later_ns: reader.header().start_unix_ns.saturating_sub(first_unix_ns),
            images: all.into_iter().zip(images_before + 1..).collect(),
            images_before,
            known: Renumbering::default(),
            reader,
            processes,
            seconds,
        }
    }

    /// The highest number of an image so far.
    pub fn last_image(&self) -> u32 {
        self.images_before + self.images.len() as u32
    }

    /// The number of each image, before and now.
    pub fn images(&self) -> Vec<(u32, u32)> {
        self.images.iter().map(|(&old, &new)| (old, new)).collect()
    }

    /// The number that an image has now.
    pub fn image(&self, old: u32) -> Option<u32> {
        self.images.get(&old).copied()
    }

    /// A moment of the capture on the common clock.
    pub fn stamp(&self, stamp: Stamp) -> Stamp {
        let after_start = ((self.seconds)(stamp) * 1e9).round() as u64;
        Stamp(START.0.saturating_add(self.later_ns.saturating_add(after_start) >> CLOCK.shift()))
    }

    /// Its beginning, likewise.
    pub fn start(&self) -> Stamp {
        self.stamp(self.reader.header().start.stamp)
    }

    /// Its end, likewise.
    pub fn end(&self) -> Stamp {
        self.stamp(self.reader.summary().map_or_else(|| end_of(&self.reader), |summary| summary.end.stamp))
    }

    /// An event with its stamp on the common clock.
    pub fn stamped(&self, Timed { stamp, event }: Timed<ResolvedEvent>) -> Timed<ResolvedEvent> {
        Timed { stamp: self.stamp(stamp), event }
    }

    /// What is known about its processes. All end with the capture: their memory does not outlast it, and a process of
    /// another capture that has the same pid is another one.
    pub fn processes_facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for process in self.processes.list() {
            // Where a damaged capture no longer has what it is, there is nothing to say.
            let is_known = process.pid != 0 && process.origin != Origin::Unknown;
            for image in &process.images {
                let Some(number) = self.image(image.number).filter(|_| is_known) else { continue };
                facts.push(Fact::Image { image: number, stamp: self.stamp(image.start), pid: process.pid });
                // What a recording began with has no parent there.
                let parent = process.parent.filter(|_| process.origin != Origin::Start);
                facts.push(Fact::Process {
                    image: number,
                    pid: process.pid,
                    parent: parent.unwrap_or(0),
                    forked_from: image.inherits.then(|| self.copied_from(image.number)),
                    command_line: process.command_line.clone(),
                });
            }
            if let Some(last) = process.images.last().and_then(|image| self.image(image.number)) {
                let at = process.ended.map_or_else(|| self.end(), |ended| self.stamp(ended));
                facts.push(Fact::ProcessEnded { image: last, at });
            }
        }
        facts.extend(self.reader.facts().iter().filter(|fact| matches!(fact, Fact::Python { .. })).cloned());
        facts
    }

    /// The image that another one is a copy of; 0 where that is not there.
    fn copied_from(&self, image: u32) -> u32 {
        let origin = self.reader.facts().iter().find_map(|fact| match fact {
            Fact::Process { image: of, forked_from, .. } if *of == image => *forked_from,
            _ => None,
        });
        origin.and_then(|origin| self.image(origin)).unwrap_or(0)
    }

    /// What is known about the modules that are used, and what was not recorded.
    pub fn kept_facts(&self) -> impl Iterator<Item = Fact> + '_ {
        self.reader.facts().iter().filter_map(|fact| kept_fact(fact, &self.known))
    }

    /// The resident sets by image. In the first capture, those of the process that was started stay by themselves.
    pub fn resident_sets(&self, is_first: bool) -> Vec<(u32, Vec<RssSample>)> {
        let started = match self.processes.list().first().and_then(|process| process.images.first()) {
            _ if is_first => Some(0),
            first => first.and_then(|image| self.image(image.number)),
        };
        let children = self.reader.children_rss().iter();
        let children = children.filter_map(|(&image, samples)| Some((self.image(image)?, samples.as_slice())));
        let all = started.map(|image| (image, self.reader.rss())).into_iter().chain(children);
        let stamped = |sample: &RssSample| RssSample { at: point(self.stamp(sample.at.stamp)), bytes: sample.bytes };
        all.map(|(image, samples)| (image, samples.iter().map(stamped).collect())).collect()
    }
}
