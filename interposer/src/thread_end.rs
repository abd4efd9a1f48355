//! The end of a thread: it hands over what it has recorded, and releases what it has.

use core::ffi::c_void;
use core::ptr::NonNull;

use crate::births::{Birth, take_origin};
use crate::hooks::interruptions;
use crate::platform::tls::{self, Activity, Doing};
use crate::session::{self, Session};
use crate::thread::ThreadState;

/// Makes sure that [`thread_ends`] is called at the end of the calling thread.
pub fn watch_thread(session: &Session, state: NonNull<ThreadState>) {
    // SAFETY: the key exists; the value is only ever seen by `thread_ends`.
    unsafe { libc::pthread_setspecific(session.key, state.as_ptr().cast::<c_void>()) };
}

/// Makes sure that what the calling thread was created with is released at its end, if it makes no event until then.
pub fn watch_birth(session: &Session, birth: *mut Birth) {
    // SAFETY: the key exists; the value is only ever seen by `thread_ends`.
    unsafe { libc::pthread_setspecific(session.key, birth.map_addr(|address| address | IS_BIRTH).cast::<c_void>()) };
}

/// Distinguishes the two kinds of value of the key: both are aligned to pages.
const IS_BIRTH: usize = 1;

/// Destructors of other keys may still allocate: the thread's state is released in the third of their rounds
/// (of `PTHREAD_DESTRUCTOR_ITERATIONS`, 4).
const LAST_ENDING: u32 = 3;

/// The destructor of the session's key.
pub unsafe extern "C" fn thread_ends(watched: *mut c_void) {
    let block = tls::block();
    if watched.addr() & IS_BIRTH != 0 {
        drop(take_origin(block));
        return;
    }
    let Some(session) = session::active() else { return };
    // A thread that is cancelled in a handler may end at any level.
    let Some(state) = interruptions::levels(block).last() else { return };
    // In a forked child, it is the copy of a state of the parent's.
    if state.as_ptr().cast() != watched {
        return;
    }
    block.begin(Activity::of(Doing::Real));
    ThreadState::replace(block, state.as_ptr());
    block.set_level(0);
    // SAFETY: the state is this thread's own, and stays valid until it is destroyed here.
    unsafe {
        (*state.as_ptr()).endings += 1;
        if (*state.as_ptr()).endings < LAST_ENDING {
            ThreadState::seal(state);
            watch_thread(session, state);
        } else {
            ThreadState::replace(block, core::ptr::null_mut());
            block.set_ended();
            ThreadState::destroy(state);
        }
    }
    block.begin(Activity::PROGRAM);
}
