//! Hooks that are called where the thread's own stack is about to end. A record takes more of it than the function that the
//! program has called: where the program alone would just have got by, its stack would overflow. There the record is made on a
//! spare stack.
//!
//! Only there: a signal handler that comes in between and is not on a stack of its own runs on the spare one too, which those
//! do not expect that look for a thread's stack from within a handler. So near the end, such a handler would hardly have had
//! room either.

use crate::platform::stacks::{SpareStack, is_on_signal_stack};
use crate::platform::tls::Block;

/// A record takes less stack than this. What takes most are steps through unwinding information, done under a lock that
/// wants to see 6 KiB.
const ROOM: usize = 12 << 10;

/// Whether a hook with this stack pointer was called where there may be too little. Of another stack than the thread's own
/// it is not known where it ends.
#[inline(always)]
pub fn is_short(block: Block, sp: usize) -> bool {
    let (low, _) = block.stack();
    is_near(sp, low)
}

/// Whether so little is left down to the end of a stack.
#[inline(always)]
pub const fn is_near(sp: usize, end: usize) -> bool {
    sp.wrapping_sub(end) < ROOM
}

/// Does something on the spare stack; where the thread is, if there is none to be had.
///
/// Inlined, as all on the way there: each frame takes of what is hardly left.
#[inline(always)]
pub fn with_room<R>(spare: &mut Option<SpareStack>, act: impl FnOnce() -> R) -> R {
    // A stack for signal handlers that lies within the thread's own one is a stack of its own: the next handler would begin at
    // its start again if the thread were seen to have left it.
    let found = if is_on_signal_stack() { None } else { spare.take().or_else(SpareStack::map) };
    // If what is done now is left by a handler's jump, the stack is lost with the thread's state.
    let Some(mut stack) = found else { return act() };
    let result = stack.run(act);
    *spare = Some(stack);
    result
}
