//! A recording, from the program's start to the finished file.
//!
//! - `prepared_output`: where it goes, before and after the program has been started.
//! - `draining`: while the program runs; with `attached`, the processes that may still record when it has ended.
//! - `ending`: what is added then, and what the user should know.

mod attached;
mod draining;
mod ending;
mod error;
mod prepared_output;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memprof_capture::file::Header;
use memprof_capture::file::facts::{ClockPoint, Exit, NotRecorded};
use memprof_channel::Pool;
use memprof_channel::clock::monotonic_nanoseconds;
use memprof_channel::followed::Followed;
use memprof_channel::layout::{CHUNK_BYTES, NATIVE_STACKS};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_channel::pool::futex_wake;

use crate::drain::Drain;
use crate::frozen;
use crate::last_resort::Armed;
use crate::output::{Destination, Failure};
use crate::program::Program;
use crate::resident_set::page_bytes;
use crate::shared_pool::{SharedPool, Wanted};
use crate::signals::Forwarding;
use crate::start::{Child, Environment, become_program, start};
use crate::symbols;
use crate::wait::{Ended, wait};
use attached::Attached;
use draining::{Draining, Following};
use ending::{Ending, NativeStacks};
use prepared_output::PreparedOutput;

pub use error::RecordError;

/// What to record.
pub struct Options<'a> {
    /// The program.
    pub program: Program,
    /// The library to preload.
    pub interposer: PathBuf,
    /// Where the capture goes.
    pub output: Destination,
    /// Where that file is, if it is to hold the sums of the events instead: it is then replaced time and again.
    pub sums_at: Option<PathBuf>,
    /// The version of memprof, for the file.
    pub memprof_version: String,
    /// The most native frames that are kept of a stack; nothing to record Python's frames only, as it is on
    /// processors whose native stacks memprof cannot read.
    pub native_depth: Option<u32>,
    /// Whether Python's own allocators are recorded as well.
    pub python_allocators: ObjectTracing,
    /// Whether the processes that the program starts are recorded as well. Then the recording ends with the last of
    /// them.
    pub follow_fork: bool,
    /// Called when the program has ended and some of those have not, with their number.
    pub waiting: Box<dyn FnMut(usize) + Send + 'a>,
    /// Where to look for the names of native frames; nothing to leave them without names.
    pub symbols: Option<symbols::Options>,
    /// Called while events are still being written although the program has ended, with the bytes that are left.
    pub progress: Box<dyn FnMut(u64) + Send + 'a>,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// How the program ended.
    pub exit: Exit,
    /// From its start to its end.
    pub wall: Duration,
    /// The processor time that it used.
    pub cpu: Duration,
    /// The allocations that it made.
    pub allocations: u64,
    /// The size of the file.
    pub file_bytes: u64,
    /// Why the capture is not complete, if it could not be written to its end.
    pub failure: Option<Failure>,
    /// What the user should know: a sentence each.
    pub warnings: Vec<String>,
    /// What it started and is not in the capture, if anything.
    pub not_recorded: Option<NotRecorded>,
}

/// Becomes a program that is not to be recorded. Returns only if that fails.
pub fn run_unrecorded(program: &Program) -> RecordError {
    RecordError::Start(program.executable.clone(), become_program(program))
}

/// Runs a program and records it.
pub fn record(options: Options<'_>) -> Result<Outcome, RecordError> {
    let Options {
        program,
        interposer,
        output,
        sums_at,
        memprof_version,
        native_depth,
        python_allocators,
        follow_fork,
        mut waiting,
        symbols,
        mut progress,
    } = options;
    let native_depth = native_depth.filter(|_| NATIVE_STACKS);
    // First of all: from now on no signal ends memprof, not even that of a file that has become too large.
    let forwarding = Forwarding::begin().map_err(RecordError::Memory)?;
    let followed = if follow_fork {
        Followed::All
    } else if frozen::is_launcher(&program.executable) {
        Followed::Launched
    } else {
        Followed::Nobody
    };
    let wanted =
        Wanted { python_only: program.is_python, native_stacks: native_depth.is_some(), python_allocators, followed };
    let shared = SharedPool::create(wanted).map_err(RecordError::Memory)?;
    let pool = shared.pool();
    let mut header = Header {
        memprof_version,
        command_line: program.argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        pid: 0,
        start_unix_ns: unix_nanoseconds(),
        start: now(pool),
        clock: pool.clock(),
        page_size: u32::try_from(page_bytes()).unwrap_or(4096),
        machine: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        native_stacks: native_depth.is_some(),
        python_allocators_traced: python_allocators,
    };
    let output = PreparedOutput::new(output, sums_at, &header, followed).map_err(RecordError::Output)?;

    let attached = Attached::to(shared.inode().map_err(RecordError::Memory)?, &shared.path());
    let environment = Environment { interposer, channel: shared.path() };
    let started = Instant::now();
    let mark_target = move || {
        // SAFETY: getpid cannot fail; a vfork or fork child may call it.
        let pid = unsafe { libc::getpid() }.cast_unsigned();
        pool.header().target_pid.store(pid, Release);
        Ok(())
    };
    let ended = AtomicBool::new(false);
    let recorded = std::thread::scope(|scope| {
        // The thread is there before the program: without it nothing could be recorded.
        let (give, take) = mpsc::channel::<Draining<'_>>();
        let ended = &ended;
        let draining =
            thread::Builder::new().spawn_scoped(scope, move || take.recv().ok().map(|draining| draining.until(ended)));
        let draining = draining.map_err(RecordError::Memory)?;
        let child = start(&program, &environment, mark_target)
            .map_err(|error| RecordError::Start(program.executable.clone(), error))?;
        forwarding.to(&child);
        let pid = child.pid();
        // SAFETY: the pool is there until `shared` is dropped, which is after this.
        let armed = unsafe { Armed::new(pid, pool.header()) };
        header.pid = pid.cast_unsigned();
        let drain = Drain::new(pool, output.begin(&header), native_depth.unwrap_or(0));
        let drain = if symbols.is_some() { drain.keeping_files() } else { drain };
        let following = followed.is_anybody().then(|| Following::new(attached, &mut *waiting));
        // It takes it, or has panicked, which ends memprof.
        let _ = give.send(Draining::new(pool, pid, drain, following));
        let end = wait_for(child, ended, pool);
        Ok((armed, draining.join(), end))
    });
    let (mut armed, drain, end) = recorded?;
    let end = end.map_err(RecordError::Wait)?;
    let drained = drain.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut drain = drained.expect("it was given one");
    let wall = started.elapsed();
    drain.take_rest(|chunks| progress(chunks as u64 * CHUNK_BYTES as u64));
    armed.leave_panics();
    drain.write_packages(&program.executable);
    let native = native_depth.map(|_| NativeStacks { began: header.start_unix_ns, symbols });
    let outcome = Ending { pool, end, wall, native }.finish(drain);
    // Until here, neither a signal nor lack of memory may end memprof in place of the program.
    drop(armed);
    drop(forwarding);
    Ok(outcome)
}

fn wait_for(child: Child, ended: &AtomicBool, pool: Pool) -> io::Result<Ended> {
    let end = wait(child);
    ended.store(true, Release);
    pool.header().recorder_sleeps.store(0, Release);
    futex_wake(&pool.header().recorder_sleeps);
    end
}

fn now(pool: Pool) -> ClockPoint {
    ClockPoint { stamp: pool.clock().now(), monotonic_ns: monotonic_nanoseconds() }
}

fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
