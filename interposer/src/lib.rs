//! The library that lives in the profiled process.
//!
//! It is preloaded, so that its `malloc` comes before everybody else's. Each hooked call runs the real function and
//! leaves a record in the shared channel; the recorder, outside, does everything else.
//!
//! From top to bottom; each knows only what is below it:
//!
//! - [`hooks`]: the functions that it puts in front of the C library's and Python's.
//! - [`linked_allocators`]: allocators that no symbol leads to, found in the symbol tables and patched.
//! - [`start`]: how a session begins; [`python_start`]: how the interpreter becomes known.
//! - [`execution`]: programs that this process executes, and what they get; [`environment`]: what leads them here.
//! - [`locks`]: all locks, and what becomes of them when a thread is left or a process forked.
//! - [`thread`]: what a thread keeps: its end of the channel, its last stack; [`thread_end`]: how it ends.
//! - [`session`]: whether this process is recorded, and the way to the recorder; [`process`]: which one it is.
//! - [`confinement`]: whether the program may be ended for what is asked of the system.
//! - [`python`]: CPython's frames and code objects, read where they lie.
//! - [`stacks`]: how a stack becomes a number, cheaply; [`unwind`]: native frames.
//! - [`channel`], [`births`], [`address_table`], [`lock`], [`room`], [`stop`], [`memory`]: what they are made of.
//! - [`elf`]: what loaded modules and their files say about themselves.
//! - [`platform`]: what differs between operating systems and processors.
//!
//! Rules: between a hook's entry and its return nothing allocates from the program's heap, takes a lock that another
//! thread could hold for long, formats text, panics, or changes errno.

// The test program exports no hooks: it must not interpose itself. So nothing calls what they call.
#![cfg_attr(test, allow(dead_code))]

mod address_ranges;
mod address_table;
mod births;
mod channel;
mod confinement;
mod elf;
mod environment;
mod execution;
mod hooks;
mod internal_mappings;
#[cfg(target_arch = "x86_64")]
mod linked_allocators;
mod lock;
mod locks;
mod memory;
mod platform;
mod process;
mod python;
mod python_start;
mod room;
mod session;
mod stacks;
mod start;
mod stop;
mod thread;
mod thread_end;
mod unwind;

use core::ffi::CStr;

use lock::Recording;
use platform::loaded_modules::MayAskLoader;
use python::allocator_functions::AllocatorFunctions;

/// Puts hooks where no symbol leads to them, when a session begins: they are above [`start`], so that it cannot name
/// them.
///
/// The process has one thread then.
fn install(recording: &mut Recording, ask: &MayAskLoader) {
    hooks::forks::follow();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a session begins with the first allocation of a process.
    unsafe {
        linked_allocators::start(recording, ask);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (recording, ask);
}

/// Likewise, before any of them is called: finds the functions that hooks are put in front of.
fn look_up_hooked_functions(next: impl Fn(&CStr) -> usize) {
    hooks::list::look_up_real_functions(next);
}

/// Likewise, when the interpreter becomes known and its own allocators are to be recorded.
fn record_python_allocators(functions: &'static AllocatorFunctions) {
    hooks::python_allocators::record(functions);
}

/// Whether they are.
fn are_python_allocators_recorded() -> bool {
    hooks::python_allocators::are_recorded()
}

/// The interpreter has been unloaded.
fn stop_recording_python_allocators() {
    hooks::python_allocators::stop_recording();
}
