//! The processes whose events come through the channel: which there are, what runs them, when they end.

#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memprof_capture::channel::ChunkIndex;
use memprof_capture::channel::layout::{PythonState, is_free_threaded, load_text};
use memprof_capture::channel::process::ProcessDescription;
use memprof_capture::file::Fact;
use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_capture::ids::Stamp;

use super::{ALL, Drain, ToFile, chunks_in_use};
use crate::look::{Found, Left, Look};
use crate::output::Output;

impl Drain {
    /// Looks after the processes that are followed: which there are, which have ended, and their resident sets. Returns
    /// how many there are.
    pub fn look_after_processes(&mut self, at: ClockPoint) -> usize {
        let pool = self.pool;
        // Those of which something has been taken are known; others may have a chunk that nothing has been taken of.
        for chunk in chunks_in_use(pool) {
            let descriptor = pool.descriptor(chunk);
            self.family.note(descriptor.pid.load(Relaxed), descriptor.image.load(Relaxed));
        }
        for (pid, image) in self.family.take_replaced() {
            self.take_left_behind(pid, image);
        }
        for (pid, image) in self.family.take_ended() {
            self.take_left_behind(pid, image);
            self.forget_threads(pid);
            // Where that was the first of it that was taken, it is known again.
            self.family.forget(pid);
            if image != 0 {
                self.output.facts(&[Fact::ProcessEnded { image, at: at.stamp }]);
            }
        }
        for (image, bytes) in self.family.resident_sets(self.pid()) {
            self.children_samples.entry(image).or_default().push(RssSample { at, bytes });
        }
        self.family.len()
    }

    /// Looks after these processes as well, of which nothing has come yet.
    pub fn expect_processes(&mut self, pids: &[u32]) {
        pids.iter().for_each(|&pid| self.family.expect(pid));
    }

    /// Takes what a process that has gone, or has become another program, did not hand over.
    fn take_left_behind(&mut self, pid: u32, last_image: u32) {
        let pool = self.pool;
        let left_behind = |chunk: &ChunkIndex| {
            let descriptor = pool.descriptor(*chunk);
            descriptor.pid.load(Relaxed) == pid && descriptor.image.load(Relaxed) <= last_image
        };
        let look = Look::at(&pool, chunks_in_use(pool).filter(left_behind), Left::ByTheirThreads);
        self.take(&look, |_| ALL, |_| {});
        let images = self.images.iter().filter(|&(&image, &of)| of == pid && image <= last_image);
        for image in images.map(|(&image, _)| image).collect::<Vec<_>>() {
            self.settle(image, ALL);
        }
    }

    /// Writes what is left of a process that has ended, of which nothing more can come.
    fn forget_threads(&mut self, pid: u32) {
        let Self { transcoders, events, output, interning, allocations, images, .. } = self;
        let ended = |image: &u32| images.get(image) == Some(&pid);
        transcoders.retain(|_, transcoder| !ended(&transcoder.image));
        events.retain(|image, events| {
            if ended(image)
                && let Output::Events(output) = output
            {
                ToFile { output, image: *image, allocations }.write(events.gathered(), interning);
            }
            !ended(image)
        });
        self.replaced.retain(|image| images.get(image) != Some(&pid));
        self.just_replaced.retain(|image| images.get(image) != Some(&pid));
    }

    /// The process that fills the pool, the first one if there are several.
    fn pid(&self) -> u32 {
        self.pool.header().attached_pid.load(Acquire)
    }

    /// Writes down that an image begins, when the first of its events is seen.
    pub(super) fn note_image(&mut self, found: &Found) {
        let &Found { image, pid, begins, .. } = found;
        // A chunk without events has no date.
        if self.images.contains_key(&image) || begins == Stamp(0) {
            return;
        }
        self.note_python();
        let is_new_process = self.images.values().all(|&known| known != pid);
        if !self.pool.header().followed().is_anybody()
            && is_new_process
            && let Some(&last) = self.images.keys().max()
        {
            // A wrapper ran a Python of its own, and now runs the one to record: the former is of no interest any more.
            self.output.facts(&[Fact::ProcessEnded { image: last, at: begins }]);
        }
        self.just_replaced.extend(self.images.iter().filter(|&(_, &of)| of == pid).map(|(&before, _)| before));
        self.images.insert(image, pid);
        if self.pool.header().followed().is_anybody() {
            // Now, and not when its chunks are looked through the next time: they may have been taken by then, all of them.
            self.family.note(pid, image);
        }
        self.output.facts(&[Fact::Image { image, stamp: begins, pid }]);
    }

    /// Writes down whose image that is.
    pub(super) fn note_process(&mut self, image: u32, pid: u32, description: &[u8]) {
        let Some(process) = ProcessDescription::parse(description) else { return };
        let ProcessDescription { parent, forked_from, .. } = process;
        self.output.facts(&[Fact::Process { image, pid, parent, forked_from, command_line: process.command_line() }]);
    }

    /// Writes down what the interposer has found out about the interpreter, whenever that changes.
    pub(super) fn note_python(&mut self) {
        let header = self.pool.header();
        let stacks = match PythonState::from_number(header.python_state.load(Acquire)) {
            PythonState::Absent => return,
            PythonState::Known => true,
            PythonState::Unknown => false,
        };
        let (mut version, mut allocator) = ([0; 128], [0; 32]);
        let version = load_text(&header.python_version, &mut version);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let version = python_version(version);
        let allocator = text(load_text(&header.python_allocator, &mut allocator));
        let fact = Fact::Python { version, allocator, stacks };
        if self.python.as_ref() != Some(&fact) {
            self.output.facts(std::slice::from_ref(&fact));
            self.python = Some(fact);
        }
    }
}

/// What [`Fact::Python`] has of what `Py_GetVersion()` returns.
fn python_version(said: &[u8]) -> String {
    let number = said.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let suffix = if is_free_threaded(said) { "t" } else { "" };
    format!("{}{suffix}", String::from_utf8_lossy(number))
}
