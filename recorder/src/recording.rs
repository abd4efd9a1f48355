//! A recording, from the program's start to the finished file.

use std::fmt;

use std::io::{self, Seek};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memprof_capture::channel::Pool;
use memprof_capture::channel::followed::Followed;
use memprof_capture::channel::layout::{KNOWN_FREE_THREADED, KNOWN_PYTHONS, NATIVE_STACKS, PoolHeader};
use memprof_capture::channel::pool::{futex_wait, futex_wake};
use memprof_capture::clock::monotonic_nanoseconds;
use memprof_capture::early_stop::EarlyStop;
use memprof_capture::file::facts::{ClockPoint, Exit, NotRecorded};
use memprof_capture::file::{Fact, Header, Summary};
use memprof_capture::not_followed::NotFollowed;
use memprof_capture::os_error::in_words;

use crate::attached::Attached;
use crate::drain::Drain;
use crate::frozen;
use crate::last_resort::Armed;
use crate::output::aggregated_output::AggregatedOutput;
use crate::output::capture_output::CaptureOutput;
use crate::output::{Destination, Failure, Output, Written};
use crate::own_limits::is_want_of_resources;
use crate::program::Program;
use crate::resident_set::{ResidentSet, page_bytes};
use crate::shared_pool::{SharedPool, Wanted};
use crate::signals::{Forwarding, told_to_end};
use crate::start::{Child, Environment, become_program, start};
use crate::symbols;
use crate::wait::{Ended, wait};
use memprof_capture::object_tracing::ObjectTracing;

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
    /// Whether the processes that the program starts are recorded as well. Then the recording ends with the last of them.
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

/// Why nothing was recorded.
#[derive(Debug)]
pub enum RecordError {
    /// The system gives no shared memory.
    Memory(io::Error),
    /// The file cannot be written.
    Output(io::Error),
    /// The program cannot be started.
    Start(PathBuf, io::Error),
    /// The program was started and lost.
    Wait(io::Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => {
                let why = in_words(error);
                write!(f, "cannot set up what it takes to record: {why}; raise the limits (ulimit) or free some memory")
            }
            Self::Output(error) => write!(f, "cannot write: {}", in_words(error)),
            Self::Start(program, error) => {
                let (program, why) = (program.display(), in_words(error));
                write!(f, "cannot start {program}: {why}; check that it can be executed")
            }
            Self::Wait(error) => write!(f, "lost the program: {}", in_words(error)),
        }
    }
}

impl std::error::Error for RecordError {}

impl RecordError {
    /// Whether the program could run all the same, if nothing was to be recorded.
    #[must_use]
    pub fn leaves_the_program(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Output(error) => is_want_of_resources(error),
            Self::Start(..) | Self::Wait(_) => false,
        }
    }
}

/// Becomes a program that is not to be recorded. Returns only if that fails.
pub fn run_unrecorded(program: &Program) -> RecordError {
    RecordError::Start(program.executable.clone(), become_program(program))
}

/// How often the resident set is looked at. The channel is drained at least as often.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

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
    // Whether it can be written is to be known before anything runs; the pid is known afterwards.
    if let Destination::File(file) = &output {
        let blank = file.try_clone().map_err(RecordError::Output)?;
        CaptureOutput::new(blank, &header).map_err(RecordError::Output)?;
    }
    let sums = sums_at.map(|path| AggregatedOutput::new(path, header.clone(), !followed.is_anybody())).transpose();
    let sums = sums.map_err(RecordError::Output)?;

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
        let (give, take) = mpsc::channel::<(i32, Drain, Option<Following<'_>>)>();
        let ended = &ended;
        let draining = thread::Builder::new().spawn_scoped(scope, move || {
            take.recv().ok().map(|(pid, drain, following)| drain_until(ended, pool, pid, drain, following))
        });
        let draining = draining.map_err(RecordError::Memory)?;
        let child = start(&program, &environment, mark_target)
            .map_err(|error| RecordError::Start(program.executable.clone(), error))?;
        forwarding.to(&child);
        let pid = child.pid();
        // SAFETY: the pool is there until `shared` is dropped, which is after this.
        let armed = unsafe { Armed::new(pid, pool.header()) };
        header.pid = pid.cast_unsigned();
        let output: Box<dyn Output> = match sums {
            Some(sums) => Box::new(sums.with_header(header.clone())),
            None => Box::new(begin(output, &header)),
        };
        let drain = Drain::new(pool, output, native_depth.unwrap_or(0));
        let drain = if symbols.is_some() { drain.keeping_files() } else { drain };
        let following =
            followed.is_anybody().then_some(Following { attached, patience: None, waiting: Some(&mut *waiting) });
        // It takes it, or has panicked, which ends memprof.
        let _ = give.send((pid, drain, following));
        let end = wait_for(child, ended, pool);
        Ok((armed, draining.join(), end))
    });
    let (mut armed, drain, end) = recorded?;
    let end = end.map_err(RecordError::Wait)?;
    let drained = drain.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut drain = drained.expect("it was given one");
    let wall = started.elapsed();
    drain.take_rest(|chunks| progress(chunks as u64 * memprof_capture::channel::layout::CHUNK_BYTES as u64));
    armed.leave_panics();
    let native = native_depth.map(|_| NativeStacks { began: header.start_unix_ns, symbols });
    let outcome = finish(drain, pool, &end, wall, native);
    // Until here, neither a signal nor want of memory may put memprof's end in the place of the program's.
    drop(armed);
    drop(forwarding);
    Ok(outcome)
}

/// Writes the file's beginning, with the pid; of a file, again. The program runs by now: it is none of its business if the disk
/// has just become full.
fn begin(output: Destination, header: &Header) -> CaptureOutput {
    let (file, emptied) = match output {
        Destination::File(mut file) => {
            let emptied = file.rewind().and_then(|()| file.set_len(0));
            (file, emptied)
        }
        Destination::Stream(stream) => (stream, Ok(())),
    };
    let begun = emptied.and_then(|()| file.try_clone()).and_then(|file| CaptureOutput::new(file, header));
    begun.unwrap_or_else(|error| CaptureOutput::broken(file, error))
}

fn wait_for(child: Child, ended: &AtomicBool, pool: Pool) -> io::Result<Ended> {
    let end = wait(child);
    ended.store(true, Release);
    pool.header().recorder_sleeps.store(0, Release);
    futex_wake(&pool.header().recorder_sleeps);
    end
}

/// What it takes to record the processes that the program starts, too.
struct Following<'a> {
    attached: Attached,
    /// Until when processes may attach that have not, once nobody else is left.
    patience: Option<Instant>,
    /// See [`Options::waiting`]; nothing once it has been called.
    waiting: Option<&'a mut (dyn FnMut(usize) + Send)>,
}

/// How long a process that has just executed a program may take to begin with it.
const LONGEST_START: Duration = Duration::from_secs(1);

impl Following<'_> {
    /// The program has ended, and so many of the processes that it started have not. Whether there is nobody left who
    /// records, or will.
    fn is_over(&mut self, processes: usize, drain: &mut Drain) -> bool {
        let mut processes = processes;
        if processes == 0 {
            let found = self.attached.find();
            processes = found.attached.len();
            drain.expect_processes(&found.attached);
            if processes == 0 {
                let now = Instant::now();
                return !found.may_attach || now >= *self.patience.get_or_insert(now + LONGEST_START);
            }
        }
        self.patience = None;
        if let Some(waiting) = self.waiting.take() {
            waiting(processes);
        }
        false
    }
}

/// Drains the channel and looks at the resident set until the program has ended.
///
/// Where the processes are followed that it starts, until all of them have ended, or memprof is told to end.
fn drain_until(
    ended: &AtomicBool,
    pool: Pool,
    pid: i32,
    mut drain: Drain,
    mut following: Option<Following<'_>>,
) -> Drain {
    let mut resident = FollowedSet { pid, set: ResidentSet::of(pid).ok() };
    let sleeps = &pool.header().recorder_sleeps;
    let mut next_sample = Instant::now();
    loop {
        let has_ended = ended.load(Acquire);
        if has_ended && following.is_none() {
            return drain;
        }
        drain.take_published();
        drain.take_abandoned();
        let time = Instant::now();
        if time >= next_sample || has_ended {
            next_sample = time + SAMPLE_INTERVAL;
            if let Some(bytes) = resident.bytes(pool) {
                drain.sample(now(pool), bytes);
            }
            if let Some(following) = &mut following {
                // Also the last time: those that have ended by now have their ends in the capture.
                let processes = drain.look_after_processes(now(pool));
                if has_ended && (told_to_end() || following.is_over(processes, &mut drain)) {
                    return drain;
                }
            }
        }
        sleeps.store(1, Release);
        if has_ended || !ended.load(Acquire) {
            futex_wait(sleeps, 1, next_sample.saturating_duration_since(Instant::now()));
        }
        sleeps.swap(0, AcqRel);
    }
}

/// The resident set of the process that fills the pool: first of the one that was started, then of the one that
/// attaches, which may be a child of a wrapper.
struct FollowedSet {
    pid: i32,
    set: Option<ResidentSet>,
}

impl FollowedSet {
    fn bytes(&mut self, pool: Pool) -> Option<u64> {
        let attached = pool.header().attached_pid.load(Acquire).cast_signed();
        if attached != 0 && attached != self.pid {
            *self = Self { pid: attached, set: ResidentSet::of(attached).ok() };
        }
        self.set.as_mut()?.bytes()
    }
}

/// What is to be added when native stacks were recorded.
struct NativeStacks {
    /// When the recording began, in nanoseconds since 1970.
    began: u64,
    symbols: Option<symbols::Options>,
}

fn finish(mut drain: Drain, pool: Pool, end: &Ended, wall: Duration, native: Option<NativeStacks>) -> Outcome {
    let header = pool.header();
    let summary = Summary {
        end: now(pool),
        exit: end.exit,
        cpu_us: u64::try_from(end.cpu.as_micros()).unwrap_or(u64::MAX),
        peak_rss_bytes: end.peak_rss_bytes.unwrap_or(0),
        channel_waits: header.waits.load(Acquire),
        skipped_events: header.skipped.load(Acquire),
        stopped: EarlyStop::from_number(header.stopped.load(Acquire)),
        damaged_chunks: drain.damaged_chunks(),
    };
    let mut warnings = Vec::new();
    if header.images.load(Acquire) == 0 {
        warnings
            .push("nothing was recorded: the program ended before it made an allocation that memprof sees".to_owned());
    }
    if let Some(Fact::Python { version, stacks: false, .. }) = drain.interpreter() {
        warnings.push(format!(
            "memprof cannot read the stacks of Python {version}: it knows the standard builds of 3.{} to 3.{}, and \
             free-threaded ones of 3.{} and later; allocations were recorded without them",
            KNOWN_PYTHONS.start(),
            KNOWN_PYTHONS.end(),
            KNOWN_FREE_THREADED.start()
        ));
    }
    if let Some(reason) = summary.stopped {
        warnings.push(format!(
            "recording stopped before the program ended: {}; what came after that is not in the capture",
            reason.in_words()
        ));
    }
    if summary.damaged_chunks > 0 {
        warnings
            .push(format!("{} chunks of events were overwritten by the program and are lost", summary.damaged_chunks));
    }
    if let Some(NativeStacks { began, symbols }) = native {
        drain.write_native_stacks();
        drain.write_hidden_allocators();
        if let Some(options) = symbols {
            let began = i64::try_from(Duration::from_nanos(began).as_secs()).unwrap_or(0);
            warnings.extend(drain.write_symbols(began, &options));
        }
    }
    let not_recorded = not_recorded(header, end);
    if let Some(fact) = &not_recorded {
        drain.write_not_recorded(fact);
    }
    let allocations = drain.allocations();
    let Written { bytes: file_bytes, failure } = drain.into_output().finish(&summary);
    Outcome { exit: end.exit, wall, cpu: end.cpu, allocations, file_bytes, failure, warnings, not_recorded }
}

fn not_recorded(header: &PoolHeader, end: &Ended) -> Option<NotRecorded> {
    let programs = NotFollowed::ALL.map(|reason| (reason, header.not_followed[reason as usize].load(Acquire)));
    let programs: Vec<_> = programs.into_iter().filter(|&(_, count)| count > 0).collect();
    let children = header.unrecorded_children.load(Acquire);
    // Otherwise they may have been wrappers of the one that was recorded.
    let is_target = header.attached_pid.load(Acquire) == header.target_pid.load(Acquire);
    let children_cpu = Some(end.children_cpu).filter(|_| children > 0 && is_target).unwrap_or_default();
    let children_cpu_us = u64::try_from(children_cpu.as_micros()).unwrap_or(u64::MAX);
    let allocators = header.allocators_not_hooked.load(Acquire);
    let what = NotRecorded { children, children_cpu_us, programs, allocators };
    (what != NotRecorded::default()).then_some(what)
}

fn now(pool: Pool) -> ClockPoint {
    ClockPoint { stamp: pool.clock().now(), monotonic_ns: monotonic_nanoseconds() }
}

fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
