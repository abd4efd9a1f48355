//! A thread's end of the channel, as a record uses it.

use core::ptr::NonNull;

use memprof_channel::ChunkWriter;
use memprof_channel::ids::Stamp;
use memprof_channel::layout::PoolHeader;

use crate::lock::Recording;

/// A [`ChunkWriter`], most of whose methods may have to wait for the recorder. So whoever uses it shows that it may
/// wait.
pub struct Channel(ChunkWriter);

impl Channel {
    /// Of this writer.
    pub const fn new(writer: ChunkWriter) -> Self {
        Self(writer)
    }

    /// The writer, for somebody who holds nothing.
    #[inline(always)]
    pub const fn writer<'a>(&'a mut self, _: &'a mut Recording) -> &'a mut ChunkWriter {
        &mut self.0
    }

    /// The stamp of an event that happens now.
    #[inline(always)]
    pub fn stamp(&mut self) -> Stamp {
        self.0.stamp()
    }

    /// A release that was announced has been recorded, or there was none. Never waits.
    #[inline(always)]
    pub fn let_go(&mut self) {
        self.0.let_go();
    }

    /// Hands over what was recorded. Never waits.
    pub fn seal(&mut self) {
        self.0.seal();
    }

    /// In a forked child whose parent was interrupted in the middle of a record: from now on nothing reaches the shared
    /// pool.
    ///
    /// # Safety
    /// `this` is the calling thread's own, which nobody uses but the code that was interrupted. `scratch` is memory as
    /// large as a chunk, for ever, that nobody else uses.
    pub unsafe fn abandon(this: *mut Self, scratch: NonNull<u64>) {
        // SAFETY: the caller's contract.
        unsafe { ChunkWriter::abandon(&raw mut (*this).0, scratch.as_ptr()) };
    }

    /// The pool's header.
    pub fn header(&self) -> &PoolHeader {
        self.0.pool().header()
    }
}
