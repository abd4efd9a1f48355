//! The functions that stand in front of the C library's.
//!
//! - [`call`]: what all of them do before and after the real function.
//! - [`left_calls`]: hooks that never returned.
//! - [`heap`]: `malloc` and its family.
//! - [`mapping`]: `mmap` and its family.
//! - [`threads`] has `pthread_create`.
//! - [`code`]: `dlclose`, and code that is made at run time.
//!
//! What gives memory back is dated before the real call, what hands memory out after it: see
//! [`Event`](memprof_capture::event::Event).

mod call;
mod code;
mod heap;
mod left_calls;
mod mapping;
pub mod threads;
