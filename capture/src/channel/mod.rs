//! The way from the recorded process to the recorder: a pool of chunks in shared memory.
//!
//! A thread takes a free chunk, appends records to it and publishes each one with a single release store. A full chunk
//! is sealed; the recorder drains it and gives it back. Nothing on this way allocates, locks or enters the kernel,
//! except when the pool is exhausted: then the thread waits, for exactness comes before speed, and the wait is counted.
//! Because the recorder maps the same memory, it can read every published record however the process ends.
//!
//! - [`atomic`]: words of shared memory.
//! - [`code`]: the description of a code object.
//! - [`layout`]: the bytes of the pool.
//! - [`module`]: the description of a module.
//! - [`pool`]: chunks and their states, for both sides.
//! - [`process`]: the description of a process.
//! - [`record`]: the records inside a chunk and their decoder.
//! - [`life_line`]: whether the recorder is still there.
//! - [`states`]: the states of chunks, and the steps between them.
//! - [`turns`]: how its events are dated.
//! - [`writer`]: a thread's end of the channel.

pub mod atomic;
pub mod code;
pub mod followed;
pub mod layout;
pub mod life_line;
pub mod module;
pub mod pool;
pub mod process;
pub mod record;
pub mod states;
pub mod turns;
pub mod writer;

#[cfg(test)]
mod checks;

pub use pool::{ChunkIndex, Pool, PoolSettings};
pub use record::{Record, Records};
pub use writer::ChunkWriter;
