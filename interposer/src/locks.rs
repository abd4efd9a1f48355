//! All locks of this library: what is done with them when a thread is left, and in a forked child. A new lock is one
//! more line here.

use crate::internal_mappings;
use crate::lock::{AnyLock, Recording};
use crate::python::{interpreter, thread_states};
use crate::unwind::{call_frame_information, loaded_objects, modules};

fn for_each(mut act: impl FnMut(&dyn AnyLock)) {
    act(call_frame_information::lock());
    act(loaded_objects::lock());
    act(modules::lock());
    act(internal_mappings::lock());
    #[cfg(target_arch = "x86_64")]
    act(crate::linked_allocators::lock());
    thread_states::locks().into_iter().for_each(&mut act);
    if let Some(interpreter) = interpreter::present() {
        act(interpreter.codes.lock());
    }
}

/// What the calling thread was doing will never go on: it holds no lock any more.
pub fn give_up() {
    for_each(|lock| lock.give_up());
}

/// Resets, in a forked child, all locks, and the notes of what the parent has emitted.
///
/// # Safety
/// The process has one thread, which holds no lock and records nothing.
pub unsafe fn begin_in_child(recording: &mut Recording) {
    // SAFETY: the caller says so.
    unsafe {
        for_each(|lock| lock.renew());
        thread_states::renew();
        if let Some(interpreter) = interpreter::present() {
            interpreter.codes.renew();
        }
    }
    modules::clear_all(recording);
}
