//! The capture file: what a recording leaves behind. docs/capture-format.md describes its bytes.
//!
//! - [`format`](mod@format): the frame of every chunk.
//! - [`facts`]: what is known about the run: [`Header`], [`Fact`], [`Summary`].
//! - [`tables`]: code objects, frames, stacks, sites, threads.
//! - [`columns`]: the events of a chunk.
//! - [`writer`] and [`reader`].

pub mod columns;
pub mod facts;
pub mod format;
pub mod reader;
pub mod tables;
pub mod varint;
pub mod writer;

pub use facts::{Fact, Header, Summary};
pub use format::{ChunkHeader, ChunkKind};
pub use reader::{CaptureReader, EventChunk, OpenError};
pub use tables::{Code, Frame, Site, StackNode, Tables, Thread};
pub use writer::CaptureWriter;
