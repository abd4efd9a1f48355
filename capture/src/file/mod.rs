//! The capture file: what a recording leaves. docs/capture-format.md describes its bytes.
//!
//! - [`format`](mod@format): the frame of every chunk.
//! - [`facts`]: what is known about the run: [`Header`], [`Fact`], [`Summary`].
//! - [`tables`]: code objects, modules, frames and their names, stacks, sites, what is mapped, threads, packages.
//! - [`package_paths`]: what paths alone say about packages.
//! - [`columns`]: the events of a chunk.
//! - `stored_rows`: their rows as bytes; `table_rows`: as parts of a table.
//! - [`joined_tables`]: the tables of a capture that is made of others.
//! - `repeated_rows`: rows that a table has more than once. [`elided_callers`]: rows that a table has no room for.
//!   [`site_numbers`]: what becomes of their numbers in events.
//! - [`writer`] and [`reader`]; `scan` finds the chunks of a file, whole or cut off.
//! - [`aggregate`]: what an aggregated capture has in place of events, [`size_histogram`] among it;
//!   [`aggregated_capture`] writes one.
//! - [`image_events`]: how events come into their final order, and so into columns.
//! - [`whole_file`]: how a file gets its name when it is whole.
//! - `thread_columns` and `event_rewriting`: the events of older versions.

pub mod aggregate;
pub mod aggregated_capture;
mod allowance;
pub mod columns;
pub mod elided_callers;
mod event_rewriting;
pub mod facts;
pub mod format;
pub mod image_events;
pub mod joined_tables;
mod open_error;
pub mod package_paths;
pub mod reader;
mod repeated_rows;
pub mod rewrite;
mod scan;
pub mod site_numbers;
pub mod size_histogram;
mod stored_rows;
mod table_rows;
pub mod tables;
mod thread_columns;
pub mod varint;
pub mod whole_file;
pub mod writer;

pub use facts::{Fact, Header, Summary, SymbolSource};
pub use format::{ChunkHeader, ChunkKind};
pub use open_error::OpenError;
pub use reader::{CaptureReader, ChunkObserver, EventChunk};
pub use scan::Damage;
pub use tables::{
    Code, FilePackage, Frame, FrameSymbols, Function, MappedPart, Module, NativeFrame, PackagedFile, SharedPart, Site,
    StackNode, Tables, Thread,
};
pub use writer::CaptureWriter;
