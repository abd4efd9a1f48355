//! The library that lives in the profiled process.
//!
//! It is preloaded, so that its `malloc` comes before everybody else's. Each hooked call runs the real function and
//! leaves a record in the shared channel; the recorder, outside, does everything else.
//!
//! - [`hooks`]: the functions that it puts in front of the C library's.
//! - [`session`]: whether this process is recorded at all, and the way to the recorder.
//! - [`thread`]: what a thread keeps: its end of the channel, its last stack.
//! - [`stacks`]: how a stack becomes a number, cheaply.
//! - [`python`]: CPython's frames and code objects, read where they lie.
//! - [`linked_allocators`]: allocators that no symbol leads to, found in the symbol tables and patched.
//! - [`memory`]: memory of our own, never from the program's heap.
//! - [`platform`]: what differs between operating systems and processors.
//!
//! Rules: between a hook's entry and its return nothing allocates from the program's heap, takes a lock that another
//! thread could hold for long, formats text, panics, or changes errno.

// The test program exports no hooks: it must not interpose itself. So nothing calls what they call.
#![cfg_attr(test, allow(dead_code))]

mod hooks;
#[cfg(target_arch = "x86_64")]
mod linked_allocators;
mod memory;
mod platform;
mod process;
mod python;
mod session;
mod spin_lock;
mod stacks;
mod thread;
mod unwind;
