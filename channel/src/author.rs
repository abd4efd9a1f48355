//! The thread that a chunk belongs to.

use crate::states::Task;

/// Who writes: what the recorder must know about each chunk.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    /// The thread, numbered by the pool.
    pub thread: u32,
    /// Its id in the kernel.
    pub tid: u32,
    /// Which image of the process, from 1.
    pub image: u32,
    /// The process.
    pub pid: u32,
    /// The thread's name in the kernel, padded with NUL.
    pub name: [u8; 16],
}

impl Author {
    /// Whose chunks are.
    #[must_use]
    pub const fn task(&self) -> Task {
        Task { image: self.image, tid: self.tid }
    }
}
