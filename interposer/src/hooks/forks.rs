//! Forked children: a recorded process's child is recorded as a process of its own, or not at all, and never writes to
//! where its parent does.
//!
//! A child records nothing before its first hooked call, since the switch is off in it however it was forked; that call
//! makes everything afresh ([`start`](crate::start)), also the locks that were held by threads which it does not have.
//! So nothing needs to be done before a fork, and a child of a raw `clone` is as well off as one of `fork`.
//!
//! But a signal handler may fork in the middle of a hook. In the child, too, the hook goes on when the handler returns,
//! and would finish its record in the parent's chunk.

use core::sync::atomic::Ordering::Relaxed;

use memprof_channel::layout::CHUNK_BYTES;

use super::call::Call;
use super::interruptions;
use crate::platform::memory::map;
use crate::platform::tls::{self, Doing};
use crate::session;
use crate::thread::ThreadState;

/// Sees to the children of this process.
pub fn follow() {
    // SAFETY: the function lives as long as this library, which is never unloaded.
    unsafe { libc::pthread_atfork(None, None, Some(begin_child)) };
}

unsafe extern "C" fn begin_child() {
    let block = tls::block();
    let Some(session) = session::known() else { return };
    if !session.follows {
        session.pool().header().unrecorded_children.fetch_add(1, Relaxed);
    }
    if block.doing() == Doing::Program {
        // The session notices that this is another process, and the call's thread state emits its description.
        if session.follows {
            Call::make_nothing();
        }
        return;
    }
    // SAFETY: a forked child has one thread.
    let scratch = match unsafe { session.leave_pool() } {
        Some(own) => own,
        None => {
            session::never_again();
            // Without any memory, the last words of the record are written twice, the same ones by parent and child.
            let Some(own) = map(CHUNK_BYTES) else { return };
            own.cast()
        }
    };
    for state in interruptions::levels(block) {
        // SAFETY: the states are this thread's own; the hooks that use them are interrupted, and go on with what they
        // find there. The memory is as large as a chunk, and nobody else's; what the levels write there one after
        // another, nobody reads.
        unsafe { ThreadState::abandon(state, scratch) };
    }
}
