//! Chunks of threads that have gone without handing them over: a signal or an `execve` ends them anywhere.

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memprof_channel::states::{State, Task};
use memprof_channel::{ChunkIndex, Pool};
use rustc_hash::{FxHashMap, FxHashSet};

use super::chunks::Chunks;
use super::poll::{Known, Polled};
use super::processes::Processes;

/// What such threads have left in the pool.
pub struct Abandoned {
    gone: FxHashSet<Task>,
    /// What they have written.
    pub polled: Polled,
}

impl Abandoned {
    /// Finds it, when others look for chunks in vain.
    pub fn find(chunks: &Chunks, processes: &Processes) -> Option<Self> {
        let pool = chunks.pool();
        // Those that wait to be taken come back anyway.
        if pool.waiting() != 0 || !pool.is_wanted() {
            return None;
        }
        let (mut holders, mut newest) = (FxHashMap::default(), FxHashMap::default());
        for chunk in pool.chunks() {
            match pool.state(chunk) {
                State::Free => {}
                State::Taken(task) => {
                    holders.entry(task).or_insert(None);
                }
                State::Owned(task) => {
                    holders.insert(task, Some(pool.descriptor(chunk).pid.load(Relaxed)));
                    let last = newest.entry(task).or_default();
                    *last = age(pool, chunk).max(*last);
                }
            }
        }
        let gone: FxHashSet<Task> =
            holders.into_iter().filter(|&(task, pid)| has_gone(task, pid, processes)).map(|(task, _)| task).collect();
        // What is found from here on is what they have left.
        let is_left = |&chunk: &ChunkIndex| match pool.state(chunk) {
            // A thread fills one chunk after the other. It has lost sight of those before its last one: a signal
            // handler left the hook that was at work.
            State::Owned(task) => {
                gone.contains(&task) || newest.get(&task).is_some_and(|&last| age(pool, chunk) < last)
            }
            State::Taken(_) | State::Free => false,
        };
        // What is settled is for the next poll of all threads to say.
        let polled = Polled::left(&pool, chunks.in_use().filter(is_left), Known::Nothing);
        Some(Self { gone, polled })
    }

    /// Returns it to the pool: what they have written has been taken.
    pub fn release(self, chunks: &Chunks) {
        let pool = chunks.pool();
        for chunk in pool.chunks() {
            match pool.state(chunk) {
                State::Taken(task) if self.gone.contains(&task) => pool.release(chunk, task),
                State::Free => pool.offer(chunk),
                State::Taken(_) | State::Owned(_) => {}
            }
        }
        chunks.wake();
    }
}

/// Grows from each of a task's chunks to its next.
fn age(pool: Pool, chunk: ChunkIndex) -> (u32, u32) {
    let descriptor = pool.descriptor(chunk);
    (descriptor.thread.load(Acquire), descriptor.sequence.load(Acquire))
}

/// Whether a thread has ended, of this process where that is known. Where that cannot be found out, it lives.
fn has_gone(task: Task, pid: Option<u32>, processes: &Processes) -> bool {
    let pid = pid.or_else(|| processes.pid_of(task.image));
    let folder = match pid {
        Some(pid) => format!("/proc/{pid}/task/{}", task.tid),
        // It was killed before it said anything. Threads can be found here, too, by their names.
        None => format!("/proc/{}", task.tid),
    };
    match fs::read(format!("{folder}/status")) {
        Ok(status) => {
            let pid = pid.or_else(|| field(&status, "Tgid:")?.parse().ok());
            matches!(field(&status, "State:"), Some("Z" | "X"))
                || pid.is_some_and(|pid| processes.runs_after(task.image, pid))
        }
        Err(error) => error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH),
    }
}

/// The first word of a line of `/proc/PID/status` (proc(5)).
fn field<'a>(status: &'a [u8], name: &str) -> Option<&'a str> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name.as_bytes()))?;
    str::from_utf8(line).ok()?.split_whitespace().next()
}
