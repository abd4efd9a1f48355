//! From the channel's records to events: threads' own numbers become the recording's.
//!
//! - `thread`: the records of one thread; `thread_stack`: its stack, and what the capture has of that.

mod thread;
mod thread_stack;

use memprof_capture::event::TimedEvent;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::Records;
use memprof_channel::author::Author;
use memprof_channel::record::Malformed;
use rustc_hash::FxHashMap;

use crate::interning::Interning;
use thread::ThreadTranscoder;

/// What all threads have emitted, and the tables that they share.
pub struct Transcoders {
    /// The tables.
    pub interning: Interning,
    threads: FxHashMap<u32, ThreadTranscoder>,
    native_depth: u32,
}

impl Transcoders {
    /// Of no threads yet. Of a stack at most `native_depth` native frames are kept.
    pub fn new(interning: Interning, native_depth: u32) -> Self {
        Self { interning, threads: FxHashMap::default(), native_depth }
    }

    /// Takes records of a thread, which follow those that were taken of it before. Each event is passed on to `sink`.
    ///
    /// # Errors
    /// When a record makes no sense. What came before it has been taken.
    #[inline]
    pub fn take(
        &mut self,
        author: &Author,
        records: &mut Records<'_>,
        sink: impl FnMut(TimedEvent),
    ) -> Result<(), Malformed> {
        let Self { interning, threads, native_depth } = self;
        let &Author { thread, image, pid, .. } = author;
        let thread = threads.entry(thread).or_insert_with(|| ThreadTranscoder::new(image, pid, *native_depth));
        thread.take(records, interning, sink)
    }

    /// What the program calls a thread, where it has said so.
    pub fn name(&self, thread: u32) -> Option<&str> {
        self.threads.get(&thread)?.name.as_deref()
    }

    /// The threads to which the program has given no name, with their images.
    pub fn unnamed(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let unnamed = self.threads.iter().filter(|(_, thread)| thread.name.is_none());
        unnamed.map(|(&number, thread)| (number, thread.image))
    }

    /// What a thread has said about its process since this was last asked for: see `capture::channel::process`.
    pub fn take_process(&mut self, thread: u32) -> Option<Vec<u8>> {
        self.threads.get_mut(&thread)?.process.take()
    }

    /// Sites have got other numbers, and so have stacks.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        self.threads.values_mut().for_each(|thread| thread.renumber_sites(numbers));
    }

    /// Drops the threads of images that have ended.
    pub fn drop_ended(&mut self, has_ended: impl Fn(u32) -> bool) {
        self.threads.retain(|_, thread| !has_ended(thread.image));
    }
}
