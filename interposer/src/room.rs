//! Hooks that are called where the thread's own stack is about to end. A record takes more of it than the function that
//! the program has called. So the stack could overflow where the program alone would have had just enough. There the
//! record is made on a spare stack.
//!
//! Only there, because a signal handler that interrupts the record, and has no stack of its own, runs on the spare one,
//! too. A handler that looks for its thread's stack does not expect that. But so near the end, such a handler would
//! hardly have had room anyway.

use crate::confinement::unless_confined;
use crate::platform::stacks::{SignalsHeldBack, SpareStack, end_of_signal_stack, is_on_signal_stack};
use crate::platform::tls::Block;

/// A record takes less stack than this. What takes most are steps through unwinding information, done under a lock that
/// wants to see 6 KiB.
const ROOM: usize = 12 << 10;

/// Whether a hook with this stack pointer was called where there may be too little. Of another stack than the thread's
/// own it is not known where it ends.
#[inline(always)]
pub fn is_short(block: Block, sp: usize) -> bool {
    is_near(sp, block.end_of_stack())
}

/// Likewise of a hook that signal handlers may call, whose stacks may be just large enough for them.
#[inline(always)]
pub fn is_short_in_handlers(block: Block, sp: usize) -> bool {
    is_short(block, sp) || is_outside(block, sp) && has_short_signal_stack(sp)
}

/// Whether it is another stack than the thread's own, as far as that is known.
#[inline(always)]
fn is_outside(block: Block, sp: usize) -> bool {
    let (low, high) = block.stack();
    sp.wrapping_sub(low) >= high.wrapping_sub(low)
}

#[cold]
#[inline(never)]
fn has_short_signal_stack(sp: usize) -> bool {
    // A program that has forbidden itself to ask must have room.
    unless_confined(end_of_signal_stack).flatten().is_some_and(|end| is_near(sp, end))
}

/// Whether so little is left down to the end of a stack.
#[inline(always)]
pub const fn is_near(sp: usize, end: usize) -> bool {
    sp.wrapping_sub(end) < ROOM
}

/// Does something on the spare stack, or on the present one if there is no spare one.
///
/// Inlined, as is all that leads there: each frame takes some of the little stack that is left.
#[inline(always)]
pub fn with_room<R>(spare: &mut Option<SpareStack>, act: impl FnOnce() -> R) -> R {
    // A handler would begin at the start of its stack again if the thread were seen to have left that.
    let held_back = match is_on_signal_stack() {
        true => match unless_confined(SignalsHeldBack::begin).flatten() {
            None => return act(),
            held_back => held_back,
        },
        false => None,
    };
    let found = spare.take().or_else(SpareStack::map);
    // If what is done now is left by a handler's jump, the stack is lost with the thread's state.
    let Some(mut stack) = found else { return act() };
    let result = stack.run(act);
    *spare = Some(stack);
    drop(held_back);
    result
}
