//! Hooks that never returned: a signal handler left them by `longjmp`. Programs do so that survive the overflow of a
//! stack, which is as likely to be reached in a hook as anywhere else. Without care, all that the thread does afterwards
//! would look as if it came from within that hook.

use core::mem::MaybeUninit;
use core::ptr;

use memprof_capture::kept_errno::KeptErrno;

use crate::locks;
use crate::platform::tls::{Block, Doing};
use crate::session;
use crate::thread::ThreadState;
use crate::unwind::stack_region::StackRegion;

/// How far below its stack's end the frame of a hook may be that an overflow has ended.
const BEYOND: usize = 16 * 1024;

/// Finds out whether the hook that is at work in this thread has been left, when another one is called whose stack pointer
/// is `sp`. If so, the thread is as if there were none.
#[cold]
pub fn clear(block: Block, sp: usize) -> bool {
    let (hook_sp, stack) = (block.hook_sp(), StackRegion::of_bounds(block.stack()));
    // What is called from within a hook has its frame below the hook's, if it is on the same stack.
    let same_stack = stack.contains(sp) && stack.contains(hook_sp.saturating_add(BEYOND));
    if hook_sp == 0 || sp < hook_sp || !same_stack || on_signal_stack() {
        return false;
    }
    if block.doing() == Doing::Recording {
        give_up_record(block);
    } else {
        // SAFETY: the state is this thread's own, and the hook that used it has been left.
        if let Some(state) = unsafe { ThreadState::of(block).as_mut() } {
            state.let_go();
        }
    }
    block.set_hook_sp(0);
    block.begin(Doing::Program);
    true
}

/// The record is lost, and what was being changed for it cannot be relied on: the thread gets a new state. The old one's
/// memory is lost too, since what refers to what is unknown.
fn give_up_record(block: Block) {
    session::count_skipped();
    locks::give_up();
    let state = ThreadState::replace(block, ptr::null_mut());
    // SAFETY: the state is this thread's own, and the hook that used it has been left. What was published is whole, and can
    // be handed over at any time.
    if let Some(state) = unsafe { state.as_mut() } {
        state.give_up();
    }
}

/// Whether the thread runs on the stack that it has set aside for signal handlers, which may lie within its own one.
fn on_signal_stack() -> bool {
    let _errno = KeptErrno::new();
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: only asks; the structure is filled by the call, and is valid all zero.
    unsafe {
        let asked = libc::sigaltstack(ptr::null(), stack.as_mut_ptr());
        asked != 0 || stack.assume_init().ss_flags & libc::SS_ONSTACK != 0
    }
}
