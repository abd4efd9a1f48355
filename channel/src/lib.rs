//! What the interposer and the recorder share: the channel between them, and the words in which they say things.
//!
//! The channel is a pool of chunks in shared memory. A thread takes a free chunk, appends records to it and publishes
//! each one with a single release store. A full chunk is sealed; the recorder drains and releases it. Nothing on this
//! way allocates, locks or enters the kernel, except when the pool is exhausted: then the thread waits, for exactness
//! comes before speed, and the wait is counted. Because the recorder maps the same memory, it can read every published
//! record however the process ends.
//!
//! - [`layout`]: the bytes of the pool; [`atomic`]: their words.
//! - [`pool`]: chunks, for both sides; [`states`]: their states, and the steps between them.
//! - [`writer`]: a thread's end of the channel, which is its chunks' [`author`]; [`turns`]: how its events are stamped,
//!   by a [`clock`].
//! - [`record`]: the records inside a chunk and their decoder. Some are descriptions: of a [`process`], a [`module`], a
//!   [`code`] object.
//! - [`followed`]: which processes are recorded; [`not_followed`]: why a recording did not go on in another program.
//! - [`lifeline`]: whether the recorder is still there; [`early_stop`]: why a recording ended before its program.
//!
//! What it says: what happens to the program's memory ([`event`]), with the identifiers of [`ids`] and the
//! [`allocator`]s. Captures and reports name things by these, too. [`object_tracing`]: whether events of Python's own
//! allocators are among them.
//!
//! What both sides find out by themselves: what a file is that is to be executed ([`executable`]), and what the kernel
//! says of a process ([`process_stat`]). [`elf_record`]: how both look at structures of ELF. [`kept_errno`] is what the
//! program must not notice.
//!
//! This crate knows no other part of memprof. What the interposer calls of it runs in the recorded process: within its
//! `malloc`, in signal handlers, in forked children. So nothing there allocates.

pub mod allocator;
pub mod atomic;
pub mod author;
pub mod clock;
pub mod code;
pub mod early_stop;
pub mod elf_record;
pub mod event;
pub mod executable;
pub mod followed;
pub mod ids;
pub mod kept_errno;
pub mod layout;
pub mod lifeline;
pub mod module;
pub mod not_followed;
pub mod object_tracing;
pub mod pool;
pub mod process;
pub mod process_stat;
pub mod record;
pub mod states;
pub mod turns;
pub mod writer;

#[cfg(test)]
mod checks;

pub use pool::{ChunkIndex, Pool, PoolSettings};
pub use record::{Record, Records};
pub use writer::ChunkWriter;
