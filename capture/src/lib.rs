//! The capture: what a recording leaves, and how events get into it.
//!
//! - [`event`]: events in terms of allocations instead of addresses.
//! - [`thread_merge`] and [`resolution`]: on their way into the file, the events of several threads are brought into
//!   one order, and blocks get numbers in place of addresses.
//! - [`metric`]: what aggregated captures and reports sum up.
//! - [`file`](mod@file): how they are kept (docs/capture-format.md).
//! - [`page_index`]: how tables by address or number find their pages.
//! - [`os_error`]: what the operating system says, for people.
//!
//! This crate knows the numbers and names that `memprof_channel` has, and no other part of memprof. What the interposer
//! does, it does without it.

pub mod event;
pub mod file;
pub mod metric;
pub mod os_error;
pub mod page_index;
pub mod resolution;
pub mod thread_merge;
