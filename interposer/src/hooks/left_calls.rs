//! Hooks that never returned: a signal handler left them by `longjmp`. Programs that survive a stack overflow do so,
//! and a stack can overflow in a hook as well as anywhere else. Without care, all that the thread does afterwards would
//! seem to come from within that hook.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

use super::interruptions;
use crate::locks;
use crate::platform::stacks::is_on_signal_stack;
use crate::platform::tls::{Activity, Block, Doing};
use crate::session;
use crate::thread::{Level, ThreadState};
use crate::unwind::stack_region::StackRegion;

/// Finds out whether the hooks that are at work in this thread have been left, when another one is called whose stack
/// pointer is `sp`. If all have, the thread is as if there were none. If only that of a handler has, the record that it
/// had interrupted is under way again.
#[cold]
pub fn clear(block: Block, sp: usize) -> bool {
    while is_left(block, sp) {
        if leave(block) == Then::Left && !interruptions::end(block) {
            block.begin(Activity::PROGRAM);
        }
    }
    block.doing() == Doing::Program
}

/// Hooks that were called while a hook asked somebody something have been left, though that hook has not: the thread is
/// as if there were none, unless a handler has left another one meanwhile.
#[cold]
pub fn clear_above(block: Block) {
    while leave(block) == Then::Left {
        if !interruptions::end(block) {
            return block.begin(Activity::PROGRAM);
        }
    }
}

/// Whether the hook that is at work has been left.
fn is_left(block: Block, sp: usize) -> bool {
    let (hook_sp, stack) = (block.activity().hook_sp(), StackRegion::of_bounds(block.stack()));
    // What is called from within a hook has its frame below the hook's, if it is on the same stack.
    let same_stack = stack.contains(sp) && stack.holds_hook(hook_sp);
    hook_sp != 0 && sp >= hook_sp && same_stack && !is_on_signal_stack()
}

/// What is the case when what a hook was doing has been given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The thread still counts as being in that hook.
    Left,
    /// It does not. A handler may have come since then, and have left a hook of its own.
    Free,
}

/// Gives up what the hook was doing.
fn leave(block: Block) -> Then {
    let mut then = Then::Left;
    if block.doing() == Doing::Recording {
        let lost = take_record(block);
        if ThreadState::of(block).is_null() {
            // To hand over takes its time: a handler that comes meanwhile finds a thread that does nothing, and makes
            // records.
            block.begin(Activity::PROGRAM);
            then = Then::Free;
        }
        give_up(lost);
    } else {
        // SAFETY: the state is this thread's own, and the hook that used it has been left.
        if let Some(state) = unsafe { ThreadState::of(block).as_mut() } {
            state.let_go();
        }
    }
    then
}

/// A call ends that was made with `state`, but that is not the present one any more: handlers have interrupted its
/// record, and their hooks were left by others. What these were doing is not known any more.
#[cold]
pub fn leave_levels_above(block: Block, state: *mut ThreadState) {
    while ThreadState::of(block) != state {
        give_up_record(block);
        if !interruptions::end(block) {
            ThreadState::replace(block, state);
        }
    }
}

/// The record is lost, and what was being changed for it cannot be relied on: the thread gets a new state. The old
/// one's memory is lost too, since what refers to what is unknown.
fn give_up_record(block: Block) {
    give_up(take_record(block));
}

/// Takes the state with which the lost record was made away from the thread.
fn take_record(block: Block) -> Option<NonNull<ThreadState>> {
    session::count_skipped();
    locks::give_up();
    let state = NonNull::new(ThreadState::of(block))?;
    // SAFETY: the state is this thread's own, and the hook that used it has been left.
    match unsafe { ThreadState::beside(state) }.level {
        Level::Program => drop(ThreadState::replace(block, ptr::null_mut())),
        // SAFETY: so is the state of the level below.
        Level::Handler { outer, .. } => unsafe { ThreadState::beside(outer) }.inner.store(ptr::null_mut(), Relaxed),
    }
    Some(state)
}

fn give_up(state: Option<NonNull<ThreadState>>) {
    if let Some(state) = state {
        // SAFETY: the thread has it no more. What was published is whole, and can be handed over at any time.
        unsafe { ThreadState::give_up(state) };
    }
}
