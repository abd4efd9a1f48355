//! The processes whose events come through the channel: which there are, what runs them, when they end.

mod family;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use memprof_capture::file::Fact;
use memprof_channel::ids::Stamp;
use memprof_channel::process::ProcessDescription;
use rustc_hash::FxHashMap;

use super::poll::Found;
use family::Family;

/// The processes, and the images that they run one after the other.
pub struct Processes {
    /// Whether what the program starts is recorded as well.
    are_followed: bool,
    /// Images whose beginning has been written down, with their processes.
    images: FxHashMap<u32, u32>,
    /// Images whose process has been seen to run another one, before the last poll: all of their events have been seen.
    replaced: BTreeSet<u32>,
    /// Likewise, in the last poll.
    just_replaced: BTreeSet<u32>,
    family: Family,
}

/// A process that has ended, or become another program, with the last image of which more may be found.
#[derive(Clone, Copy)]
pub struct Gone {
    /// The process.
    pub pid: u32,
    /// Its last image; 0 where it never had one.
    pub last_image: u32,
}

impl Processes {
    /// None yet.
    pub fn new(are_followed: bool) -> Self {
        Self {
            are_followed,
            images: FxHashMap::default(),
            replaced: BTreeSet::new(),
            just_replaced: BTreeSet::new(),
            family: Family::default(),
        }
    }

    /// A poll begins.
    pub fn begin_poll(&mut self) {
        self.replaced.append(&mut self.just_replaced);
    }

    /// Takes note that an image begins, when the first of its events is seen. Returns what is to be written down then.
    pub fn note(&mut self, found: &Found) -> Vec<Fact> {
        let (image, pid, begins) = (found.author.image, found.author.pid, found.begins);
        // A chunk without events has no stamp.
        if self.images.contains_key(&image) || begins == Stamp(0) {
            return Vec::new();
        }
        let mut facts = Vec::new();
        let is_new_process = self.images.values().all(|&known| known != pid);
        if !self.are_followed
            && is_new_process
            && let Some(&last) = self.images.keys().max()
        {
            // A wrapper ran a Python of its own, and now runs the one to record: the former is of no interest any more.
            facts.push(Fact::ProcessEnded { image: last, at: begins });
        }
        self.just_replaced.extend(self.images.iter().filter(|&(_, &of)| of == pid).map(|(&before, _)| before));
        self.images.insert(image, pid);
        if self.are_followed {
            // Now, and not when its chunks are polled the next time: they may have been taken by then, all of
            // them.
            self.family.note(pid, image);
        }
        facts.push(Fact::Image { image, stamp: begins, pid });
        facts
    }

    /// The process that runs an image.
    pub fn pid_of(&self, image: u32) -> Option<u32> {
        self.images.get(&image).copied()
    }

    /// Whether a process is known to run a program that came after this image.
    pub fn runs_after(&self, image: u32, pid: u32) -> bool {
        self.images.iter().any(|(&later, &of)| of == pid && later > image)
    }

    /// Whether all events of an image have been seen, because its process was seen to run another one before the last
    /// poll.
    pub fn is_replaced(&self, image: u32) -> bool {
        self.replaced.contains(&image)
    }

    /// The images of a process, up to this one.
    pub fn images_of(&self, Gone { pid, last_image }: Gone) -> Vec<u32> {
        let images = self.images.iter().filter(|&(&image, &of)| of == pid && image <= last_image);
        images.map(|(&image, _)| image).collect()
    }

    /// All processes so far.
    pub fn pids(&self) -> BTreeSet<u32> {
        self.images.values().copied().collect()
    }

    /// Follows these processes, whose chunks for these images have been found.
    pub fn follow(&mut self, owners: impl Iterator<Item = (u32, u32)>) {
        owners.for_each(|(pid, image)| self.family.note(pid, image));
    }

    /// Follows these as well, of which nothing has come yet.
    pub fn expect(&mut self, pids: &[u32]) {
        pids.iter().for_each(|&pid| self.family.expect(pid));
    }

    /// Takes out those that have become another program since this was last asked for.
    pub fn take_replaced(&mut self) -> Vec<Gone> {
        self.family.take_replaced().into_iter().map(|(pid, last_image)| Gone { pid, last_image }).collect()
    }

    /// Takes out those that have ended.
    pub fn take_ended(&mut self) -> Vec<Gone> {
        self.family.take_ended().into_iter().map(|(pid, last_image)| Gone { pid, last_image }).collect()
    }

    /// A process has ended, and what it left has been taken. Where that was the first of it that was taken, it was
    /// noted once more.
    pub fn remove(&mut self, pid: u32) {
        let images = &self.images;
        self.replaced.retain(|image| images.get(image) != Some(&pid));
        self.just_replaced.retain(|image| images.get(image) != Some(&pid));
        self.family.remove(pid);
    }

    /// The resident sets of all processes that are followed but one, in bytes, each with its image.
    pub fn resident_sets(&mut self, except: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.family.resident_sets(except)
    }

    /// How many are followed.
    pub fn len(&self) -> usize {
        self.family.len()
    }
}

/// Whose image that is, as the process has said; nothing if that makes no sense.
pub fn described(found: &Found, description: &[u8]) -> Option<Fact> {
    let process = ProcessDescription::parse(description)?;
    let (image, pid) = (found.author.image, found.author.pid);
    let ProcessDescription { parent, forked_from, .. } = process;
    Some(Fact::Process { image, pid, parent, forked_from, command_line: process.command_line() })
}
