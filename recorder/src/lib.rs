//! The outside of a recording: starts the program, drains its channel, writes the capture.
//!
//! - [`recording`]: the whole of it.
//! - [`program`], [`interpreter`], [`path_search`], [`executable`], `needed_libraries`: what is to be run, and whether
//!   it can be recorded.
//! - [`start`], [`inherited`], [`signals`], [`wait`]: the program's start, life and end.
//! - [`own_limits`], [`last_resort`]: what is not to stop memprof, and what is done when something does.
//! - `shared_pool`, `drain`, `transcoding`, `interning`, `resident_set`: what comes through the channel. `drain` says
//!   how.
//! - [`given_channel`]: the same for a channel that no program filled.
//! - [`output`]: where it goes, event by event or summed up.
//! - [`user_folder`]: where things are kept from one recording to the next.
//! - [`symbols`]: the names of native frames, at the end or later. [`packages`]: the packages of files, at the end.

mod drain;
pub mod executable;
mod frozen;
pub mod given_channel;
pub mod inherited;
mod interning;
pub mod interpreter;
pub mod last_resort;
mod needed_libraries;
pub mod output;
pub mod own_limits;
pub mod packages;
pub mod path_search;
mod process_maps;
pub mod program;
pub mod recording;
mod resident_set;
mod shared_pool;
pub mod signals;
pub mod start;
pub mod symbols;
mod transcoding;
pub mod user_folder;
pub mod wait;

pub use memprof_capture::file::OpenError;
pub use memprof_capture::os_error;
