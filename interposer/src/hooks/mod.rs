//! The functions that are put in front of the C library's.
//!
//! - [`list`]: how they are defined, and the list of all.
//! - [`call`]: what all of them do before and after the real function.
//! - [`interruptions`]: signal handlers that make events in the middle of a record.
//! - [`left_calls`]: hooks that never returned.
//! - [`heap`]: `malloc` and its family.
//! - [`mapping`]: `mmap` and its family.
//! - [`program_break`]: `sbrk` and `brk`.
//! - [`threads`] has `pthread_create`, [`forks`] what is done in children.
//! - [`programs`]: programs that are executed.
//! - [`python_allocators`]: what is put before Python's own allocators.
//! - [`rights`]: what gives up rights: `prctl`, and what comes by [`system_call`].
//! - [`code`]: `dlclose`, and code that is made at run time.
//! - [`lookup`]: `dlsym`, which must find the hooks.
//!
//! What deallocates memory is stamped before the real call, what allocates memory after it: see
//! [`Event`](memprof_capture::event::Event).

pub mod call;
mod code;
pub mod forks;
mod heap;
pub mod interruptions;
mod left_calls;
pub mod list;
mod lookup;
mod mapping;
mod program_break;
mod programs;
pub mod python_allocators;
mod rights;
mod system_call;
mod threads;
