//! While the program runs: the thread that drains its channel and samples the resident set.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::{Duration, Instant};

use memprof_channel::Pool;
use memprof_channel::pool::futex_wait;

use super::attached::Attached;
use super::now;
use crate::drain::Drain;
use crate::resident_set::ResidentSet;
use crate::signals::asked_to_end;

/// How often the resident set is read. The channel is drained at least as often.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// How long a process that has just executed a program may take to begin with it.
const LONGEST_START: Duration = Duration::from_secs(1);

/// What is to be drained.
pub struct Draining<'a> {
    pool: Pool,
    drain: Drain,
    resident: FollowedSet,
    /// Where the processes are followed that the program starts.
    following: Option<Following<'a>>,
}

impl<'a> Draining<'a> {
    /// The channel of the program with this pid.
    pub fn new(pool: Pool, pid: i32, drain: Drain, following: Option<Following<'a>>) -> Self {
        Self { pool, drain, resident: FollowedSet::of(pid), following }
    }

    /// Drains the channel until the program has ended.
    ///
    /// Where the processes are followed that it starts, until all of them have ended, or memprof is asked to end.
    pub fn until(mut self, ended: &AtomicBool) -> Drain {
        let pool = self.pool;
        let sleeps = &pool.header().recorder_sleeps;
        let mut next_sample = Instant::now();
        loop {
            let has_ended = ended.load(Acquire);
            if has_ended && self.following.is_none() {
                return self.drain;
            }
            self.drain.take_published();
            self.drain.take_abandoned();
            let time = Instant::now();
            if time >= next_sample || has_ended {
                next_sample = time + SAMPLE_INTERVAL;
                if self.sample(has_ended) {
                    return self.drain;
                }
            }
            sleeps.store(1, Release);
            if has_ended || !ended.load(Acquire) {
                futex_wait(sleeps, 1, next_sample.saturating_duration_since(Instant::now()));
            }
            sleeps.swap(0, AcqRel);
        }
    }

    /// Reads the resident set, and polls the processes that are followed. Returns whether that is over, and the program
    /// `has_ended`.
    fn sample(&mut self, has_ended: bool) -> bool {
        let Self { pool, drain, resident, following } = self;
        if let Some(bytes) = resident.bytes(*pool) {
            drain.sample(now(*pool), bytes);
        }
        let Some(following) = following else { return false };
        // Also the last time: those that have ended by now have their ends in the capture.
        let processes = drain.poll_processes(now(*pool));
        if !has_ended || !(asked_to_end() || following.is_over(processes, drain)) {
            return false;
        }
        // A process may have begun, recorded and ended since the channel was drained, before the others were searched.
        drain.take_published();
        drain.take_abandoned();
        drain.poll_processes(now(*pool)) == 0 || asked_to_end()
    }
}

/// What it takes to record the processes that the program starts, too.
pub struct Following<'a> {
    attached: Attached,
    /// Until when processes may attach that have not, once nobody else is left.
    patience: Option<Instant>,
    /// See [`Options::waiting`](super::Options::waiting); nothing once it has been called.
    waiting: Option<&'a mut (dyn FnMut(usize) + Send)>,
}

impl<'a> Following<'a> {
    /// Those that are attached to the pool. `waiting` is called when the program has ended and some of them have not.
    pub fn new(attached: Attached, waiting: &'a mut (dyn FnMut(usize) + Send)) -> Self {
        Self { attached, patience: None, waiting: Some(waiting) }
    }

    /// The program has ended, and `processes` of the processes that it started have not. Returns whether nobody is left
    /// who records, or will.
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

/// The resident set of the process that fills the pool: first of the one that was started, then of the one that
/// attaches, which may be a child of a wrapper.
struct FollowedSet {
    pid: i32,
    set: Option<ResidentSet>,
}

impl FollowedSet {
    fn of(pid: i32) -> Self {
        Self { pid, set: ResidentSet::of(pid).ok() }
    }

    fn bytes(&mut self, pool: Pool) -> Option<u64> {
        let attached = pool.header().attached_pid.load(Acquire).cast_signed();
        if attached != 0 && attached != self.pid {
            *self = Self::of(attached);
        }
        self.set.as_mut()?.bytes()
    }
}
