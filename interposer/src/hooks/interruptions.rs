//! Signal handlers that interrupt a record, and make events themselves.
//!
//! The thread state is in use then, at any point, and so may a lock be. So such a handler's records are made with a
//! state of their own, the inner one of the interrupted state, with its own end of the channel: for the recorder it is
//! another thread. A further handler may interrupt those records, and so on: each is at a level of its own. What the
//! levels share is what threads share, and locks are not waited for ([`lock`](crate::lock)). Python's frames are not
//! read: the record may just be doing that.
//!
//! The state of the present level is stored in the thread's block. Wherever a further handler interrupts what is done
//! here, it finds a record under way and a state that makes none, or one that it leaves as it was.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

use crate::lock::Recording;
use crate::memory::MappedVec;
use crate::platform::tls::{Activity, Block, Doing};
use crate::session::Session;
use crate::thread::{Level, ThreadState};

/// Deeper levels than this are not recorded.
const MOST_LEVELS: u8 = 4;

/// A handler makes an event in the middle of a record, in a hook with this stack pointer: the state to record it with,
/// which is the thread's present one until [`end`]. Nothing if there is none.
pub fn begin(block: Block, session: &Session, sp: usize) -> Option<NonNull<ThreadState>> {
    let outer = NonNull::new(ThreadState::of(block))?;
    let (inner, number) = inner_of(outer, session, sp)?;
    // SAFETY: it is this thread's own, and stays as long as the thread.
    unsafe { ThreadState::beside(inner) }.set_interrupted(block.activity());
    // In this order: see `end`, which a further handler may come to in between.
    ThreadState::replace(block, inner.as_ptr());
    block.set_level(number);
    block.begin(Activity::in_hook(Doing::Real, sp));
    Some(inner)
}

/// That event has been recorded, or its hook has been left: the interrupted record is under way again. False if the
/// thread is at no level of a handler.
pub fn end(block: Block) -> bool {
    let Some(present) = NonNull::new(ThreadState::of(block)) else { return false };
    // SAFETY: it is this thread's own, and stays as long as the thread.
    let beside = unsafe { ThreadState::beside(present) };
    let Level::Handler { number, outer } = beside.level else { return false };
    block.begin(beside.interrupted());
    ThreadState::replace(block, outer.as_ptr());
    block.set_level(number - 1);
    true
}

/// The states of the thread's present level and of those whose records it has interrupted: the last is that of the
/// program's own records. None if the thread has none.
pub fn levels(block: Block) -> impl Iterator<Item = NonNull<ThreadState>> {
    // SAFETY: they are this thread's own, and stay as long as the thread.
    core::iter::successors(NonNull::new(ThreadState::of(block)), |&state| unsafe {
        match ThreadState::beside(state).level {
            Level::Program => None,
            Level::Handler { outer, .. } => Some(outer),
        }
    })
}

/// The state of the level above and that level's number. It is made now if need be, in the hook with this stack
/// pointer.
fn inner_of(outer: NonNull<ThreadState>, session: &Session, sp: usize) -> Option<(NonNull<ThreadState>, u8)> {
    // SAFETY: it is this thread's own, and stays as long as the thread.
    let beside = unsafe { ThreadState::beside(outer) };
    let number = match beside.level {
        Level::Program => 1,
        Level::Handler { number, .. } => number + 1,
    };
    if number > MOST_LEVELS {
        return None;
    }
    if let Some(inner) = NonNull::new(beside.inner.load(Relaxed)) {
        return Some((inner, number));
    }
    let level = Level::Handler { number, outer };
    // SAFETY: a record is under way, so that the thread does something else than the program's business. The right that
    // this record has is interrupted: what is done here takes no lock.
    let recording = &mut unsafe { Recording::begin() };
    let created = ThreadState::create(session, level, MappedVec::new(), sp, recording).ok()?;
    // A further handler may have been quicker.
    match beside.inner.compare_exchange(ptr::null_mut(), created.as_ptr(), Relaxed, Relaxed) {
        Ok(_) => Some((created, number)),
        Err(other) => {
            // SAFETY: nobody has seen it.
            unsafe { ThreadState::destroy(created) };
            NonNull::new(other).map(|inner| (inner, number))
        }
    }
}
