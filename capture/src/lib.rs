//! The language that the parts of memprof share.
//!
//! - [`event`]: what can happen to a program's memory, with the identifiers of [`ids`] and the [`allocator`]s.
//! - [`clock`]: when it happens.
//! - [`early_stop`]: why a recording ended before its program; [`not_followed`]: why it did not go on in another one.
//! - [`executable`]: what a file is that is to be executed.
//! - [`channel`]: how events travel from the recorded process to the recorder, through shared memory.
//! - [`file`](mod@file): how they are kept (docs/capture-format.md).
//! - [`thread_merge`] and [`resolution`]: on their way into the file, the events of several threads are brought into one
//!   order, and blocks get numbers in place of addresses.
//! - [`page_index`]: how tables by address or number find their pages.
//! - [`process_stat`]: what the kernel says of a process.
//! - [`quiet_file`]: what the recorded process reads on the way; [`kept_errno`]: what it must not notice.
//!
//! This crate knows no other part of memprof. The interposer uses it without the feature `file`.

pub mod allocator;
pub mod channel;
pub mod clock;
pub mod early_stop;
pub mod event;
pub mod executable;
#[cfg(feature = "file")]
pub mod file;
pub mod ids;
pub mod kept_errno;
pub mod not_followed;
pub mod object_tracing;
#[cfg(feature = "file")]
pub mod os_error;
#[cfg(feature = "file")]
pub mod page_index;
pub mod process_stat;
pub mod quiet_file;
#[cfg(feature = "file")]
pub mod resolution;
#[cfg(feature = "file")]
pub mod thread_merge;
