//! Chunks of threads that have gone without handing them over: a signal or an `execve` ends them anywhere.

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memprof_capture::channel::ChunkIndex;
use memprof_capture::channel::pool::futex_wake;
use memprof_capture::channel::states::{State, Task};
use memprof_capture::ids::Stamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Drain, chunks_in_use};
use crate::look::{Left, Look};

impl Drain {
    /// Gives chunks back whose threads have gone, when others look for chunks in vain.
    pub fn take_abandoned(&mut self) {
        let pool = self.pool;
        // Those that wait to be taken come back anyway.
        if pool.waiting() != 0 || !pool.is_wanted() {
            return;
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
                    *last = self.age(chunk).max(*last);
                }
            }
        }
        let gone: FxHashSet<Task> =
            holders.into_iter().filter(|&(task, pid)| self.has_gone(task, pid)).map(|(task, _)| task).collect();
        // What is found from here on is what they have left.
        let is_left = |&chunk: &ChunkIndex| match pool.state(chunk) {
            // A thread fills one chunk after the other. Of those before its last one it has lost sight, when a signal handler
            // left the hook that was at work.
            State::Owned(task) => gone.contains(&task) || newest.get(&task).is_some_and(|&last| self.age(chunk) < last),
            State::Taken(_) | State::Free => false,
        };
        let look = Look::at(&pool, chunks_in_use(pool).filter(is_left), Left::ByTheirThreads);
        // What is settled is for the next look at all threads to say.
        self.take(&look, |_| Stamp(0), |_| {});
        for chunk in pool.chunks() {
            match pool.state(chunk) {
                State::Taken(task) if gone.contains(&task) => pool.give_back(chunk, task),
                State::Free => pool.offer(chunk),
                State::Taken(_) | State::Owned(_) => {}
            }
        }
        futex_wake(&pool.header().space);
    }

    /// Grows from each of a task's chunks to its next.
    fn age(&self, chunk: ChunkIndex) -> (u32, u32) {
        let descriptor = self.pool.descriptor(chunk);
        (descriptor.thread.load(Acquire), descriptor.sequence.load(Acquire))
    }

    /// Whether a thread has ended, of this process where that is known. Where it cannot be told it lives.
    fn has_gone(&self, task: Task, pid: Option<u32>) -> bool {
        let pid = pid.or_else(|| self.images.get(&task.image).copied());
        let folder = match pid {
            Some(pid) => format!("/proc/{pid}/task/{}", task.tid),
            // It was killed before it said anything. Threads can be found here, too, by their names.
            None => format!("/proc/{}", task.tid),
        };
        match fs::read(format!("{folder}/status")) {
            Ok(status) => {
                let pid = pid.or_else(|| field(&status, "Tgid:")?.parse().ok());
                matches!(field(&status, "State:"), Some("Z" | "X"))
                    || pid.is_some_and(|pid| self.runs_after(task.image, pid))
            }
            Err(error) => error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH),
        }
    }

    /// Whether a process is known to run a program that came after this image.
    fn runs_after(&self, image: u32, pid: u32) -> bool {
        self.images.iter().any(|(&later, &of)| of == pid && later > image)
    }
}

/// The first word of a line of `/proc/PID/status` (proc(5)).
fn field<'a>(status: &'a [u8], name: &str) -> Option<&'a str> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name.as_bytes()))?;
    str::from_utf8(line).ok()?.split_whitespace().next()
}
