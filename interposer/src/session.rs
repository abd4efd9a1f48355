//! Whether this process is recorded, and its way to the recorder.
//!
//! The recorder preloads the interposer into the program that it starts, and so into every program that this one
//! starts. Each of them finds the pool by the environment, but only the process that the recorder started (by its pid,
//! which an exec keeps) records; in all others every hook passes through. Two exceptions: when Python is to be recorded
//! and what was started is a wrapper that runs Python as its child, the first Python records; and where processes are
//! followed, all that come after the first one record, forked or executed.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_void};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use memprof_capture::channel::Pool;
use memprof_capture::channel::layout::{NATIVE_STACKS, PythonState, store_text};
use memprof_capture::kept_errno::KeptErrno;

use crate::hooks::threads::{Birth, take_origin};
use crate::platform::memory::{map, map_shared, say, unmap, wipe_in_children};
use crate::platform::{real, tls};
use crate::process::{self, Identity};
use crate::python::allocators;
use crate::python::interpreter::{self, Found, Interpreter};
use crate::thread::{Stop, ThreadState};
use crate::unwind::{checking, modules, stack_region, unwinder};

/// The environment variable that names the pool: a path to open.
pub const CHANNEL_VARIABLE: &CStr = c"MEMPROF_CHANNEL";

/// A process that is recorded.
pub struct Session {
    /// The way to the recorder.
    pub pool: Pool,
    /// Which image of which process this is.
    pub identity: Identity,
    /// Whether stacks have native frames.
    pub native_stacks: bool,
    /// Its Python interpreter, if its stacks can be read.
    pub interpreter: Option<&'static Interpreter>,
    key: libc::pthread_key_t,
}

impl Session {
    /// A number for a thread that is about to make its first event.
    pub fn next_thread(&self) -> u32 {
        self.pool.header().threads_started.fetch_add(1, AcqRel)
    }
}

struct Once<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: written once, by the one thread that moves PHASE from UNSTARTED to STARTING, and read after ACTIVE was set
// with release order.
unsafe impl<T> Sync for Once<T> {}

static SESSION: Once<Session> = Once(UnsafeCell::new(MaybeUninit::uninit()));
static INTERPRETER: Once<Interpreter> = Once(UnsafeCell::new(MaybeUninit::uninit()));

const UNSTARTED: u32 = 0;
const STARTING: u32 = 1;
const DECIDED: u32 = 2;
/// Recorded, and so are the processes that it forks.
const FOLLOWED: u32 = 3;
static PHASE: AtomicU32 = AtomicU32::new(UNSTARTED);

/// 1 while calls are recorded. It lies in a page that the kernel wipes in every child process, however it is forked:
/// a child never writes into its parent's chunks.
static ACTIVE: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const INACTIVE).cast_mut());
static INACTIVE: AtomicU32 = AtomicU32::new(0);

/// The session, while calls are recorded.
#[inline]
pub fn active() -> Option<&'static Session> {
    // SAFETY: ACTIVE always points to a live counter: the static one, or one in a page that is never unmapped. It is 1
    // only after the session was written.
    unsafe {
        if (*ACTIVE.load(Acquire)).load(Acquire) == 0 {
            return None;
        }
        Some((*SESSION.0.get()).assume_init_ref())
    }
}

/// The session, started now if that has not been decided yet. Too early in the life of a process, when there is no
/// environment yet, it stays undecided.
#[cold]
pub fn start() -> Option<&'static Session> {
    match PHASE.load(Acquire) {
        UNSTARTED if has_environment() && real::resolve() => {}
        FOLLOWED => return start_in_child(),
        _ => return None,
    }
    if PHASE.compare_exchange(UNSTARTED, STARTING, AcqRel, Relaxed).is_err() {
        return None;
    }
    // The search for the interpreter's symbols may allocate, which is not the program's business.
    let block = tls::block();
    // SAFETY: the block is this thread's own.
    unsafe { (*block).doing = tls::Doing::Real };
    let errno = KeptErrno::new();
    let page = attach();
    if page.is_some() {
        #[cfg(target_arch = "x86_64")]
        crate::linked_allocators::start();
    }
    drop(errno);
    // SAFETY: as above.
    unsafe { (*block).doing = tls::Doing::Program };
    let Some(page) = page else {
        PHASE.store(DECIDED, Release);
        return None;
    };
    ACTIVE.store(page, Release);
    let session = active()?;
    let follows = session.pool.header().follow_fork != 0;
    if follows {
        process::follow_forks(session.interpreter);
    }
    PHASE.store(if follows { FOLLOWED } else { DECIDED }, Release);
    Some(session)
}

/// A recorded process has forked, and this is the child: it records as a process of its own. Also called, and of no
/// consequence, when recording has stopped early.
#[cold]
fn start_in_child() -> Option<&'static Session> {
    // SAFETY: a followed process has a session. getpid cannot fail.
    let (session, pid) = unsafe { ((*SESSION.0.get()).assume_init_ref(), libc::getpid().cast_unsigned()) };
    if session.identity.pid() == pid || PHASE.compare_exchange(FOLLOWED, STARTING, AcqRel, Relaxed).is_err() {
        return None;
    }
    let block = tls::block();
    // SAFETY: the block is this thread's own. Its state writes to a chunk of the parent's, and is left alone: a copy that
    // nobody else has.
    unsafe { (*block).state = core::ptr::null_mut() };
    session.identity.become_child(&session.pool, pid);
    process::forget_told();
    // SAFETY: the switch is the counter in the page that the kernel has wiped in this process.
    unsafe { (*ACTIVE.load(Acquire)).store(1, Release) };
    PHASE.store(FOLLOWED, Release);
    Some(session)
}

fn has_environment() -> bool {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: libc's own variable, which it sets before it runs any initialiser.
    unsafe { !environ.is_null() }
}

/// Finds the pool, and whether this process is the one to record. Returns the switch that is on while it is.
fn attach() -> Option<*mut AtomicU32> {
    // SAFETY: the name is a C string. Nobody changes the environment while the first allocation is made.
    let path = unsafe { libc::getenv(CHANNEL_VARIABLE.as_ptr()) };
    if path.is_null() {
        return None;
    }
    // SAFETY: getenv returned a C string.
    let (pool, mapping) = open_pool(unsafe { CStr::from_ptr(path) })?;
    let switch = attach_to(pool);
    if switch.is_none() {
        // SAFETY: the mapping is whole, and nobody has kept the pool.
        unsafe { unmap(mapping.0, mapping.1) };
    }
    switch
}

/// Attaches to the pool, if this process is the one to record.
fn attach_to(pool: Pool) -> Option<*mut AtomicU32> {
    let header = pool.header();
    // SAFETY: getpid cannot fail.
    let pid = unsafe { libc::getpid() }.cast_unsigned();
    let is_target = header.target_pid.load(Acquire) == pid;
    let first = header.attached_pid.load(Acquire);
    let (waits_for_python, follows) = (header.python_only != 0 && first == 0, header.follow_fork != 0 && first != 0);
    if !is_target && !waits_for_python && !follows {
        return None;
    }
    // By dlsym, which must not be called once a hook may be within the loader's own clean-up.
    stack_region::prepare();
    let native_stacks = header.native_stacks != 0 && NATIVE_STACKS;
    let python_allocators = header.python_allocators != 0;
    if NATIVE_STACKS && (native_stacks || python_allocators) {
        unwinder::prepare();
        modules::set_interpreter(interpreter::address());
    }
    if native_stacks {
        checking::prepare();
    }
    let found = interpreter::find();
    if header.python_only != 0 && !follows && matches!(found, Found::Nothing) {
        return None;
    }
    if is_target && !follows {
        header.attached_pid.store(pid, Release);
    } else if header.attached_pid.compare_exchange(0, pid, AcqRel, Relaxed).is_err() && !follows {
        return None;
    }
    let stacks = attach_interpreter(&pool, found);
    if let Some(functions) = stacks.and_then(|stacks| stacks.allocators.as_ref()).filter(|_| python_allocators) {
        allocators::record(functions);
    }
    let mut key = 0;
    // SAFETY: `key` is filled by the call. Early keys have a place in the thread's own descriptor: no allocation.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(thread_ends)) } != 0 {
        return None;
    }
    let page = map(4096)?;
    // SAFETY: the page is fresh. Without the wipe a child could write into its parent's chunks: better not to record.
    if !unsafe { wipe_in_children(page, 4096) } {
        say("memprof: this kernel cannot wipe memory in child processes (Linux 4.14 can); nothing is recorded\n");
        return None;
    }
    let identity = Identity::of_new_image(&pool, pid);
    // SAFETY: this thread alone is STARTING; nobody reads before ACTIVE is stored.
    unsafe {
        (*SESSION.0.get()).write(Session { pool, identity, native_stacks, interpreter: stacks, key });
    }
    let switch = page.cast::<AtomicU32>().as_ptr();
    // SAFETY: the page is large enough, and zero is a counter.
    unsafe { (*switch).store(1, Release) };
    Some(switch)
}

/// Maps the pool. Returns with it what to unmap if it is not used.
fn open_pool(path: &CStr) -> Option<(Pool, (NonNull<u8>, usize))> {
    // SAFETY: plain system calls on a path that is a C string and a stat buffer that the call fills.
    let (fd, bytes) = unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if fd < 0 {
            // Another pid namespace, another user, or the recorder has ended: not a process that it can record.
            return None;
        }
        let mut status = MaybeUninit::<libc::stat>::zeroed();
        let bytes = if libc::fstat(fd, status.as_mut_ptr()) == 0 { status.assume_init().st_size } else { 0 };
        (fd, usize::try_from(bytes).unwrap_or(0))
    };
    let start = map_shared(bytes, fd);
    // SAFETY: the descriptor is ours. The program never sees it.
    unsafe { libc::close(fd) };
    let start = start?;
    // SAFETY: the mapping has this length, and stays as long as the pool is used.
    match unsafe { Pool::attach(start.as_ptr(), bytes) } {
        Ok(pool) => Some((pool, (start, bytes))),
        Err(_) => {
            // SAFETY: nobody uses the mapping.
            unsafe { unmap(start, bytes) };
            None
        }
    }
}

/// Tells the recorder what interpreter this is, and returns it if its stacks can be read.
fn attach_interpreter(pool: &Pool, found: Found) -> Option<&'static Interpreter> {
    let header = pool.header();
    let (state, version, stacks) = match found {
        Found::Nothing => (PythonState::Absent, &b""[..], None),
        Found::Unknown(version) => (PythonState::Unknown, version, None),
        Found::Known(found, version) => {
            // SAFETY: this thread alone is STARTING. Nobody else refers to the interpreter before this returns.
            let interpreter: &'static Interpreter = unsafe { (*INTERPRETER.0.get()).write(found) };
            interpreter.watch_deaths();
            (PythonState::Known, version, Some(interpreter))
        }
    };
    store_text(&header.python_version, version);
    store_text(&header.python_allocator, b"");
    header.python_state.store(state as u32, Release);
    stacks
}

static ALLOCATOR_TOLD: AtomicBool = AtomicBool::new(false);

/// Python code runs, so the interpreter's allocator is settled: tells the recorder its name, once.
pub fn note_running_interpreter(interpreter: &Interpreter) {
    if ALLOCATOR_TOLD.load(Relaxed) || interpreter.thread_state() == 0 || ALLOCATOR_TOLD.swap(true, AcqRel) {
        return;
    }
    if let Some(session) = active() {
        store_text(&session.pool.header().python_allocator, interpreter.allocator_name());
    }
}

/// Ends recording in this process, and says why, once.
#[cold]
pub fn stop(Stop(reason): Stop) {
    // SAFETY: see `active`.
    if unsafe { (*ACTIVE.load(Acquire)).swap(0, AcqRel) } == 0 {
        return;
    }
    let _errno = KeptErrno::new();
    // SAFETY: recording was active, so the session was written.
    let header = unsafe { (*SESSION.0.get()).assume_init_ref() }.pool.header();
    header.stopped.store(reason as u32, Release);
    say("memprof: recording stops, the program goes on: ");
    say(reason.in_words());
    say("\n");
}

/// Makes sure that [`thread_ends`] is called at the end of the calling thread.
pub fn watch_thread(session: &Session, state: *mut ThreadState) {
    // SAFETY: the key exists; the value is only ever seen by `thread_ends`.
    unsafe { libc::pthread_setspecific(session.key, state.cast::<c_void>()) };
}

/// Makes sure that what the calling thread was created with is given back at its end, if it makes no event until then.
pub fn watch_birth(session: &Session, birth: *mut Birth) {
    // SAFETY: the key exists; the value is only ever seen by `thread_ends`.
    unsafe { libc::pthread_setspecific(session.key, birth.map_addr(|address| address | IS_BIRTH).cast::<c_void>()) };
}

/// Tells the two kinds of value of the key apart: both are aligned to pages.
const IS_BIRTH: usize = 1;

/// Destructors of other keys may still allocate: the thread's state is given back in the third of their rounds
/// (of `PTHREAD_DESTRUCTOR_ITERATIONS`, 4).
const LAST_ENDING: u32 = 3;

unsafe extern "C" fn thread_ends(state: *mut c_void) {
    let block = tls::block();
    if state.addr() & IS_BIRTH != 0 {
        // SAFETY: the block is this thread's own; what it was born with is given back, unless it has been used.
        drop(unsafe { take_origin(core::mem::replace(&mut (*block).birth, core::ptr::null_mut())) });
        return;
    }
    let Some(session) = active() else { return };
    // SAFETY: the block and the state are this thread's own; the state stays valid until it is destroyed here.
    unsafe {
        let state = state.cast::<ThreadState>();
        if (*block).state != state {
            return;
        }
        (*block).doing = tls::Doing::Real;
        (*state).endings += 1;
        if (*state).endings < LAST_ENDING {
            (*state).seal();
            watch_thread(session, state);
        } else {
            (*block).state = core::ptr::null_mut();
            (*block).ended = true;
            ThreadState::destroy(state);
        }
        (*block).doing = tls::Doing::Program;
    }
}

/// Starts the session before the program's own code runs, if no allocation has done so.
extern "C" fn constructor() {
    start();
}

#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;
