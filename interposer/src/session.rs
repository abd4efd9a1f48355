//! Whether this process is recorded, and its way to the recorder. How that begins: [`start`](crate::start).

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use memprof_channel::Pool;
use memprof_channel::early_stop::EarlyStop;
use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::layout::{CHUNK_BYTES, PythonState, store_text};

use crate::platform::memory::{MappedPool, say};
use crate::process::Identity;
use crate::python::interpreter::Interpreter;
use crate::stop::Stop;

/// A process that is recorded.
pub struct Session {
    /// The way to the recorder. A forked child may have to open another one to the same pool.
    pool: UnsafeCell<(Pool, MappedPool)>,
    /// Which image of which process this is.
    pub identity: Identity,
    /// Whether stacks have native frames.
    pub native_stacks: bool,
    /// Whether the processes that it starts are recorded as well.
    pub follows: bool,
    /// Under which a thread keeps what it has to release at its end.
    pub key: libc::pthread_key_t,
}

impl Session {
    /// A session of this process.
    pub const fn new(
        pool: Pool,
        mapping: MappedPool,
        identity: Identity,
        native_stacks: bool,
        follows: bool,
        key: libc::pthread_key_t,
    ) -> Self {
        Self { pool: UnsafeCell::new((pool, mapping)), identity, native_stacks, follows, key }
    }

    /// The way to the recorder.
    #[inline]
    pub fn pool(&self) -> Pool {
        // SAFETY: it is changed only by `leave_pool`, when there is no other thread, and copied here.
        unsafe { (*self.pool.get()).0 }
    }

    /// A number for a thread that is about to make its first event.
    pub fn next_thread(&self) -> u32 {
        self.pool().header().threads_started.fetch_add(1, AcqRel)
    }

    /// What is still under way in this process, a forked child, may write to where its parent does: leaves that to the
    /// parent, and finds another way to the same pool. Where the pool was, there is memory of the child's own
    /// afterwards. Nothing if that could not be done, and the child must not record; else some of that memory, as much
    /// as a chunk.
    ///
    /// # Safety
    /// The process has one thread.
    pub unsafe fn leave_pool(&self) -> Option<NonNull<u64>> {
        // SAFETY: nobody else refers to it.
        let (pool, mapping) = unsafe { &mut *self.pool.get() };
        let other = mapping.leave()?;
        let left = core::mem::replace(mapping, other);
        // SAFETY: the new mapping has the same length and content, and stays.
        *pool = unsafe { Pool::attach(other.start.as_ptr(), other.bytes) }.ok()?;
        // SAFETY: a pool has a chunk at least, which are its last bytes.
        Some(unsafe { left.start.add(left.bytes - CHUNK_BYTES) }.cast())
    }
}

struct Once<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: written once, by the one thread that starts the session, and read after ACTIVE was set with release order. Of
// a session, what changes later is atomic or says under which condition it changes.
unsafe impl<T> Sync for Once<T> {}

static SESSION: Once<Session> = Once(UnsafeCell::new(MaybeUninit::uninit()));

/// 1 while calls are recorded. It lies in a page that the kernel wipes in every child process, however it is forked:
/// a child never writes into its parent's chunks.
static ACTIVE: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const INACTIVE).cast_mut());
static INACTIVE: AtomicU32 = AtomicU32::new(0);
static IS_THERE: AtomicBool = AtomicBool::new(false);

/// The session, while calls are recorded.
#[inline]
pub fn active() -> Option<&'static Session> {
    // SAFETY: ACTIVE always points to a live counter: the static one, or one in a page that is never unmapped.
    let is_active = unsafe { (*ACTIVE.load(Acquire)).load(Acquire) != 0 };
    // SAFETY: the session was written before ACTIVE got to point to what may be on.
    is_active.then(|| unsafe { (*SESSION.0.get()).assume_init_ref() })
}

/// The session of this process, or of the one that this one was forked from, whether or not calls are recorded.
#[inline]
pub fn known() -> Option<&'static Session> {
    // SAFETY: it was written before that was said.
    IS_THERE.load(Acquire).then(|| unsafe { (*SESSION.0.get()).assume_init_ref() })
}

/// Makes a session the one of this process. `switch` is on while calls are recorded.
///
/// # Safety
/// Called once. The switch is never unmapped.
pub unsafe fn begin(session: Session, switch: NonNull<AtomicU32>) -> &'static Session {
    // SAFETY: nobody reads before the next line says that it is there.
    let session = unsafe { (*SESSION.0.get()).write(session) };
    IS_THERE.store(true, Release);
    ACTIVE.store(switch.as_ptr(), Release);
    session
}

/// From now on calls are recorded, in this process.
pub fn switch_on() {
    let switch = ACTIVE.load(Acquire);
    if switch.cast_const() != &raw const INACTIVE {
        // SAFETY: see `active`.
        unsafe { (*switch).store(1, Release) };
    }
}

/// This process, a forked child, can never be recorded.
pub fn never_again() {
    ACTIVE.store((&raw const INACTIVE).cast_mut(), Release);
}

static ALLOCATOR_REPORTED: AtomicBool = AtomicBool::new(false);

/// Python code runs, so the interpreter's allocator is settled: reports its name to the recorder, once.
pub fn note_running_interpreter(interpreter: &Interpreter) {
    if ALLOCATOR_REPORTED.load(Relaxed) || ALLOCATOR_REPORTED.swap(true, AcqRel) {
        return;
    }
    if let Some(session) = active() {
        store_text(&session.pool().header().python_allocator, interpreter.allocator_name());
    }
}

/// The interpreter has turned out to be none whose stacks can be read.
#[cold]
pub fn note_refused_interpreter() {
    if let Some(session) = active() {
        session.pool().header().python_state.store(PythonState::Unknown as u32, Release);
    }
}

/// Counts an event that is not recorded.
#[cold]
pub fn count_skipped() {
    if let Some(session) = active() {
        session.pool().header().skipped.fetch_add(1, Relaxed);
    }
}

/// Ends recording in this process. The recorder says why, at the end; only if that is gone, it is said here.
#[cold]
pub fn stop(Stop(reason): Stop) {
    // SAFETY: see `active`.
    if unsafe { (*ACTIVE.load(Acquire)).swap(0, AcqRel) } == 0 {
        return;
    }
    let _errno = KeptErrno::new();
    let first = known().is_none_or(|session| session.pool().header().stopped.swap(reason as u32, AcqRel) == 0);
    // A recorder that could say so itself has noted it before it went.
    if reason == EarlyStop::RecorderGone && first {
        say("memprof: recording stops, the program goes on: ");
        say(reason.in_words());
        say("\n");
    }
}
