//! How a session begins.
//!
//! The recorder preloads the interposer into the program that it starts, and so into every program that this one
//! starts. Each of them finds the pool by the environment, but only the process that the recorder started (by its pid,
//! which an exec keeps) records; in all others every hook passes through. Two exceptions: when Python is to be recorded
//! and what was started is a wrapper that runs Python as its child, the first Python records; and where processes are
//! followed, all that come after the first one record, forked or executed.

use core::ffi::CStr;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use memprof_channel::Pool;
use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::layout::NATIVE_STACKS;
use memprof_channel::not_followed::NotFollowed;

use crate::environment::{self, CHANNEL, Entries, Heirs};
use crate::lock::Recording;
use crate::locks;
use crate::platform::loaded_modules::{self, LoadedModule, MayAskLoader};
use crate::platform::memory::{MappedPool, map, say, wipe_in_children};
use crate::platform::symbols;
use crate::platform::tls::{self, Activity, Doing};
use crate::process::{Identity, Ids, is_out_of_sight};
use crate::python::symbols::Symbols;
use crate::python_start;
use crate::session::{self, Session};
use crate::thread::ThreadState;
use crate::thread_end::thread_ends;
use crate::unwind::{checking, stack_region, unwinder};

const UNSTARTED: u32 = 0;
const STARTING: u32 = 1;
const DECIDED: u32 = 2;
/// Recorded, and so are the processes that it forks.
const FOLLOWED: u32 = 3;
static PHASE: AtomicU32 = AtomicU32::new(UNSTARTED);

/// The session, started now if that has not been decided yet. Too early in the life of a process, when there is no
/// environment yet, it stays undecided.
#[cold]
pub fn start() -> Option<&'static Session> {
    match PHASE.load(Acquire) {
        UNSTARTED if !environment::own().is_null() && symbols::resolve() => {}
        FOLLOWED => return start_in_child(),
        _ => return None,
    }
    if PHASE.compare_exchange(UNSTARTED, STARTING, AcqRel, Relaxed).is_err() {
        return None;
    }
    let block = tls::block();
    // What is allocated on the way is not the program's business.
    block.begin(Activity::of(Doing::Real));
    let errno = KeptErrno::new();
    // SAFETY: the line above says that the thread does something else, and there is no other right yet. The first
    // allocation of a process is made by its only thread.
    let session = unsafe { attach(&mut Recording::begin(), &MayAskLoader::new()) };
    drop(errno);
    block.begin(Activity::PROGRAM);
    PHASE.store(if session.is_some_and(|session| session.follows) { FOLLOWED } else { DECIDED }, Release);
    session
}

/// A recorded process has forked, and this is the child: it records as a process of its own. Also called, and of no
/// consequence, when recording has stopped early.
#[cold]
fn start_in_child() -> Option<&'static Session> {
    let session = session::known()?;
    if session.identity.is_own() || PHASE.compare_exchange(FOLLOWED, STARTING, AcqRel, Relaxed).is_err() {
        return None;
    }
    let block = tls::block();
    // Its state writes to a chunk of the parent's, and is left alone: a copy that nobody else has.
    ThreadState::replace(block, core::ptr::null_mut());
    block.begin(Activity::of(Doing::Real));
    let pool = session.pool();
    if environment::kept().is_some_and(|entries| is_out_of_sight(&pool, entries.channel())) {
        session::never_again();
        pool.header().not_followed[NotFollowed::OutOfReach as usize].fetch_add(1, Relaxed);
        PHASE.store(DECIDED, Release);
        block.begin(Activity::PROGRAM);
        return None;
    }
    session.identity.become_child(&pool, Ids::seen());
    // SAFETY: this is the first recorded call of a process that has one thread, and no hook is at work below this one.
    unsafe { locks::begin_in_child(&mut Recording::begin()) };
    session::switch_on();
    block.begin(Activity::PROGRAM);
    PHASE.store(FOLLOWED, Release);
    Some(session)
}

/// Finds the pool, and whether this process is the one to record; if so, records it.
fn attach(recording: &mut Recording, ask: &MayAskLoader) -> Option<&'static Session> {
    // SAFETY: the name is a C string. Nobody changes the environment while the first allocation is made.
    let path = unsafe { libc::getenv(CHANNEL.as_ptr()) };
    if path.is_null() {
        return None;
    }
    // SAFETY: getenv returned a C string.
    let path = unsafe { CStr::from_ptr(path) };
    let modules = loaded_modules::all(ask).ok()?;
    let mapping = MappedPool::open(path);
    // SAFETY: the mapping has this length, and stays as long as the pool is used.
    let pool = mapping.and_then(|mapping| unsafe { Pool::attach(mapping.start.as_ptr(), mapping.bytes) }.ok());
    let ids = Ids::seen();
    let session = pool.zip(mapping).and_then(|(pool, mapping)| attach_to(pool, mapping, ids, &modules, recording, ask));
    pass_on(pool, path, ids, &modules);
    if let (None, Some(mapping)) = (session, mapping) {
        // SAFETY: nobody has kept the pool.
        unsafe { mapping.close() };
    }
    session
}

/// Decides to which programs this one passes on what has led it here.
fn pass_on(pool: Option<Pool>, channel: &CStr, ids: Ids, modules: &[LoadedModule]) {
    let own_code = (pass_on as fn(_, _, _, _)) as usize;
    let Some(this) = modules.iter().find(|module| module.range().contains(&own_code)) else { return };
    let mut heirs = Heirs::Nobody;
    if let Some(header) = pool.as_ref().map(Pool::header) {
        let attached = header.attached_pid.load(Acquire);
        let is_attached = attached == ids.pid;
        if header.followed().follows(is_attached) {
            heirs = Heirs::All;
        } else if attached == 0 {
            // A wrapper: the first Python that it starts is recorded.
            return;
        } else if is_attached || header.followed().is_anybody() || header.target_pid.load(Acquire) == ids.pid {
            // SAFETY: getpid cannot fail.
            heirs = Heirs::Itself(unsafe { libc::getpid() }.cast_unsigned());
        }
    }
    let loader = modules.first().and_then(LoadedModule::loader).unwrap_or_default();
    // SAFETY: the name of a module that is never unloaded is a C string.
    let Ok(entries) = Entries::new(unsafe { CStr::from_ptr(this.name) }, channel, loader, heirs) else { return };
    // SAFETY: called once, by the first allocation of a process, which has one thread.
    unsafe { environment::keep(entries) };
}

/// Attaches to the pool, if this process is the one to record.
fn attach_to(
    pool: Pool,
    mapping: MappedPool,
    ids: Ids,
    modules: &[LoadedModule],
    recording: &mut Recording,
    ask: &MayAskLoader,
) -> Option<&'static Session> {
    let header = pool.header();
    let pid = ids.pid;
    let first = header.attached_pid.load(Acquire);
    let is_target = header.target_pid.load(Acquire) == pid || first == pid;
    let (waits_for_python, follows) =
        (header.python_only != 0 && first == 0, header.followed().is_anybody() && first != 0);
    if !is_target && !waits_for_python && !follows {
        return None;
    }
    let python = Symbols::find(modules);
    if header.python_only != 0 && !follows && python.is_none() {
        return None;
    }
    if is_target && !follows {
        header.attached_pid.store(pid, Release);
    } else if header.attached_pid.compare_exchange(0, pid, AcqRel, Relaxed).is_err() && !follows {
        return None;
    }
    stack_region::prepare(modules);
    unwinder::prepare(modules);
    let native_stacks = header.native_stacks != 0 && NATIVE_STACKS;
    if native_stacks {
        checking::prepare();
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
    let identity = Identity::of_new_image(&pool, ids);
    let follows = header.followed().follows(header.attached_pid.load(Acquire) == pid);
    let session = Session::new(pool, mapping, identity, native_stacks, follows, key);
    // SAFETY: this thread alone is STARTING. The page is large enough for a counter, zero is one, and it is never
    // unmapped.
    let session = unsafe { session::begin(session, page.cast::<AtomicU32>()) };
    match python {
        Some(python) => python_start::begin(session, &python, recording),
        None => python_start::report_absent(session),
    }
    crate::install(recording, ask);
    session::switch_on();
    Some(session)
}

/// Before the program's own code runs: starts the session, if no allocation has done so, and takes out of the
/// environment what has led here. Not when the session starts: the first allocation of a process may be libc's own, in
/// the middle of a change to the environment.
extern "C" fn constructor() {
    start();
    if let Some(entries) = environment::kept().filter(|entries| entries.heirs() != Heirs::All) {
        // SAFETY: constructors run before the program, mostly in its only thread. If another library's constructor has
        // started one that reads the environment meanwhile, each pointer that it finds there is one of the list's, or
        // the end.
        unsafe { entries.take_out(environment::own()) };
    }
}

#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;
